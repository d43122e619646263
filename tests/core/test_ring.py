"""The ring against a list, then under two threads."""

import threading
import tracemalloc
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streammer.audio.ring import Ring
from streammer.clock import FakeClock, SystemClock

SR = 1000


def ramp(start, n, channels=2):
    x = np.arange(start, start + n, dtype=np.float32)
    return np.stack([x + 0.25 * c for c in range(channels)], axis=1)


@dataclass
class Model:
    """What the ring should do, sample by sample, with lists."""

    capacity: int
    items: list = field(default_factory=list)  # (value, position, t_capture, t_arrival)
    position: int = 0
    read_to: int = 0
    value: int = 0

    def write(self, n, lost, t_capture, t_arrival):
        self.position += lost
        before = len(self.items)
        for i in range(n):
            t = t_capture - (n - 1 - i) / SR
            self.items.append((self.value, self.position, t, t_arrival))
            self.value += 1
            self.position += 1
        given_up = max(0, before + n - self.capacity)
        self.items = self.items[given_up:]
        return given_up

    def read(self, most):
        if not self.items:
            return None
        run = 1
        while run < min(most, len(self.items)) and (
            self.items[run][1] == self.items[run - 1][1] + 1
        ):
            run += 1
        taken, self.items = self.items[:run], self.items[run:]
        lost = taken[0][1] - self.read_to
        self.read_to = taken[-1][1] + 1
        return taken, lost


writes = st.tuples(
    st.just("write"), st.integers(0, 40), st.sampled_from([0, 0, 0, 1, 7, 100]), st.floats(0, 1)
)
reads = st.tuples(st.just("read"), st.integers(1, 50))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(capacity=st.integers(1, 24), script=st.lists(st.one_of(writes, reads), max_size=60))
def test_any_sequence_of_writes_and_reads_does_what_a_list_does(capacity, script):
    clock = FakeClock()
    ring, model = Ring(capacity, 2, sr=SR, clock=clock), Model(capacity)
    for op, n, *rest in script:
        if op == "write":
            lost, jump = rest
            clock.advance(jump)
            args = (n, lost, clock.unix(), clock.monotonic())
            expected = (model.value, model.write(*args))
            given_up = ring.write(ramp(expected[0], n), args[2], args[3], lost)
            assert given_up == expected[1]
            assert ring.unread == len(model.items)
        else:
            expected, got = model.read(n), ring.read(n, 0.0)
            assert (got is None) == (expected is None)
            if got is not None:
                taken, lost = expected
                assert got.samples[:, 0].tolist() == [t[0] for t in taken]
                assert np.array_equal(got.samples[:, 1], got.samples[:, 0] + 0.25)
                assert (got.position, got.lost) == (taken[0][1], lost)
                assert got.t_capture == pytest.approx(taken[-1][2], abs=1e-6)
                assert got.t_arrival_mono == taken[-1][3]


def test_a_read_within_a_write_is_captured_where_it_ends():
    ring = Ring(100, 1, sr=SR, clock=FakeClock())
    ring.write(ramp(0, 50, 1), 10.0, 5.0)
    assert ring.read(10, 0.0).t_capture == pytest.approx(10.0 - 0.040)
    assert ring.read(100, 0.0).t_capture == pytest.approx(10.0)


def test_times_hold_when_more_writes_wait_than_are_stamped():
    ring = Ring(10000, 1, sr=SR, clock=FakeClock())
    for i in range(6000):
        ring.write(ramp(i, 1, 1), (i + 1) / SR, 0.0)
    assert ring.read(5, 0.0).t_capture == pytest.approx(0.005)
    assert ring.read(5000, 0.0).t_capture == pytest.approx(5.005)


def test_a_write_allocates_no_array():
    ring = Ring(44100, 2, sr=44100, clock=FakeClock())
    x = ramp(0, 512)
    for i in range(200):
        ring.write(x, float(i), float(i))
    tracemalloc.start()
    for i in range(200):
        ring.write(x, float(i), float(i))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < x.nbytes / 2


