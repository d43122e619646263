"""A replay is the recording: in its time, under an epoch of its own, with a status that says so."""

import math
from itertools import pairwise

import msgspec
import pytest
from bus_parts import estimate

from streammer.bus.wire import encode
from streammer.clock import FakeClock
from streammer.errors import UsageError
from streammer.recording.replay import STATUS_S, Replay, parse_speed


class Bus:
    def __init__(self, clock):
        self.clock = clock
        self.sent = 0
        self.moods, self.statuses = [], []

    def publish(self, mood):
        encode(mood)
        self.moods.append((self.clock.monotonic(), mood))

    def publish_status(self, status):
        encode(status)
        self.statuses.append((self.clock.monotonic(), status))


def session(count, step_s=0.5, **changes):
    return [
        estimate(k, t_audio_s=0.5 * (k + 1), t_publish=1.7e9 + k * step_s,
                 t_capture=1.7e9 + k * step_s - 0.02, **changes)
        for k in range(count)
    ]  # fmt: skip


def replayed(rows, **options):
    clock = FakeClock()
    bus = Bus(clock)
    player = Replay(bus, "s.parquet", clock=clock, **options)
    player.run(rows)
    return bus


def test_everything_but_epoch_and_times_is_as_it_was_recorded():
    rows = session(7, lost_samples=3)
    bus = replayed(rows)
    same = {"epoch": "", "t_capture": 0.0, "t_publish": 0.0}
    moods = [mood for _, mood in bus.moods]
    for mine, theirs in zip(moods[:-1], rows, strict=True):
        assert msgspec.structs.replace(mine, **same) == msgspec.structs.replace(theirs, **same)
        assert mine.t_publish - mine.t_capture == pytest.approx(0.02, abs=1e-5)
    assert len({mood.epoch for mood in moods}) == 1
    assert moods[0].epoch != rows[0].epoch
    assert (moods[-1].state, moods[-1].seq) == ("ended", 7)


@pytest.mark.parametrize("speed", [0.5, 1.0, 10.0])
def test_it_takes_the_time_of_the_recording_by_the_speed(speed):
    times = [time for time, _ in replayed(session(20), speed=speed).moods]
    gaps = [b - a for a, b in pairwise(times[:-1])]
    assert gaps == pytest.approx([0.5 / speed] * 19)


def test_what_was_made_fast_is_played_as_it_would_have_been_heard():
    rows = [
        estimate(k, t_audio_s=0.5 * k, t_publish=1.7e9 + 0.001 * k, t_capture=1.7e9 + 0.5 * k)
        for k in range(5)
    ]
    times = [time for time, _ in replayed(rows).moods]
    assert times[4] - times[0] == pytest.approx(2.0, abs=0.01)


def test_long_gaps_are_shortened_when_asked_to():
    rows = [session(1)[0], *session(2, step_s=3600.0)[1:]]
    whole = [time for time, _ in replayed(rows).moods]
    short = [time for time, _ in replayed(rows, idle_s=2.0).moods]
    assert whole[1] - whole[0] == pytest.approx(3600.0)
    assert short[1] - short[0] == pytest.approx(2.0)


def test_at_max_subscribers_can_follow():
    times = [time for time, _ in replayed(session(1000), speed=math.inf).moods]
    assert 0.4 <= times[-1] - times[0] <= 0.6


def test_the_status_says_that_it_is_a_replay_and_comes_with_every_state():
    rows = session(4, state="warming") + session(60)[4:]
    statuses = replayed(rows).statuses
    assert [s.state for _, s in statuses][:2] == ["warming", "live"]
    assert statuses[-1][1].state == "ended"
    assert all(s.replay and s.source == "s.parquet" and s.step_s == 0.5 for _, s in statuses)
    gaps = [b - a for (a, _), (b, _) in pairwise(statuses[1:-1])]
    assert gaps == pytest.approx([STATUS_S] * len(gaps), abs=0.5)
    assert len(gaps) >= 4


def test_an_epoch_that_began_anew_begins_anew():
    later = [msgspec.structs.replace(mood, epoch="0192f000000000bb") for mood in session(3)]
    moods = [mood for _, mood in replayed(session(3) + later).moods]
    assert [(m.seq, m.state) for m in moods] == [
        (0, "live"), (1, "live"), (2, "live"), (3, "ended"),
        (0, "live"), (1, "live"), (2, "live"), (3, "ended"),
    ]  # fmt: skip
    assert len({m.epoch for m in moods}) == 2


def test_a_recording_that_breaks_off_ends_its_streams_all_the_same():
    clock = FakeClock()
    bus = Bus(clock)

    def broken():
        yield from session(2)
        raise RuntimeError("damaged")

    with pytest.raises(RuntimeError):
        Replay(bus, "s", clock=clock).run(broken())
    assert bus.moods[-1][1].state == "ended"


def test_streams_are_played_beside_one_another():
    rows = [m for pair in zip(session(3), session(3, stream="bar"), strict=True) for m in pair]
    moods = [mood for _, mood in replayed(rows).moods]
    assert {m.stream for m in moods if m.state == "ended"} == {"main", "bar"}


@pytest.mark.parametrize("text", ["0", "-1", "nan", "fast", "1e9", ""])
def test_a_speed_that_is_none_is_refused(text):
    with pytest.raises(UsageError, match=r"expected 0\.1 to 1000, or max"):
        parse_speed(text)
    assert parse_speed("max") == math.inf
