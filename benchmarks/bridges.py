"""The bridges: how true frames are to the mood, and how evenly they leave.

The first table is the shaping step alone, which is exact: moods that are known functions of time
are sampled twice a second and shaped; the error is against the same function one interval earlier,
which is where a frame has to be that must arrive when the next estimate is due. Values are on the
scale of -1 to 1. The second is a real bus, a real bridge (WLED's Sound Sync, whose packets are
counted, to a socket of this machine) and the monotonic clock that both share; its delay is the time
from the publication of a step of the mood to the first packet that shows it, less what was asked
for.
"""

import itertools
import math
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from streammer.bridges.frame import Frame, Received
from streammer.bridges.inbox import following
from streammer.bridges.options import Shaping
from streammer.bridges.runner import Runner
from streammer.bridges.shaping import init_shape, shape
from streammer.bridges.wled import SOUND_SYNC, WledOptions, WledSync
from streammer.bus import Publisher
from streammer.clock import SystemClock
from streammer.estimate import MoodEstimate, new_epoch

STEP_S = 0.5
SONG_S = 120.0
CURVES: dict[str, Callable[[float], float]] = {
    "a swing in 60 s": lambda t: 0.6 * math.sin(2.0 * math.pi * t / 60.0),
    "a swing in 10 s": lambda t: 0.6 * math.sin(2.0 * math.pi * t / 10.0),
    "a step every 15 s": lambda t: 0.6 if t // 15.0 % 2 else -0.6,
}


def rows() -> list[dict[str, Any]]:
    """Follow a mood that is known: error, overshoot, and cost of a frame.

    Returns
    -------
    list of dict
        `mood`, `attack_s`, `rate_hz`, `rms_error`, `overshoot`, `us_per_frame`.
    """
    table = []
    for (name, curve), attack in itertools.product(CURVES.items(), (0.0, 1.0)):
        options = Shaping(rate=60, attack=attack, release=attack, range="-1,1")
        begin = time.perf_counter()
        frames = _shaped(options, curve)
        us = 1e6 * (time.perf_counter() - begin) / len(frames)
        settled = [f for f in frames if f.t >= 5.0]
        shown = np.array([f.valence for f in settled])
        true = np.array([curve(f.t - STEP_S) for f in settled])
        table.append(
            {
                "mood": name,
                "attack_s": attack,
                "rate_hz": int(options.rate),
                "rms_error": float(np.sqrt(np.mean((shown - true) ** 2))),
                "overshoot": float(max(0.0, np.abs(shown).max() - 0.6)),
                "us_per_frame": us,
            }
        )
    return table


def bridge_rows(seconds: float = 12.0) -> list[dict[str, Any]]:
    """Send packets from a real bus: rate, order and delay.

    Parameters
    ----------
    seconds : float
        Of each row.

    Returns
    -------
    list of dict
        `rate_hz` and `delay_ms` as asked for, `rate_ratio` (measured over asked), `jitter_p99_ms`
        (of the time between two packets), `lost`, `out_of_order`, and `delay_error_ms` (median).
    """
    return [_measured(rate, delay, seconds) for rate, delay in ((30, 0.0), (60, 0.0), (60, 500.0))]


def _shaped(options: Shaping, curve: Callable[[float], float]) -> list[Frame]:
    state, frames, came = init_shape(options), [], 0
    for k in range(int(SONG_S * options.rate)):
        now = k / options.rate
        received = []
        while came * STEP_S <= now:
            at = came * STEP_S
            received.append(Received(at, _mood(came, curve(at))))
            came += 1
        state, frame = shape(options, state, received, now)
        frames.append(frame)
    return frames


def _measured(rate: int, delay_ms: float, seconds: float) -> dict[str, Any]:
    clock, steps, ended = SystemClock(), [], threading.Event()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(1.0)
        options = WledOptions(
            group="127.0.0.1", port=sock.getsockname()[1], rate=rate, delay_ms=delay_ms,
            attack=0.0, release=0.0, range="-1,1", floor=0.0,
        )  # fmt: skip
        runner = Runner(options, [WledSync(options)], clock)
        with (
            Publisher("tcp://127.0.0.1:0") as bus,
            following(bus.endpoint, ["main"], clock) as sources,
        ):
            run = threading.Thread(target=runner.run, args=(sources,))
            play = threading.Thread(target=_play, args=(bus, steps, ended))
            run.start()
            play.start()
            came = _received(sock, clock, seconds)
            ended.set()
            runner.stop()
            play.join()
            run.join()
    times = np.array([t for t, *_ in came])
    ahead = np.array([(b - a) % 256 for (_, a, _), (_, b, _) in itertools.pairwise(came)])
    return {
        "rate_hz": rate,
        "delay_ms": delay_ms,
        "rate_ratio": (len(times) - 1) / (times[-1] - times[0]) / rate,
        "jitter_p99_ms": 1000.0 * float(np.percentile(np.abs(np.diff(times) - 1.0 / rate), 99)),
        "lost": int(ahead[ahead < 128].sum() - (ahead < 128).sum()),
        "out_of_order": int((ahead >= 128).sum()),
        "delay_error_ms": float(np.median(_delays(came, steps))) - delay_ms,
    }


Came = list[tuple[float, int, float]]


def _received(sock: socket.socket, clock: SystemClock, seconds: float) -> Came:
    """Return when packets came, the counter and the volume in each."""
    came: Came = []
    until = clock.monotonic() + seconds
    while clock.monotonic() < until:
        try:
            packet = SOUND_SYNC.unpack(sock.recv(65536))
        except TimeoutError:
            continue
        came.append((clock.monotonic(), packet[4], packet[1]))
    return came


def _play(bus: Publisher, steps: list[float], ended: threading.Event) -> None:
    """Publish moods twice a second that rise and fall by steps every two seconds."""
    epoch, seq = new_epoch(SystemClock()), 0
    while not ended.wait(STEP_S):
        if seq % 4 == 0:
            steps.append(time.monotonic())
        bus.publish(_mood(seq, 0.6 if seq // 4 % 2 else -0.6, epoch))
        seq += 1


def _delays(came: Came, steps: list[float]) -> list[float]:
    """Return how long after each step the first packet came that shows it [ms]."""
    moved = [
        c[0] for a, b, c in zip(came, came[1:], came[2:], strict=False) if a[2] == b[2] != c[2]
    ]
    return [
        1000.0 * (min(later) - step)
        for step in steps[1:-1]
        if (later := [turn for turn in moved if turn > step])
    ]


def _mood(seq: int, value: float, epoch: str = "019c2f0a6b1c9d3e") -> MoodEstimate:
    now = time.time()
    return MoodEstimate(
        stream="main", epoch=epoch, seq=seq, t_audio_s=STEP_S * seq, t_capture=now, t_publish=now,
        valence=value, arousal=value, sigma_valence=0.2, sigma_arousal=0.2, p_positive=None,
        p_energetic=None, quadrant="Q1" if value > 0 else "Q3", state="live", level_dbfs=-20.0,
        lag_ms=1.0, model="default", lost_samples=0,
    )  # fmt: skip
