"""The subscriber: newest first, whole topics, epochs, staleness."""

import time

import msgspec
import pytest
from bus_parts import EPOCH, arrived, estimate, status, until

from streammer.bus import Publisher, Subscriber
from streammer.bus.following import STALE_S
from streammer.errors import UsageError

OLDER, NEWER = "0192f00000000000", "0192f00000ffffff"


def heard(moods, raw, marker=10**6, epoch="f" * 16):
    """Let everything that was sent come in: wait for a last, unmistakable status."""
    raw.say(status(epoch=epoch, steps=marker))
    assert until(lambda: moods.status is not None and moods.status.steps == marker)


def test_estimates_come_as_they_were_sent(raw, moods):
    raw.say(estimate(5))
    assert arrived(moods) == estimate(5)


def test_read_returns_none_when_nothing_comes_in_time(raw):
    with Subscriber(raw.endpoint) as moods:
        for timeout_s in (0.0, -1.0, 0.05):
            begin = time.monotonic()
            assert moods.read(timeout_s) is None
            assert time.monotonic() - begin >= timeout_s - 0.002
            assert time.monotonic() - begin < 1.0


def test_iteration_goes_on_until_close(raw, moods):
    seen = []
    raw.say(estimate(0))
    for mood in moods:
        seen.append(mood.seq)
        if mood.seq == 2:
            moods.close()
        else:
            raw.say(estimate(mood.seq + 1))
    assert seen == [0, 1, 2]
    assert moods.read(0.0) is None


def test_a_slow_reader_gets_the_newest_and_counts_what_it_skipped(raw, moods):
    for seq in range(10):
        raw.say(estimate(seq))
    assert until(lambda: moods.skipped == 9)
    assert arrived(moods).seq == 9
    raw.say(estimate(10))
    assert arrived(moods).seq == 10
    assert moods.skipped == 9


def test_what_is_lost_on_the_way_is_skipped_too(raw, moods):
    raw.say(estimate(4))  # 0 to 3 were before this subscriber's time
    assert arrived(moods).seq == 4
    raw.say(estimate(8))
    assert arrived(moods).seq == 8
    assert moods.skipped == 3


def test_a_stream_whose_name_only_begins_alike_is_not_heard(raw, moods):
    raw.say(estimate(1, stream="main2"))
    raw.say(estimate(2, stream="main.2"))
    raw.say(status(stream="main2"))
    raw.say(estimate(3))
    assert arrived(moods).seq == 3
    assert (moods.skipped, moods.malformed, moods.status) == (0, 0, None)


def test_resent_estimates_are_not_handed_out_again(raw, moods):
    raw.say(estimate(1))
    assert arrived(moods).seq == 1
    raw.say(estimate(1))
    raw.say(estimate(0))
    heard(moods, raw, epoch=EPOCH)
    assert moods.read(0.0) is None
    assert moods.skipped == 0


def test_a_stream_is_stale_after_two_seconds_without_an_estimate(raw, moods, clock):
    assert STALE_S == 2.0
    assert not moods.stale
    clock.advance(2.1)
    assert moods.stale  # never heard at all
    raw.say(estimate(0))
    assert until(lambda: not moods.stale)
    clock.advance(1.9)
    assert not moods.stale
    assert moods.age_s == pytest.approx(1.9)
    clock.advance(0.2)
    assert moods.stale
    assert arrived(moods).seq == 0


def test_a_stream_of_long_steps_is_stale_after_two_of_them(raw, moods, clock):
    raw.say(status(step_s=3.0))
    raw.say(estimate(0))
    arrived(moods)
    assert until(lambda: moods.status is not None)
    clock.advance(5.9)
    assert not moods.stale
    clock.advance(0.2)
    assert moods.stale


def test_a_step_that_no_model_has_does_not_keep_a_stream_fresh(raw, moods, clock):
    raw.say(status(step_s=1e300))
    raw.say(estimate(0))
    arrived(moods)
    assert until(lambda: moods.status is not None)
    clock.advance(20.1)
    assert moods.stale


def test_resent_and_malformed_messages_do_not_make_a_stream_fresh(raw, moods, clock):
    raw.say(estimate(0))
    arrived(moods)
    clock.advance(2.1)
    raw.say(estimate(0))
    raw.send(b"mood/main", b"junk")
    raw.say(status(steps=7))
    assert until(lambda: moods.status is not None)
    assert moods.stale


