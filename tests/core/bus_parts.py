"""What the tests of the bus share: estimates, statuses, and a publisher that does as it is told."""

import time
from collections.abc import Callable

import msgspec
import zmq

from streammer.bus import Subscriber
from streammer.estimate import MoodEstimate, StreamStatus

EPOCH = "0192f000000000aa"


def estimate(seq: int = 0, **changes: object) -> MoodEstimate:
    fields = {
        "stream": "main",
        "epoch": EPOCH,
        "seq": seq,
        "t_audio_s": seq * 0.5,
        "t_capture": 1.7e9,
        "t_publish": 1.7e9,
        "valence": 0.25,
        "arousal": -0.5,
        "sigma_valence": 0.125,
        "sigma_arousal": 0.25,
        "p_positive": None,
        "p_energetic": None,
        "quadrant": "Q4",
        "state": "live",
        "level_dbfs": -20.5,
        "lag_ms": 3.5,
        "model": "default",
        "lost_samples": 0,
    }
    return MoodEstimate(**(fields | changes))


def status(**changes: object) -> StreamStatus:
    fields = {
        "stream": "main",
        "epoch": EPOCH,
        "state": "live",
        "source": "song.mp3",
        "source_kind": "file",
        "models": ["default 1"],
        "sr": 44100,
        "channels": 2,
        "rates": [22050],
        "step_s": 0.5,
        "latency_s": 0.02,
        "steps": 3,
        "degraded_ticks": 0,
        "lost_samples": 0,
        "reopened": 0,
        "nonfinite_samples": 0,
        "clipped_samples": 0,
        "uptime_s": 1.5,
        "version": "0.1.0",
    }
    return StreamStatus(**(fields | changes))


class RawPublisher:
    """A bare PUB-side socket: sends any frames, once the subscriber has subscribed."""

    def __init__(self) -> None:
        self._context = zmq.Context()
        self._sock = self._context.socket(zmq.XPUB)
        self._sock.linger = 0
        port = self._sock.bind_to_random_port("tcp://127.0.0.1")
        self.endpoint = f"tcp://127.0.0.1:{port}"

    def await_subscriptions(self, count: int = 2, timeout_s: float = 5.0) -> None:
        for _ in range(count):
            assert self._sock.poll(timeout_s * 1000), f"no subscription within {timeout_s} s"
            self._sock.recv()

    def send(self, *frames: bytes) -> None:
        self._sock.send_multipart(frames)

    def say(self, message: MoodEstimate | StreamStatus) -> None:
        kind = b"mood/" if isinstance(message, MoodEstimate) else b"status/"
        self.send(kind + message.stream.encode(), msgspec.json.encode(message))

    def __enter__(self) -> "RawPublisher":
        return self

    def __exit__(self, *_exc: object) -> None:
        self._sock.close()
        self._context.term()


def until(condition: Callable[[], bool], timeout_s: float = 5.0) -> bool:
    """Wait for something that happens in another thread; return whether it did."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.002)
    return True


def arrived(moods: Subscriber, timeout_s: float = 5.0) -> MoodEstimate:
    """Wait for the next estimate."""
    mood = moods.read(timeout_s)
    assert mood is not None, f"no estimate within {timeout_s} s"
    return mood
