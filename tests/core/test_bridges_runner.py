"""The runner: a steady frame clock, and receivers that cannot hold up one another."""

import logging
import threading
import time

import pytest
from bridge_parts import mood

from streammer.bridges.frame import Received
from streammer.bridges.inbox import following
from streammer.bridges.options import Shaping
from streammer.bridges.outlet import RETRY_S, WELL_S, Outlet, Refused
from streammer.bridges.runner import Runner
from streammer.bus import Publisher
from streammer.clock import FakeClock, SystemClock
from streammer.errors import LimitError


class FakeBridge:
    """A receiver that keeps what it is sent, and does as it is told."""

    where = "light to the lamp"

    def __init__(self):
        self.calls, self.frames = [], []
        self.absent = self.failing = None
        self.may_send = threading.Event()
        self.may_send.set()
        self.sent = threading.Event()

    def open(self):
        self.calls.append("open")
        if self.absent:
            raise self.absent

    def send(self, frames):
        self.may_send.wait(30.0)
        if self.failing:
            raise self.failing
        self.frames.append(frames)
        self.sent.set()

    def leave(self):
        self.calls.append("leave")

    def close(self):
        self.calls.append("close")


class Told:
    """A source that brings what it is told to, when it is asked."""

    def __init__(self, *came):
        self.came = list(came)

    def take(self):
        came, self.came = self.came, []
        return came


class Lagging(FakeClock):
    """A clock on which the process does not run for a while, once."""

    def __init__(self, at, for_s):
        super().__init__()
        self.at, self.for_s = at, for_s

    def wait(self, event, timeout_s):
        result = super().wait(event, timeout_s)
        if self.for_s and self.monotonic() >= self.at:
            self.advance(self.for_s)
            self.for_s = 0.0
        return result


class Times:
    """A source that notes when it is asked, and takes a while to answer."""

    def __init__(self, clock, work_s=0.0):
        self.clock, self.work_s, self.times = clock, work_s, []

    def take(self):
        self.times.append(self.clock.monotonic())
        self.clock.advance(self.work_s)
        return []


@pytest.mark.parametrize("rate", [1, 7, 30, 60])
def test_frames_are_made_at_a_steady_rate_without_drift(rate):
    clock = FakeClock()
    source = Times(clock, work_s=0.3 / rate)
    runner = Runner(Shaping(rate=rate), [], clock)
    runner.run({"main": source}, count=10 * rate + 1)
    assert source.times[-1] - source.times[0] == pytest.approx(10.0, abs=1e-6)
    assert source.times == pytest.approx([100.0 + k / rate for k in range(10 * rate + 1)])
    assert (runner.frames, runner.skipped) == (10 * rate + 1, 0)


def test_frames_of_a_time_in_which_the_process_did_not_run_are_not_made_up_for():
    clock = Lagging(at=101.0, for_s=3.0)
    source = Times(clock)
    runner = Runner(Shaping(rate=10), [], clock)
    runner.run({"main": source}, count=30)
    after = [t for t in source.times if t >= 104.0]
    assert len([t for t in after if t < 104.05]) <= 2  # no burst
    assert runner.skipped == pytest.approx(29, abs=1)


def test_every_stream_has_a_frame_of_its_own_in_order_of_time():
    bridge, clock = FakeBridge(), SystemClock()
    sources = {
        "main": Told(Received(clock.monotonic(), mood(1, 1))),
        "bar": Told(Received(clock.monotonic(), mood(-1, -1))),
    }
    Runner(Shaping(rate=60, attack=0.1, release=0.1), [bridge], clock).run(sources, count=40)
    last = bridge.frames[-1]
    assert (last["main"].quadrant, last["bar"].quadrant) == ("Q1", "Q3")
    times = [frames["main"].t for frames in bridge.frames]
    assert times == sorted(times)
    assert bridge.calls == ["open", "leave", "close"]


def test_a_receiver_that_takes_nothing_holds_up_neither_the_clock_nor_another():
    stuck, well = FakeBridge(), FakeBridge()
    stuck.may_send.clear()
    runner = Runner(Shaping(rate=60), [stuck, well])
    began = time.monotonic()
    runner.run({"main": Told()}, count=60)
    assert runner.frames == 60
    assert len(well.frames) >= 30
    assert stuck.frames == []
    assert time.monotonic() - began < 20.0  # 1 s of frames, and 1 s until it is given up
    stuck.may_send.set()


