"""A device as a source: its times and losses, on a fake clock without hardware."""

import threading

import numpy as np
import pytest
from fake_devices import SR, FakeProcess

from streammer.audio.block import Block, SourceEnd
from streammer.audio.ring import RING_S
from streammer.clock import FakeClock, SystemClock
from streammer.errors import DeviceError
from streammer.sources.device.inputs import WantedInput
from streammer.sources.device.source import STALLED_S, START_S, DeviceSource


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def processes():
    return []


@pytest.fixture
def source_of(clock, processes):
    def make(wanted=None, prepare=lambda process: None, **options):
        def start(wanted, receiver):
            processes.append(FakeProcess(clock, wanted, receiver, **options))
            prepare(processes[-1])
            return processes[-1]

        return DeviceSource(wanted or WantedInput(None), clock, start=start)

    return make


@pytest.fixture
def opened(source_of, processes):
    """A source that is open, and its process."""

    def open_one(**options):
        source = source_of(**options)
        source.open()
        return source, processes[-1]

    return open_one


def test_blocks_come_with_position_and_the_time_at_which_they_were_captured(opened, clock):
    source, process = opened(channels=2)
    assert source.read(0.05) is None
    for i in range(5):
        process.deliver(100)
        block = source.read(0.1)
        assert (block.position, block.lost, block.samples.shape) == (100 * i, 0, (100, 2))
        assert block.samples[0, 0] == 100 * i
        assert block.t_capture == pytest.approx(clock.unix())  # its arrival


def test_the_wait_in_the_ring_is_no_part_of_the_time_of_arrival(opened, clock):
    source, process = opened(channels=2)
    process.deliver(100)
    arrived = clock.monotonic()
    clock.advance(0.3)  # the reader is busy
    assert source.read(0.0).t_arrival == pytest.approx(arrived)


def test_capture_times_are_the_drivers_once_they_have_settled(opened, clock):
    source, process = opened()
    for _ in range(21):
        process.deliver(100)
    drain(source)
    for latency in (0.03, 0.09, 0.03):  # a late callback does not move the time of capture
        process.latency = latency
        process.deliver(100)
        at = clock.unix() - latency
        assert source.read(0.1).t_capture == pytest.approx(at)


def test_an_overflow_is_counted_by_the_capture_time(opened):
    source, process = opened()
    process.deliver(100)
    process.deliver(100, missing=37, overflow=True)
    process.deliver(100)
    a, b, c = source.read(0.1), source.read(0.1), source.read(0.1)
    assert (a.position, a.lost) == (0, 0)
    assert len(a.samples) == 100
    assert (b.position, b.lost) == (137, 37)
    assert len(b.samples) + (len(c.samples) if c else 0) == 200
    assert b.samples[0, 0] == 137


def test_an_overflow_where_the_capture_time_is_made_up_is_counted_by_the_clock(opened):
    source, process = opened()
    process.deliver(100, delay=0.0)
    process.deliver(100, missing=50, overflow=True, delay=0.0)
    source.read(0.1)
    assert source.read(0.1).lost == 50


def test_an_overflow_is_never_counted_as_nothing(opened):
    source, process = opened()
    process.deliver(100)
    process.deliver(100, overflow=True)
    source.read(0.1)
    assert source.read(0.1).lost == 1


def drain(source):
    blocks = []
    while isinstance(block := source.read(0.0), Block):
        blocks.append(block)
    return blocks


def test_a_hole_that_no_driver_reports_is_seen_within_seconds(opened, clock):
    source, process = opened()
    start = clock.monotonic()
    for _ in range(10):
        process.deliver(100)
    process.deliver(100, missing=600)
    for _ in range(20):
        process.deliver(100)
    blocks = drain(source)
    assert sum(b.lost for b in blocks) == pytest.approx(600, abs=2)
    last = blocks[-1]
    passed = (clock.monotonic() - start) * SR
    assert last.position + len(last.samples) == pytest.approx(passed, abs=2)


@pytest.mark.parametrize("delay", [None, 0.0])
def test_a_callback_that_was_held_up_and_makes_good_has_lost_nothing(opened, clock, delay):
    source, process = opened()
    for _ in range(10):
        process.deliver(100, delay=delay)
    clock.advance(0.6)  # the machine is busy; six blocks wait
    for _ in range(6):
        process.deliver(100, delay=delay)
        clock.advance(-0.1)
    for _ in range(20):
        process.deliver(100, delay=delay)
    assert sum(b.lost for b in drain(source)) == 0


