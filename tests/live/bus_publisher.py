"""A publisher in a process of its own: bus_publisher.py ENDPOINT [PERIOD_S [MODEL_NAME_BYTES]].

Prints the endpoint, then publishes made-up estimates of stream main until SIGTERM, and ends it
as the engine does: with a last message in state `ended`.
"""

import math
import signal
import sys
import threading

from streammer.bus import Publisher
from streammer.clock import SystemClock
from streammer.errors import StreammerError
from streammer.estimate import MoodEstimate, StreamStatus, new_epoch, quadrant_of

CLOCK = SystemClock()


def estimate(epoch: str, seq: int, state: str, model: str) -> MoodEstimate:
    valence, arousal = 0.6 * math.cos(seq / 20), 0.6 * math.sin(seq / 20)
    return MoodEstimate(
        stream="main",
        epoch=epoch,
        seq=seq,
        t_audio_s=seq * 0.5,
        t_capture=CLOCK.unix(),
        t_publish=CLOCK.unix(),
        valence=valence,
        arousal=arousal,
        sigma_valence=0.1,
        sigma_arousal=0.2,
        p_positive=None,
        p_energetic=None,
        quadrant=quadrant_of(valence, arousal),
        state=state,
        level_dbfs=-20.0,
        lag_ms=1.0,
        model=model,
        lost_samples=0,
    )


def status(epoch: str, steps: int, state: str) -> StreamStatus:
    return StreamStatus(
        stream="main",
        epoch=epoch,
        state=state,
        source="made up",
        source_kind="array",
        models=["none 0"],
        sr=44100,
        channels=2,
        rates=[22050],
        step_s=0.5,
        latency_s=0.0,
        steps=steps,
        degraded_ticks=0,
        lost_samples=0,
        reopened=0,
        nonfinite_samples=0,
        clipped_samples=0,
        uptime_s=steps * 0.5,
        version="0",
    )


def main(endpoint: str, period_s: float = 0.05, model_bytes: int = 4) -> int:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        bus = Publisher(endpoint)
    except StreammerError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    epoch, seq = new_epoch(CLOCK), 0
    with bus:
        print(bus.endpoint, flush=True)
        while not stop.wait(period_s):
            bus.publish(estimate(epoch, seq, "live", "m" * model_bytes))
            if seq % 10 == 0:
                bus.publish_status(status(epoch, seq, "live"))
            seq += 1
        bus.publish(estimate(epoch, seq, "ended", "m" * model_bytes))
        bus.publish_status(status(epoch, seq, "ended"))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], *map(float, sys.argv[2:3]), *map(int, sys.argv[3:4])))