def test_waiting_for_sound_takes_no_longer_than_said_and_ends_when_it_comes():
    clock = FakeClock()
    ring = Ring(10, 1, sr=SR, clock=clock)
    before = clock.monotonic()
    assert ring.read(5, 0.3) is None
    assert clock.monotonic() - before == pytest.approx(0.3)
    ring = Ring(10, 1, sr=SR, clock=SystemClock())
    timer = threading.Timer(0.05, ring.write, (ramp(0, 3, 1), 0.0, 0.0))
    timer.start()
    assert len(ring.read(5, 20.0).samples) == 3


def run_writer(target):
    failure = []

    def guarded():
        try:
            target()
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    return thread, failure


@pytest.mark.parametrize("capacity", [300, 5000])
def test_a_reader_that_lags_gets_whole_samples_and_an_exact_count_of_the_others(capacity):
    ring = Ring(capacity, 2, sr=SR, clock=SystemClock())
    rng = np.random.default_rng(0)
    total, done = 400_000, threading.Event()

    def write():
        at = 0
        while at < total:
            n = min(total - at, int(rng.integers(1, 700)))
            ring.write(ramp(at, n), at + n, 0.0)
            at += n
        done.set()

    thread, failure = run_writer(write)
    heard = lost = 0
    while True:
        over = done.is_set()
        got = ring.read(400, 0.01)
        if got is None:
            if over:
                break
            continue
        assert got.position == heard + lost + got.lost
        assert np.array_equal(got.samples, ramp(got.position, len(got.samples)))
        heard += len(got.samples)
        lost += got.lost
    thread.join()
    assert not failure
    assert heard + lost == total


def test_a_writer_that_may_wait_loses_nothing():
    ring = Ring(300, 2, sr=SR, clock=SystemClock())
    rng = np.random.default_rng(0)
    total, stop = 20_000, threading.Event()

    def write():
        at = 0
        while at < total:
            n = min(total - at, int(rng.integers(1, 1500)))
            assert ring.write_wait(ramp(at, n), at + n, 0.0, stop)
            at += n

    thread, failure = run_writer(write)
    parts = []
    while sum(map(len, parts)) < total:
        got = ring.read(200, 5.0)
        assert got is not None
        assert got.lost == 0
        parts.append(got.samples)
    thread.join()
    assert not failure
    assert np.array_equal(np.concatenate(parts), ramp(0, total))


def test_a_waiting_writer_leaves_when_it_is_told_to():
    ring = Ring(10, 1, sr=SR, clock=SystemClock())
    stop = threading.Event()
    outcome = []
    thread, failure = run_writer(
        lambda: outcome.append(ring.write_wait(ramp(0, 50, 1), 0.0, 0.0, stop))
    )
    stop.set()
    thread.join(timeout=5)
    assert not failure
    assert outcome == [False]


@pytest.mark.parametrize("overtaken_by", [1, 30, 100, 250])
def test_what_the_writer_overtakes_while_it_is_copied_is_lost_and_never_mixed(overtaken_by):
    ring = Ring(100, 2, sr=SR, clock=FakeClock())
    ring.write(ramp(0, 100), 0.1, 0.0)
    copy = ring._copy

    def overtaken(start, end):
        ring._copy = copy
        ring.write(ramp(100, overtaken_by), (100 + overtaken_by) / SR, 0.0)
        return copy(start, end)

    ring._copy = overtaken
    heard = lost = 0
    while (got := ring.read(80, 0.0)) is not None:
        assert got.position == heard + lost + got.lost
        assert np.array_equal(got.samples, ramp(got.position, len(got.samples)))
        assert got.t_capture == pytest.approx((got.position + len(got.samples)) / SR)
        heard += len(got.samples)
        lost += got.lost
    assert heard + lost == 100 + overtaken_by
    assert lost == overtaken_by
