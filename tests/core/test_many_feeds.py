"""Many feeds in one loop: each as if it were alone, whatever the others do."""

import msgspec
import numpy as np
import pytest

from streammer.clock import SystemClock
from streammer.config import StreamConfig
from streammer.engine.batch import step_due
from streammer.engine.engine import Engine
from streammer.sources.array import ArraySource
from tests.core.bus_parts import until
from tests.core.engine_parts import VOLATILE
from tests.core.many_feeds import Blocked, Flooding, Hall, Played, Stalling, faulty, song

PATIENCE_S = 60.0
NUMBERS = ("valence", "arousal", "sigma_valence", "sigma_arousal", "p_positive", "p_energetic")


def alone(y, models, **config):
    source = ArraySource(y, sr=8000, clock=SystemClock())
    return list(Engine(source, StreamConfig(**config), models, pace="fast").estimates())


def assert_as_alone(said, expected):
    """Whatever else was said, every step is there with the numbers that it has alone."""
    assert [e.seq for e in said] == list(range(len(said)))
    assert said[-1].state == "ended"
    heard = [e for e in said[:-1] if e.state != "degraded"]
    assert len(heard) == len(expected)
    for got, want in zip(heard, expected, strict=True):
        assert (got.t_audio_s, got.state) == (want.t_audio_s, want.state)
        for name in NUMBERS:
            # 1e-5, and what rounding to four decimals makes of it.
            assert abs(getattr(got, name) - getattr(want, name)) <= 1.1e-4


def test_a_stream_among_others_is_as_it_is_alone(models):
    hall = Hall(models)
    songs = {f"s{k}": song(k, 4.0) for k in range(5)}
    for name, y in songs.items():
        hall.loop.join(hall.feed(name, Played(y)))
    hall.begin()
    hall.wait()
    for name, y in songs.items():
        assert_as_alone(hall.said(name), alone(y, models))
    assert set(hall.ended) == set(songs)
    assert all(feed.failure is None for feed in hall.ended.values())


def test_twenty_faulty_feeds_of_sixty_four_harm_none_of_the_others(models):
    hall = Hall(models)
    faults = faulty(song(99))
    assert len(faults) >= 20
    good = {f"good-{k}": song(k) for k in range(64 - len(faults))}
    sources = {}
    for name, source in (
        *faults.items(),
        *((name, Played(y, speed=2.0)) for name, y in good.items()),
    ):
        sources[name] = source
        select = (2,) if name == "channels" else None
        hall.loop.join(hall.feed(name, source, select=select))
    hall.begin()
    assert until(lambda: set(good) <= set(hall.ended), 90.0)
    hall.end()
    for name, y in good.items():
        assert_as_alone(hall.said(name), alone(y, models))
    # Each faulty one has its own fate, and its own words for it.
    failed = {name for name, feed in hall.ended.items() if feed.failure is not None}
    assert failed >= {"refuses", "missing", "raises", "fails", "lost", "short", "empty"}
    assert not failed & set(good)
    assert "broken" in str(hall.ended["fails"].failure)
    assert "mad" in str(hall.ended["raises"].failure)
    assert all(source.closed.is_set() for source in sources.values())
    for name in ("nan", "silent", "huge"):
        assert {e.state for e in hall.said(name)} <= {"silent", "ended", "degraded"}
    for name in ("stalls", "blocks", "channels"):
        assert hall.said(name)[-2].state == "degraded"
    for e in hall.bus.said:
        values = msgspec.structs.asdict(e)
        assert all(np.isfinite(v) for v in values.values() if isinstance(v, float))


def test_a_feed_that_floods_makes_eight_steps_a_step_and_no_more(models):
    hall = Hall(models)
    y = song(1, 6.0)
    hall.loop.join(hall.feed("floods", Flooding(song(2))))
    hall.loop.join(hall.feed("plays", Played(y, speed=2.0)))
    hall.begin()
    assert until(lambda: "plays" in hall.ended, PATIENCE_S)
    hall.end()
    began, ended = (hall.said("plays")[k].t_publish for k in (0, -1))
    steps = sum(began <= e.t_publish <= ended for e in hall.said("floods"))
    assert steps > 4
    assert steps <= 8 * (ended - began) / 0.5 + 3
    assert_as_alone(hall.said("plays"), alone(y, models))


