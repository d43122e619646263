"""Re-opening on a fake clock: when, how often, how loudly, and what is counted."""

import logging
import random

import numpy as np
import pytest

from streammer.audio.block import Block, SourceEnd, SourceInfo
from streammer.clock import FakeClock
from streammer.errors import DeviceError
from streammer.sources import open as feeds
from streammer.sources.supervisor import BACKOFF_FIRST_S, BACKOFF_MAX_S, JITTER, Supervisor

SR = 1000


class Life:
    """One life of a source: blocks of 100 ms, then an end; or an open that fails."""

    reopened = 0
    detail = ""

    def __init__(self, clock, blocks=0, end="lost", *, fails=False, sr=SR, clocked=True, lost=()):
        self.info = SourceInfo(sr, 1, "fake", clocked, "device" if clocked else "url")
        self._clock, self._left, self._end = clock, blocks, end
        self._fails, self._lost = fails, list(lost)
        self._position = 0
        self.closed = 0

    def open(self):
        if self._fails:
            raise DeviceError("fake is not there")
        return self.info

    def read(self, timeout_s):
        if not self._left:
            return SourceEnd(self._end, "fake is gone" if self._end == "lost" else "")
        self._left -= 1
        self._clock.advance(0.1)
        n = self.info.sr // 10
        lost = self._lost.pop(0) if self._lost else 0
        block = Block(
            np.zeros((n, 1), np.float32),
            self._position + lost,
            self._clock.unix(),
            lost,
            t_arrival=self._clock.monotonic(),
        )
        self._position += n + lost
        return block

    def close(self):
        self.closed += 1


class Lives:
    """Make the lives of a list one after the other; the last is repeated for ever."""

    def __init__(self, clock, *lives):
        self._clock, self._lives = clock, [dict(life) for life in lives]
        self.made, self.at = [], []

    def __call__(self):
        life = self._lives.pop(0) if len(self._lives) > 1 else self._lives[0]
        self.at.append(self._clock.monotonic())
        self.made.append(Life(self._clock, **life))
        return self.made[-1]


def supervise(*lives, seed=0):
    clock = FakeClock()
    made = Lives(clock, *lives)
    return Supervisor(made, clock, random.Random(seed)), made, clock


def drain(source, until_end=True, seconds=60.0, clock=None):
    items = []
    start = clock.monotonic() if clock else 0.0
    while clock is None or clock.monotonic() - start < seconds:
        item = source.read(0.1)
        if item is not None:
            items.append(item)
        if isinstance(item, SourceEnd):
            break
    return items


def test_the_first_open_fails_at_once():
    source, made, clock = supervise({"fails": True})
    before = clock.monotonic()
    with pytest.raises(DeviceError, match="not there"):
        source.open()
    assert clock.monotonic() == before
    assert len(made.made) == 1


@pytest.mark.parametrize("reason", ["eof", "error"])
def test_an_end_in_order_is_an_end(reason):
    source, made, _ = supervise({"blocks": 3, "end": reason})
    source.open()
    items = drain(source)
    assert [type(i) for i in items] == [Block] * 3 + [SourceEnd]
    assert items[-1].reason == reason
    assert len(made.made) == 1
    assert source.state == "ended"


def test_what_is_lost_is_opened_again_and_one_count_runs_through():
    source, made, _clock = supervise({"blocks": 5}, {"blocks": 5}, {"blocks": 5, "end": "eof"})
    source.open()
    items = drain(source)
    blocks, end = items[:-1], items[-1]
    assert end == SourceEnd("eof")
    assert source.reopened == 2
    assert len(blocks) == 15
    position = 0
    for block in blocks:
        assert block.position == position + block.lost
        position = block.position + len(block.samples)
    assert all(life.closed for life in made.made[:2])