def test_the_status_is_the_last_one(raw, moods):
    assert moods.status is None
    raw.say(status(steps=1))
    raw.say(status(steps=2, state="silent"))
    assert until(lambda: moods.status == status(steps=2, state="silent"))


def test_of_two_epochs_the_one_that_started_later_wins(raw, moods):
    raw.say(estimate(5, epoch=NEWER))
    assert arrived(moods).epoch == NEWER
    raw.say(estimate(9, epoch=OLDER))
    raw.say(estimate(6, epoch=NEWER))
    assert arrived(moods).seq == 6
    assert moods.read(0.0) is None
    assert moods.skipped == 0


def test_a_restarted_publisher_is_followed_from_its_first_estimate(raw, moods):
    raw.say(estimate(500, epoch=OLDER))
    assert arrived(moods).seq == 500
    raw.say(estimate(0, epoch=NEWER))
    assert arrived(moods).seq == 0
    assert moods.skipped == 0


def test_a_restart_under_a_clock_set_back_is_followed_once_the_old_one_is_silent(raw, moods, clock):
    raw.say(estimate(500, epoch=NEWER))
    arrived(moods)
    raw.say(estimate(0, epoch=OLDER))
    assert moods.read(0.2) is None
    clock.advance(STALE_S + 0.1)
    raw.say(estimate(1, epoch=OLDER))
    assert arrived(moods).epoch == OLDER


def test_a_status_belongs_to_the_epoch_that_is_followed(raw, moods):
    raw.say(estimate(0, epoch=NEWER))
    raw.say(status(epoch=NEWER, steps=1))
    raw.say(status(epoch=OLDER, steps=2))
    raw.say(estimate(1, epoch=NEWER))
    assert until(lambda: moods.status is not None)
    while arrived(moods).seq != 1:
        pass
    assert moods.status is not None
    assert moods.status.steps == 1


def test_a_new_epoch_has_no_status_until_it_says_one(raw, moods):
    raw.say(status(epoch=OLDER))
    assert until(lambda: moods.status is not None)
    raw.say(estimate(0, epoch=NEWER))
    assert arrived(moods).epoch == NEWER
    assert moods.status is None


def test_the_end_of_a_stream_is_told_but_not_handed_out(raw, moods):
    raw.say(estimate(0))
    raw.say(estimate(1, state="ended"))
    raw.say(status(state="ended"))
    assert until(lambda: moods.ended)
    assert arrived(moods).seq == 0  # the last one that was unread is not lost
    assert moods.read(0.0) is None
    assert until(lambda: moods.status is not None and moods.status.state == "ended")
    assert moods.skipped == 0
    raw.say(estimate(0, epoch=NEWER))
    assert arrived(moods).epoch == NEWER
    assert not moods.ended


def test_after_the_end_any_other_epoch_is_followed(raw, moods):
    raw.say(estimate(7, epoch=NEWER, state="ended"))
    raw.say(estimate(0, epoch=OLDER))
    assert arrived(moods).epoch == OLDER


def test_messages_of_another_version_are_counted_as_malformed(raw, moods):
    raw.say(estimate(0, v=2))
    raw.say(estimate(1))
    assert arrived(moods).seq == 1
    assert moods.malformed == 1


def test_unknown_keys_are_tolerated(raw, moods):
    body = msgspec.json.decode(msgspec.json.encode(estimate(3))) | {"tempo_bpm": 124.0}
    raw.send(b"mood/main", msgspec.json.encode(body))
    assert arrived(moods) == estimate(3)
    assert moods.malformed == 0


@pytest.mark.parametrize("name", ["", "Main", "-a", ".a", "a b", "a/b", "ä", "a" * 64, "main\n"])
def test_malformed_stream_names_are_refused(name):
    with pytest.raises(UsageError):
        Subscriber("tcp://127.0.0.1:5580", name)


@pytest.mark.parametrize("name", ["0", "a", "main", "stage-left_2.b", "a" * 63])
def test_stream_names_may_hold_what_the_contract_says(name):
    with Publisher("tcp://127.0.0.1:0") as bus, Subscriber(bus.endpoint, name) as moods:
        bus.publish(estimate(0, stream=name))
        assert arrived(moods).stream == name
