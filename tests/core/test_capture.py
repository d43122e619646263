"""The thread that reads ahead of the engine: how far, and how it ends."""

import threading

import numpy as np
import pytest

from streammer.audio.block import Block, SourceEnd, SourceInfo
from streammer.clock import SystemClock
from streammer.engine.capture import BUFFER_S, Arrival, ThreadedCapture
from streammer.errors import DeviceError
from tests.core.bus_parts import until

PATIENCE_S = 60.0


class Pieces:
    """Pieces of 20 ms as fast as they are read, as a paced source hands them over."""

    reopened = 0
    detail = ""

    def __init__(self, end=None, pieces=10**9):
        self.info = SourceInfo(1000, 1, "pieces", False, "url", paced=True)
        self._end, self._left = end, pieces
        self.reads = 0
        self.closed = threading.Event()

    def open(self):
        return self.info

    def read(self, timeout_s):
        if self.closed.is_set():
            return SourceEnd("closed")
        if not self._left:
            if isinstance(self._end, SourceEnd):
                return self._end
            raise self._end
        self._left -= 1
        self.reads += 1
        samples = np.full((20, 1), self.reads, np.float32)
        return Block(samples, 20 * (self.reads - 1), 0.0, t_arrival=0.0)

    def close(self):
        self.closed.set()


def opened(source):
    capture = ThreadedCapture(source, SystemClock())
    assert capture.open() == source.info
    return capture


def test_ten_seconds_of_sound_wait_whatever_the_size_of_the_pieces():
    source = Pieces()
    capture = opened(source)
    assert until(lambda: capture.waiting_s >= BUFFER_S, PATIENCE_S)
    assert BUFFER_S == 10.0
    assert capture.waiting_s == pytest.approx(BUFFER_S, abs=0.021)
    # One more is in the reader's hand; room for it is made by taking one.
    assert until(lambda: source.reads > 500, PATIENCE_S)
    read = source.reads
    assert read <= 502
    first = capture.get(PATIENCE_S)
    assert isinstance(first, Arrival)
    assert first.block.samples[0, 0] == 1.0
    assert until(lambda: source.reads == read + 1, PATIENCE_S)
    capture.close()
    assert source.closed.is_set()


def test_pieces_come_in_order_and_then_the_end():
    source = Pieces(SourceEnd("eof"), pieces=30)
    capture = opened(source)
    items = [capture.get(PATIENCE_S) for _ in range(31)]
    assert [item.block.samples[0, 0] for item in items[:-1]] == list(range(1, 31))
    assert items[-1] == SourceEnd("eof")
    assert capture.waiting_s == 0.0
    assert capture.get(0.0) is None
    capture.close()


def test_what_a_source_raises_is_raised_where_its_blocks_are_taken():
    capture = opened(Pieces(DeviceError("the card is gone"), pieces=1))
    assert isinstance(capture.get(PATIENCE_S), Arrival)
    with pytest.raises(DeviceError, match="the card is gone"):
        capture.get(PATIENCE_S)
    capture.close()


def test_closing_ends_a_read_that_waits():
    source = Pieces()
    source.read = lambda timeout_s: source.closed.wait() and SourceEnd("closed")
    capture = opened(source)
    capture.close()
    assert not capture._thread.is_alive()


def test_a_source_that_did_not_open_is_closed():
    source = Pieces()

    def refuse():
        raise DeviceError("no such card")

    source.open = refuse
    capture = ThreadedCapture(source, SystemClock())
    with pytest.raises(DeviceError):
        capture.open()
    capture.close()
    assert source.closed.is_set()
