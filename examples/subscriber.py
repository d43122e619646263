"""Print the mood of the music: python subscriber.py [ENDPOINT [COUNT]]."""

import sys
from itertools import islice

from streammer import Subscriber

endpoint = sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:5580"
with Subscriber(endpoint, stream="main") as moods:
    for mood in islice(moods, int(sys.argv[2]) if len(sys.argv) > 2 else None):
        print(f"{mood.t_audio_s:.1f} s: {mood.valence}, {mood.arousal}, {mood.state}", flush=True)