def test_the_time_that_a_device_was_away_is_lost_to_the_sample():
    source, _, clock = supervise({"blocks": 5}, {"fails": True}, {"blocks": 5, "end": "eof"})
    source.open()
    start = clock.monotonic()
    blocks = drain(source)[:-1]
    assert [b.lost for b in blocks[:5]] == [0] * 5
    assert [b.lost for b in blocks[6:]] == [0] * 4
    away_s = clock.monotonic() - start - 10 * 0.1
    assert blocks[5].lost == pytest.approx(away_s * SR, abs=1)
    assert blocks[5].lost > 1.0 * SR
    assert source.lost == blocks[5].lost
    # The grid of positions is the grid of time.
    last = blocks[-1]
    assert last.position + len(last.samples) == pytest.approx(
        (clock.monotonic() - start) * SR, abs=1
    )


def test_sound_from_before_and_after_an_absence_is_marked_as_not_continuous():
    for clocked in (True, False):
        life = {"blocks": 2, "clocked": clocked}
        source, _, _ = supervise(life, {**life, "end": "eof"})
        source.open()
        assert [b.discontinuity for b in drain(source)[:-1]] == [False, False, True, False]


def test_a_url_that_was_away_has_lost_nothing():
    source, _, _ = supervise(
        {"blocks": 2, "clocked": False}, {"blocks": 2, "clocked": False, "end": "eof"}
    )
    source.open()
    assert [b.lost for b in drain(source)[:-1]] == [0] * 4
    assert source.lost == 0


def test_losses_within_a_life_are_passed_on():
    source, _, _ = supervise({"blocks": 3, "end": "eof", "lost": [0, 7]})
    source.open()
    assert [b.lost for b in drain(source)[:-1]] == [0, 7, 0]
    assert source.lost == 7


def test_waits_double_from_half_a_second_to_ten_with_jitter_and_never_stop():
    source, made, clock = supervise({"blocks": 1}, {"fails": True})
    source.open()
    drain(source, seconds=120.0, clock=clock)
    waits = np.diff(made.at[1:])
    expected = np.minimum(BACKOFF_FIRST_S * 2.0 ** np.arange(1, len(waits) + 1), BACKOFF_MAX_S)
    assert len(waits) > 12
    assert (waits >= (1 - JITTER) * expected - 1e-6).all()
    assert (waits <= expected + 1e-6).all()
    assert np.std(waits[6:]) > 0.1  # not in step
    assert source.state == "waiting"
    assert source.detail == "fake is not there"
    assert source.reopened == 0


def test_the_wait_begins_anew_once_sound_was_heard_and_only_then():
    source, made, clock = supervise(
        {"blocks": 1}, {"fails": True}, {"fails": True}, {"blocks": 0}, {"blocks": 1}, {"blocks": 0}
    )
    source.open()
    drain(source, seconds=25.0, clock=clock)
    waits = np.diff(made.at)
    low, high = (1 - JITTER), 1.0
    assert 4.0 * low <= waits[3] <= 4.0 * high  # opened, but silent: the wait goes on growing
    assert 0.5 * low <= waits[4] - 0.1 <= 0.5 * high  # heard: it begins anew
    assert source.detail == "fake is gone"


def test_detail_is_empty_while_it_plays():
    source, _, _ = supervise({"blocks": 1}, {"blocks": 2, "end": "eof"})
    source.open()
    source.read(0.1)
    assert source.read(0.1) is None
    assert source.detail == "fake is gone"
    while source.read(0.1) is None:
        pass
    assert (source.detail, source.state) == ("", "playing")


def test_of_a_source_that_flaps_one_loss_in_ten_seconds_is_said(caplog):
    source, _, clock = supervise({"blocks": 1}, {"blocks": 1})
    source.open()
    with caplog.at_level(logging.INFO, "streammer.sources"):
        drain(source, seconds=100.0, clock=clock)
    assert source.reopened > 100
    losses = [m for m in caplog.messages if "trying again" in m]
    assert 1 <= len(losses) <= 11
    assert len(caplog.messages) <= 2 * len(losses)