def test_feeds_that_join_and_leave_do_not_touch_the_others(models):
    hall = Hall(models)
    y = song(1, 8.0)
    hall.loop.join(hall.feed("stays", Played(y, speed=2.0)))
    hall.begin()
    for k in range(3):
        feed = hall.feed(f"guest-{k}", Blocked(song(k)))
        hall.loop.join(feed)
        assert until(lambda k=k: hall.said(f"guest-{k}"), PATIENCE_S)
        hall.loop.leave(feed)
        assert until(lambda k=k: f"guest-{k}" in hall.ended, PATIENCE_S)
        assert hall.said(f"guest-{k}")[-1].state == "ended"
        assert feed.failure is None
    hall.wait()
    assert_as_alone(hall.said("stays"), alone(y, models))


def test_the_one_that_follows_begins_when_the_one_before_it_is_closed(models):
    hall = Hall(models)
    first = Stalling(song(1))
    feed, after = hall.feed("stage", first), []

    def follow():
        after.append(first.closed.is_set())
        hall.loop.join(hall.feed("stage", Played(song(2, 2.0))))

    hall.loop.join(feed)
    hall.begin()
    assert until(lambda: hall.said("stage"), PATIENCE_S)
    hall.loop.leave(feed, follow)
    hall.wait()  # the loop is not over between the two
    assert after == [True]
    epochs = list(dict.fromkeys(e.epoch for e in hall.said("stage")))
    assert len(epochs) == 2
    assert epochs[1] > epochs[0]
    assert [e.state for e in hall.said("stage")].count("ended") == 2


def test_slots_are_given_back(models):
    (loaded,) = models
    before = set(loaded.backend._used)
    hall = Hall(models)
    for k in range(6):
        hall.loop.join(hall.feed(f"s{k}", Played(song(k, 1.0))))
    hall.begin()
    hall.wait()
    assert loaded.backend._used == before


def test_a_step_that_fails_for_one_is_made_for_the_others(models, monkeypatch):
    from streammer.engine import loop

    def step(due):
        if any(stream.config.name == "bad" for stream, _ in due):
            raise RuntimeError("no number came of it")
        return step_due(due)

    monkeypatch.setattr(loop, "step_due", step)
    hall = Hall(models)
    y = song(1, 3.0)
    for name in ("good", "bad", "fine"):
        hall.loop.join(hall.feed(name, Played(y)))
    hall.begin()
    hall.wait()
    for name in ("good", "fine"):
        assert_as_alone(hall.said(name), alone(y, models))
    assert "no number" in str(hall.ended["bad"].failure)
    assert [e.state for e in hall.said("bad") if e.state != "degraded"] == ["ended"]


def test_stop_breaks_off_a_feed_that_still_opens(models):
    hall = Hall(models)
    source = faulty(song(1))["hangs-in-open"]
    hall.loop.join(hall.feed("waits", source))
    hall.begin()
    hall.end()
    assert until(source.closed.is_set, PATIENCE_S)
    assert hall.said("waits") == []


def test_same_numbers_whatever_the_gain_leaves(models):
    y = song(3, 3.0)
    loud = alone(0.5 * y, models)
    amplified = alone(0.25 * y, models, gain_db=20 * np.log10(2.0))
    for a, b in zip(loud, amplified, strict=True):
        assert a.level_dbfs == pytest.approx(b.level_dbfs, abs=2e-3)
        assert a.arousal == pytest.approx(b.arousal, abs=1e-3)
    plain = [msgspec.structs.asdict(e) for e in alone(0.5 * y, models)]
    again = [msgspec.structs.asdict(e) for e in alone(0.5 * y, models, gain_db=0.0)]
    for a, b in zip(plain, again, strict=True):
        assert {k: v for k, v in a.items() if k not in VOLATILE} == {
            k: v for k, v in b.items() if k not in VOLATILE
        }
