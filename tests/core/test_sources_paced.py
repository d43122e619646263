"""Playing by the clock, on a fake one."""

from dataclasses import replace

import numpy as np
import pytest

from streammer.audio.block import Block, SourceEnd, SourceInfo
from streammer.clock import FakeClock
from streammer.sources.open import open_source
from streammer.sources.paced import PIECE_S, PacedSource

SR = 1000
EOF = SourceEnd("eof")


class Scripted:
    """Blocks that come at given times of a fake clock; then the end."""

    reopened = 3
    detail = "away"

    def __init__(self, clock, script, end=EOF):
        self.info = SourceInfo(SR, 1, "scripted", False, "url")
        self._clock, self._script, self._end = clock, list(script), end
        self._position = 0
        self.closed = False

    def open(self):
        self._start = self._clock.monotonic()
        return self.info

    def read(self, timeout_s):
        if not self._script:
            return self._end
        at, n = self._script[0]
        left = self._start + at - self._clock.monotonic()
        if left > timeout_s:
            self._clock.advance(timeout_s)
            return None
        self._clock.advance(max(0.0, left))
        self._script.pop(0)
        samples = np.arange(self._position, self._position + n, dtype=np.float32)[:, None]
        block = Block(samples, self._position, 0.0, t_arrival=0.0)
        self._position += n
        return block

    def close(self):
        self.closed = True


def play(source, clock, *, timeout_s=0.05):
    """Return when each sample was handed over, by the fake clock from now on."""
    start = clock.monotonic()
    times, position = [], 0
    while not isinstance(item := source.read(timeout_s), SourceEnd):
        if item is None:
            continue
        assert item.position == position
        assert item.samples[:, 0].tolist() == list(range(position, position + len(item.samples)))
        position += len(item.samples)
        times += [clock.monotonic() - start] * len(item.samples)
        assert item.t_capture == pytest.approx(clock.unix(), abs=1e-6)
    return np.array(times), item


def test_a_file_is_handed_over_when_it_is_due_in_short_pieces():
    clock = FakeClock()
    y = np.arange(3 * SR, dtype=np.float32)
    source = PacedSource(open_source(y, sr=SR, clock=clock), clock)
    source.open()
    times, end = play(source, clock)
    assert end == SourceEnd("eof")
    due = (np.arange(3 * SR) + 1) / SR
    assert (times - due).min() > -1e-9
    assert (times - due).max() <= PIECE_S + 1e-9


def test_a_read_takes_no_longer_than_it_may():
    clock = FakeClock()
    source = PacedSource(open_source(np.zeros(SR), sr=SR, clock=clock), clock)
    source.open()
    before = clock.monotonic()
    assert source.read(0.005) is None
    assert clock.monotonic() - before == pytest.approx(0.005)
    assert isinstance(source.read(0.1), Block)


def test_what_comes_in_a_burst_is_played_evenly_after_a_second_of_it_was_gathered():
    clock = FakeClock()
    burst = [(0.0, 300)] * 3 + [(0.4, 300)] * 50 + [(9.0 + i, 1000) for i in range(5)]
    inner = Scripted(clock, burst)
    source = PacedSource(inner, clock, buffer_s=1.0)
    source.open()
    times, _ = play(source, clock)
    due = 0.4 + (np.arange(len(times)) + 1) / SR
    assert len(times) == 53 * 300 + 5000
    assert np.abs(times - due).max() <= PIECE_S + 1e-9


def test_a_short_sound_is_played_though_it_never_fills_the_buffer():
    clock = FakeClock()
    source = PacedSource(Scripted(clock, [(0.0, 200)]), clock, buffer_s=1.0)
    source.open()
    times, _ = play(source, clock)
    assert len(times) == 200
    assert times[-1] == pytest.approx(0.2)


