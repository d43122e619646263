"""Capture from a device for some seconds: run by tests in the environment of their sound server.

    python -m tests.live.capture_device SOURCE SECONDS OUT.npz

Prints a line when sound begins, and one at each end of a life.
"""

import sys

import numpy as np

from streammer.audio.block import Block
from streammer.clock import SystemClock
from streammer.sources.open import open_source
from streammer.sources.supervisor import Supervisor


def capture(name, seconds, out):
    clock = SystemClock()
    source = Supervisor(lambda: open_source(name, clock=clock), clock)
    info = source.open()
    first = None
    while first is None:
        first = source.read(0.05)
    print("captures", info.sr, info.channels, info.name, flush=True)
    until = clock.monotonic() + seconds
    samples, rows, reopened = [], [], 0
    gone_at = None
    while clock.monotonic() < until:
        item = source.read(0.05)
        if source.state == "waiting" and gone_at is None:
            gone_at = clock.unix()
            print("gone", source.detail, flush=True)
        if isinstance(item, Block):
            if source.reopened > reopened:
                reopened, gone_at = source.reopened, None
                print("back", item.lost, flush=True)
            samples.append(item.samples)
            rows.append((item.position, item.lost, len(item.samples), item.t_capture, clock.unix()))
    source.close()
    np.savez(out, samples=np.concatenate(samples), rows=np.array(rows), sr=source.info.sr)


if __name__ == "__main__":
    capture(sys.argv[1], float(sys.argv[2]), sys.argv[3])
