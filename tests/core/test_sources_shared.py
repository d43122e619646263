"""One source for several feeds: opened once, heard whole by each, closed with the last."""

import threading

import numpy as np
import pytest

from streammer.audio.block import Block, SourceEnd, SourceInfo
from streammer.audio.ring import RING_S
from streammer.clock import SystemClock
from streammer.errors import DeviceError
from streammer.sources.shared import SharedSources
from tests.core.bus_parts import until

PATIENCE_S = 30.0
SR = 1000


class Card:
    """A sound card that gives the blocks that it is told to."""

    reopened = 3
    detail = "on its way"

    def __init__(self, refuse=False):
        self.info = SourceInfo(SR, 2, "card", True, "device")
        self._items = []
        self._new = threading.Condition()
        self._refuse = refuse
        self.opened = self.closed = 0

    def open(self):
        self.opened += 1
        if self._refuse:
            raise DeviceError("no such card")
        return self.info

    def play(self, *items):
        with self._new:
            self._items += items
            self._new.notify_all()

    def read(self, timeout_s):
        with self._new:
            self._new.wait_for(lambda: self._items, timeout_s)
            item = self._items.pop(0) if self._items else None
        if isinstance(item, Exception):
            raise item
        return item

    def close(self):
        self.closed += 1


def block(k, n=100):
    return Block(np.full((n, 2), k, np.float32), k * n, 0.0, t_arrival=0.0)


@pytest.fixture
def card():
    return Card()


@pytest.fixture
def taps(card):
    shared = SharedSources(SystemClock())
    taps = [shared.source("card", lambda: card) for _ in range(3)]
    yield taps
    for tap in taps:
        tap.close()


def heard(tap, n):
    return [tap.read(PATIENCE_S) for _ in range(n)]


def test_each_gets_all_and_the_card_is_opened_once(card, taps):
    assert [tap.open() for tap in taps] == [card.info] * 3
    card.play(*map(block, range(5)))
    for tap in taps:
        assert [item.samples[0, 0] for item in heard(tap, 5)] == [0, 1, 2, 3, 4]
        assert (tap.reopened, tap.detail, tap.info) == (3, "on its way", card.info)
    assert card.opened == 1
    assert taps[0].read(0.0) is None


def test_it_is_closed_with_the_last_and_opened_anew_after_that(card, taps):
    for tap in taps:
        tap.open()
    taps[0].close()
    taps[1].close()
    assert taps[0].read(0.0) == SourceEnd("closed")
    assert card.closed == 0
    card.play(block(7))
    assert heard(taps[2], 1)[0].samples[0, 0] == 7
    taps[2].close()
    taps[2].close()
    assert card.closed == 1


def test_a_tap_after_the_last_gets_a_new_source():
    made = []
    shared = SharedSources(SystemClock())

    def make():
        made.append(Card())
        return made[-1]

    first = shared.source("x", make)
    first.open()
    first.close()
    second = shared.source("x", make)
    other = shared.source("y", make)
    assert len(made) == 3
    second.close()
    other.close()


def test_who_does_not_keep_up_loses_the_oldest_and_is_told(card, taps):
    slow, quick, _ = taps
    slow.open()
    quick.open()
    n = round(RING_S * SR / 100) + 5
    for k in range(n):
        card.play(block(k))
        assert heard(quick, 1)[0].lost == 0
    first = heard(slow, 1)[0]
    assert first.samples[0, 0] == 5
    assert first.lost == 500
    assert heard(slow, 1)[0].lost == 0


def test_an_end_and_an_error_reach_everyone(card, taps):
    for tap in taps:
        tap.open()
    card.play(block(0), RuntimeError("the driver went mad"))
    for tap in taps:
        heard(tap, 1)
        with pytest.raises(RuntimeError, match="went mad"):
            tap.read(PATIENCE_S)


def test_what_does_not_open_is_everybodys_failure():
    card, shared = Card(refuse=True), SharedSources(SystemClock())
    taps = [shared.source("card", lambda: card) for _ in range(2)]
    for tap in taps:
        with pytest.raises(DeviceError, match="no such card"):
            tap.open()
        tap.close()
    assert card.opened == 1
    assert card.closed == 1


def test_one_that_leaves_while_it_opens_does_not_break_off_the_others(card, taps):
    going = threading.Event()
    opening = card.open

    def slowly():
        going.wait(PATIENCE_S)
        return opening()

    card.open = slowly
    threads = [threading.Thread(target=tap.open) for tap in taps[:2]]
    for thread in threads:
        thread.start()
    taps[0].close()
    going.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert card.closed == 0
    card.play(block(1))
    assert heard(taps[1], 1)[0].samples[0, 0] == 1
    assert until(lambda: taps[0].read(0.0) == SourceEnd("closed"), PATIENCE_S)