def test_a_stall_is_waited_for_and_gathered_for_again_and_nothing_is_lost():
    clock = FakeClock()
    script = [(0.0, 1000), (5.0, 500), (5.5, 500), (6.5, 1000)]
    source = PacedSource(Scripted(clock, script, SourceEnd("lost", "cut")), clock, buffer_s=1.0)
    source.open()
    times, end = play(source, clock)
    assert end == SourceEnd("lost", "cut")
    assert len(times) == 3000
    assert times[999] == pytest.approx(1.0)
    assert times[1000] == pytest.approx(5.5 + PIECE_S)
    assert times[2999] == pytest.approx(7.5)


def test_a_pipe_that_runs_ahead_is_held_and_one_that_lags_is_played_at_once():
    clock = FakeClock()
    source = PacedSource(Scripted(clock, [(0.0, 2000), (4.0, 100)]), clock)
    source.open()
    times, _ = play(source, clock)
    assert times[1999] == pytest.approx(2.0)
    assert times[2000] == pytest.approx(4.0 + PIECE_S)


def test_after_a_sleep_of_hours_time_moves_on_instead_of_pouring_out():
    clock = FakeClock()
    source = PacedSource(open_source(np.arange(10.0 * SR), sr=SR, clock=clock), clock)
    source.open()
    source.read(1.0)
    clock.advance(8 * 3600)
    before = clock.monotonic()
    n = 0
    while clock.monotonic() < before + 2.0:
        n += len(source.read(0.1).samples)
    assert n <= 2.1 * SR


def test_a_delay_of_less_than_a_second_is_made_good():
    clock = FakeClock()
    source = PacedSource(open_source(np.arange(10.0 * SR), sr=SR, clock=clock), clock)
    source.open()
    start = clock.monotonic()
    source.read(1.0)
    clock.advance(0.7)
    n = round(PIECE_S * SR)
    while clock.monotonic() < start + 2.0:
        n += len(source.read(0.1).samples)
    assert n == pytest.approx(2 * SR, abs=2 * PIECE_S * SR)


def test_closing_ends_the_other_source_too():
    clock = FakeClock()
    inner = Scripted(clock, [(0.0, 100)])
    source = PacedSource(inner, clock)
    source.open()
    source.close()
    assert source.read(1.0) == SourceEnd("closed")
    assert inner.closed


def test_a_piece_counts_as_arrived_when_it_was_due_and_only_the_first_carries_the_break():
    clock = FakeClock()
    inner = Scripted(clock, [(0.0, SR // 10), (0.1, SR // 10)])
    read = inner.read
    breaks = iter((True, False))

    def broken(timeout_s):
        item = read(timeout_s)
        if isinstance(item, Block):
            return replace(item, lost=7, discontinuity=next(breaks))
        return item

    inner.read = broken
    source = PacedSource(inner, clock)
    source.open()
    start = clock.monotonic()
    clock.advance(0.0)
    pieces = []
    while not isinstance(item := source.read(0.05), SourceEnd):
        if item is not None:
            clock.advance(0.001)  # its reader is busy
            pieces.append(item)
    assert [p.discontinuity for p in pieces] == [True] + [False] * 9
    assert [p.lost for p in pieces] == [7, 0, 0, 0, 0] * 2
    due = start + 0.02 * np.arange(1, 11)
    np.testing.assert_allclose([p.t_arrival for p in pieces], due, atol=1e-6)


def test_it_passes_on_what_the_other_source_says_of_itself():
    source = PacedSource(Scripted(FakeClock(), []), FakeClock())
    assert (source.reopened, source.detail) == (3, "away")
    assert source.info.paced


def test_closed_while_it_gathers_it_ends_in_order():
    clock = FakeClock()

    class ClosedBy(Scripted):
        def read(self, timeout_s):
            source.close()
            return super().read(timeout_s)

    source = PacedSource(ClosedBy(clock, [(0.0, 100)] * 50), clock, buffer_s=1.0)
    source.open()
    assert source.read(1.0) == SourceEnd("closed")