def test_a_stream_that_does_not_come_is_said_once_and_so_is_its_coming(caplog):
    class Late:
        def __init__(self, clock):
            self.clock = clock

        def take(self):
            now = self.clock.monotonic()
            return [Received(now, mood(0, 0))] if 110.0 <= now < 120.0 else []

    clock = FakeClock()
    with caplog.at_level(logging.INFO, "streammer.bridges"):
        Runner(Shaping(rate=5), [], clock).run({"bar": Late(clock)}, count=200)
    assert [r.getMessage() for r in caplog.records] == [
        "no estimate of bar comes: is its publisher running?",
        "stream bar is received",
        "no estimate of bar comes: is its publisher running?",
    ]
    assert {r.levelno for r in caplog.records} == {logging.INFO}  # --quiet says nothing of it


def outlet_of(bridge):
    clock = FakeClock()
    return Outlet(bridge, clock), clock


def test_a_receiver_that_is_absent_is_said_once_and_tried_again(caplog):
    bridge = FakeBridge()
    bridge.absent = ConnectionRefusedError(111, "Connection refused")
    outlet, clock = outlet_of(bridge)
    with caplog.at_level(logging.INFO, "streammer.bridges"):
        for _ in range(50):
            assert not outlet.ready()
            clock.advance(RETRY_S / 10)
        bridge.absent = None
        clock.advance(RETRY_S)
        assert outlet.ready()
        for _ in range(12):
            assert outlet.write({}) == 0
            clock.advance(WELL_S / 10)
    assert bridge.calls.count("open") in (6, 7)
    assert [r.getMessage() for r in caplog.records] == [
        "light to the lamp fails (Connection refused): trying again every 1 s",
        "light to the lamp goes on",
    ]


def test_a_receiver_that_fails_now_and_then_is_said_once(caplog):
    bridge = FakeBridge()
    outlet, clock = outlet_of(bridge)
    for k in range(100):
        bridge.failing = OSError(111, "gone") if k % 2 else None
        if outlet.ready():
            outlet.write({})
        clock.advance(RETRY_S / 4)
    assert [r.getMessage() for r in caplog.records] == [
        "light to the lamp fails (gone): trying again every 1 s"
    ]
    assert "leave" not in bridge.calls  # a lamp that was lost for a moment does not go dark


def test_a_receiver_that_refuses_from_the_start_ends_the_run_with_its_reason():
    bridge = FakeBridge()
    bridge.absent = Refused("the broker at x:1883 refuses: not authorised")
    with pytest.raises(Refused, match="not authorised"):
        Runner(Shaping(), [bridge]).run({"main": Told()})


@pytest.mark.parametrize("where", ["absent", "failing"])
def test_what_is_no_failure_of_a_receiver_ends_the_run_and_is_not_hidden(where):
    bridge, well = FakeBridge(), FakeBridge()
    setattr(bridge, where, ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError, match="a bug"):
        Runner(Shaping(), [bridge, well]).run({"main": Told()})
    assert well.calls[-2:] == ["leave", "close"]


def test_a_bus_that_cannot_be_read_any_more_ends_the_run_with_its_reason():
    class Broken:
        def read(self, timeout_s):
            raise LimitError("too many open files")

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

    with following("tcp://127.0.0.1:1", ["main"], SystemClock()) as inboxes:
        inboxes["main"].close()
        inboxes["main"]._closing.clear()
        inboxes["main"]._moods = Broken()
        inboxes["main"]._run()
        with pytest.raises(LimitError, match="too many open files"):
            Runner(Shaping(), []).run(inboxes)


def test_a_receiver_that_refuses_later_is_tried_again():
    bridge = FakeBridge()
    outlet, clock = outlet_of(bridge)
    assert outlet.ready()
    outlet.write({})
    bridge.failing, bridge.absent = OSError("gone"), Refused("not now")
    outlet.write({})
    clock.advance(2 * RETRY_S)
    assert not outlet.ready()
    assert outlet.refusal is None


def test_an_inbox_brings_estimates_with_their_times_and_the_end_of_the_stream():
    clock = SystemClock()
    with (
        Publisher("tcp://127.0.0.1:0") as bus,
        following(bus.endpoint, ["main", "main"], clock) as inboxes,
    ):
        assert list(inboxes) == ["main"]
        came, seq, began = [], 0, clock.monotonic()
        while not came and clock.monotonic() - began < 20.0:
            bus.publish(mood(0.25, 0.5, seq=seq))
            seq += 1
            time.sleep(0.02)
            came += inboxes["main"].take()
        bus.publish(mood(0.25, 0.5, seq=seq, state="ended"))
        while came[-1].mood is not None and clock.monotonic() - began < 20.0:
            time.sleep(0.02)
            came += inboxes["main"].take()
        time.sleep(0.2)
        came += inboxes["main"].take()
    assert came[0].mood.valence == 0.25
    assert came[-1].mood is None
    assert [r.mood for r in came].count(None) == 1
    times = [r.at for r in came]
    assert times == sorted(times)
    assert began <= times[0] <= times[-1] <= clock.monotonic()