def test_capture_times_that_settle_at_the_start_are_no_hole(opened):
    source, process = opened()
    for latency in np.linspace(0.6, 0.001, 20):
        process.latency = latency
        process.deliver(100)
    for _ in range(40):
        process.deliver(100)
    assert sum(b.lost for b in drain(source)) == 0


def test_a_reader_that_lags_loses_the_oldest_and_their_time_passes(opened):
    source, process = opened()
    for _ in range(150):
        process.deliver(100)
    block = source.read(0.1)
    kept = int(RING_S * SR)
    assert block.lost == block.position == 15_000 - kept
    assert block.samples[0, 0] == 15_000 - kept


def test_a_device_that_falls_silent_is_lost_within_a_second(opened, clock):
    source, process = opened()
    process.deliver(100)
    assert isinstance(source.read(0.1), Block)
    since = clock.monotonic()
    while (end := source.read(0.1)) is None:
        pass
    assert end.reason == "lost"
    assert "USB Mic" in end.detail
    assert STALLED_S - 1e-6 <= clock.monotonic() - since <= 1.0


def test_a_device_may_take_its_time_to_start(opened, clock):
    source, _ = opened()
    since = clock.monotonic()
    while (end := source.read(0.1)) is None:
        pass
    assert end.reason == "lost"
    assert clock.monotonic() - since >= START_S - 1e-6


def test_a_stream_that_portaudio_ends_is_lost_after_what_it_gave(opened):
    source, process = opened()
    process.deliver(100)
    process.receiver.finish()
    assert isinstance(source.read(0.1), Block)
    assert source.read(0.1).reason == "lost"


def test_samples_that_did_not_come_through_the_pipe_are_lost_at_once_and_to_the_sample(opened):
    source, process = opened()
    process.deliver(100)
    process.clock.advance(0.05)  # a block that is held up: what the clock says is not exact
    process.deliver(100)
    process.clock.advance(-0.05)
    process.deliver(100, skipped=700)
    for _ in range(30):  # nor are they found once more, seconds later
        process.deliver(100)
    blocks = drain(source)
    assert sum(b.lost for b in blocks) == 700
    last = blocks[-1]
    assert last.position + len(last.samples) == 4000
    assert last.samples[-1, 0] == 3999


def test_writing_from_another_thread_wakes_the_reader(processes):
    clock = SystemClock()

    def start(wanted, receiver):
        processes.append(FakeProcess(FakeClock(clock.monotonic()), wanted, receiver))
        return processes[-1]

    source = DeviceSource(WantedInput(None), clock, start=start)
    source.open()
    threading.Timer(0.05, processes[0].deliver).start()
    assert len(source.read(20.0).samples) == 100
    source.close()


def test_closing_ends_the_process_and_a_pending_read(opened):
    source, process = opened()
    source.close()
    assert source.read(1.0) == SourceEnd("closed")
    assert process.closed
    source.close()


def test_a_failed_open_leaves_no_process(source_of, processes):
    source = source_of(error="no input is called 'x'")
    with pytest.raises(DeviceError, match="called 'x'"):
        source.open()
    assert processes[0].closed


@pytest.mark.parametrize("hangs", [False, True])
@pytest.mark.parametrize("moment", ["before", "while it starts", "while it opens"])
def test_a_close_at_any_moment_of_opening_leaves_no_microphone_open(
    source_of, processes, moment, hangs
):
    def prepare(process):
        process.hangs = hangs
        if moment == "while it starts":  # the source does not know its process yet
            source.close()
        elif moment == "while it opens":
            process.while_opening = source.close

    source = source_of(prepare=prepare)
    if moment == "before":
        source.close()
    with pytest.raises(DeviceError):
        source.open()
    assert all(process.closed for process in processes)
    assert source.read(0.0) == SourceEnd("closed")


def test_a_device_is_found_again_by_the_name_that_its_number_had(source_of, processes):
    wanted = WantedInput("#4")
    first = source_of(wanted, name="Scarlett Solo USB")
    first.open()
    first.close()
    source_of(wanted, name="Scarlett Solo USB").open()
    assert [p.asked for p in processes] == [("#4", ""), ("#4", "Scarlett Solo USB")]
    # A user who waits for the first time is told; later the supervisor has said it.
    assert [p.said for p in processes] == [True, False]