def test_that_a_source_is_back_is_said_in_one_line_once_it_is_heard(caplog):
    source, _, clock = supervise(
        {"blocks": 1}, {"fails": True}, {"blocks": 0}, {"blocks": 3, "end": "eof"}
    )
    source.open()
    drain(source, clock=clock)
    lost, back = caplog.messages
    assert lost == "fake is gone; trying again"
    assert back.startswith("fake is back after ")
    assert source.reopened == 2  # the first of which brought no sound


def test_a_source_that_stays_away_is_mentioned_once_a_minute(caplog):
    source, _, clock = supervise({"blocks": 1}, {"fails": True})
    source.open()
    drain(source, seconds=600.0, clock=clock)
    assert 9 <= len(caplog.messages) <= 11


@pytest.mark.parametrize(("name", "within_s"), [("mic", 1.0), ("http://radio.example/a", 1.5)])
def test_waits_are_short_enough_for_a_device_in_three_and_a_url_in_five_seconds(
    name, within_s, monkeypatch
):
    clock = FakeClock()
    lives = Lives(clock, {"blocks": 1}, {"fails": True})
    monkeypatch.setattr(feeds, "_device", lambda wanted, clock: lives())
    monkeypatch.setattr(feeds, "PacedSource", lambda source, clock, buffer_s: lives())
    source = feeds.open_feed(name, clock=clock).source
    source.open()
    drain(source, seconds=3600.0, clock=clock)
    assert len(lives.at) > 1000
    assert np.diff(lives.at).max() <= within_s + 0.2


@pytest.mark.parametrize("moment", ["making", "opening"])
def test_what_a_slow_reopening_has_opened_is_closed_when_it_was_closed_meanwhile(moment):
    source, made, _clock = supervise({"blocks": 0}, {"blocks": 5})
    source.open()
    source.read(0.1)

    class Slow(Life):
        """Deaf to a `close` while it opens, as a driver that waits."""

        is_open = False

        def open(self):
            if moment == "opening":
                source.close()
            self.is_open = True
            return super().open()

        def close(self):
            self.is_open = False
            super().close()

    def make():
        made.made.append(Slow(_clock, 5))
        if moment == "making":
            source.close()
        return made.made[-1]

    source._factory = make
    assert source.read(30.0) == SourceEnd("closed")
    assert not made.made[-1].is_open


def test_a_read_takes_no_longer_than_it_may_while_nothing_is_there():
    source, _, clock = supervise({"blocks": 1}, {"fails": True})
    source.open()
    source.read(0.1)
    for _ in range(300):
        before = clock.monotonic()
        assert source.read(0.1) is None
        assert clock.monotonic() - before == pytest.approx(0.1)


def test_a_device_that_returns_at_another_rate_is_counted_at_its_new_one():
    source, _, _ = supervise({"blocks": 1}, {"blocks": 1, "sr": 2 * SR, "end": "eof"})
    source.open()
    _first, second, _ = drain(source)
    assert source.info.sr == 2 * SR
    assert 2 * 0.4 * SR <= second.lost <= 2 * 0.8 * SR


def test_closing_ends_it_and_its_source():
    source, made, _ = supervise({"blocks": 100})
    source.open()
    source.read(0.1)
    source.close()
    assert source.read(0.1) == SourceEnd("closed")
    assert made.made[0].closed
    assert source.state == "closed"
    source.close()


def test_closing_while_it_waits_ends_the_wait():
    source, made, _clock = supervise({"blocks": 0}, {"fails": True})
    source.open()
    assert source.read(0.1) is None
    source.close()
    assert source.read(30.0) == SourceEnd("closed")
    assert len(made.made) == 1


def test_a_step_of_the_wall_clock_while_away_is_no_loss():
    source, _, clock = supervise({"blocks": 2}, {"blocks": 2, "end": "eof"})
    source.open()
    source.read(0.1)
    source.read(0.1)
    assert source.read(0.1) is None
    clock._offset += 3600.0  # the machine's time is set
    blocks = drain(source)[:-1]
    assert blocks[0].lost < 1.0 * SR
