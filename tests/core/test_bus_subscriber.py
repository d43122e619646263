"""The subscriber: newest first, whole topics, epochs, staleness, and anything a peer may send."""

import contextlib
import socket
import threading
import time

import msgspec
import pytest
from bus_parts import EPOCH, RawPublisher, arrived, estimate, status, until
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streammer.bus import Publisher, Subscriber
from streammer.bus.subscriber import RECONNECT_S, STALE_S
from streammer.clock import FakeClock
from streammer.errors import UsageError

OLDER, NEWER = "0192f00000000000", "0192f00000ffffff"


@pytest.fixture
def raw():
    with RawPublisher() as publisher:
        yield publisher


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def moods(raw, clock):
    with Subscriber(raw.endpoint, clock=clock) as subscriber:
        raw.await_subscriptions()
        yield subscriber


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


GOOD = msgspec.json.encode(estimate(1))


@pytest.mark.parametrize(
    "frames",
    [
        [b"mood/main"],
        [b"mood/main", GOOD, b""],
        [b"mood/main", b""],
        [b"mood/main", b"junk"],
        [b"mood/main", GOOD.replace(b"0.25", b"NaN", 1)],
        [b"mood/main", GOOD.replace(b"0.25", b"Infinity", 1)],
        [b"mood/main", GOOD.replace(b"0.25", b'"0.25"', 1)],
        [b"mood/main", GOOD.replace(b'"main"', b'"\xff"', 1)],
        [b"mood/main", GOOD.replace(b'"main"', '"мэйн"'.encode(), 1)],
        [b"mood/main", GOOD.replace(b'"main"', b'"main2"', 1)],
        [b"mood/main", b'{"a":"' + b"x" * 500_000 + b'"}'],
        [b"status/main", GOOD],
        [b"status/main", b"[]"],
        [b"mood/main " + GOOD],
    ],
    ids=lambda frames: f"{len(frames)}-{frames[-1][:8]!r}-{len(frames[-1])}",
)
def test_malformed_messages_are_dropped_and_counted(raw, moods, frames):
    raw.send(*frames)
    raw.say(estimate(9))
    assert arrived(moods).seq == 9
    assert moods.malformed == 1


def test_a_message_too_big_for_memory_does_not_stop_the_subscriber(raw, moods, clock):
    raw.send(b"mood/main", b"x" * (8 << 20))
    raw.await_subscriptions(2)  # libzmq drops the connection, and never makes it again
    clock.advance(RECONNECT_S)
    assert moods.read(0.0) is None
    raw.await_subscriptions(2)
    raw.say(estimate(2))
    assert arrived(moods).seq == 2


def test_a_server_of_another_kind_on_the_port_for_a_while_does_not_stop_the_subscriber(clock):
    greeting = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"CURVE".ljust(20, b"\0") + bytes(32)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        port = server.getsockname()[1]
        moods = stack.enter_context(Subscriber(f"tcp://127.0.0.1:{port}", clock=clock))
        server.settimeout(5.0)
        peer, _ = server.accept()
        with peer:
            peer.settimeout(5.0)
            peer.sendall(greeting)
            with contextlib.suppress(ConnectionError):
                while peer.recv(4096):  # until libzmq has hung up, for ever
                    pass
        server.close()
        bus = stack.enter_context(Publisher(f"tcp://127.0.0.1:{port}"))
        bus.publish(estimate(4))
        clock.advance(RECONNECT_S)
        assert arrived(moods).seq == 4


def test_a_connection_that_has_silently_died_is_made_anew(raw, clock):
    host, port = "127.0.0.1", int(raw.endpoint.rpartition(":")[2])
    with contextlib.ExitStack() as stack:
        relay = stack.enter_context(socket.create_server((host, 0)))
        relay.settimeout(5.0)
        moods = stack.enter_context(
            Subscriber(f"tcp://{host}:{relay.getsockname()[1]}", clock=clock)
        )
        stack.enter_context(relay.accept()[0])  # nothing ever comes, and nobody hangs up
        clock.advance(RECONNECT_S)
        assert moods.read(0.0) is None
        client = stack.enter_context(relay.accept()[0])
        server = stack.enter_context(socket.create_connection((host, port)))
        pumps = [
            threading.Thread(target=_pump, args=ends)
            for ends in ((client, server), (server, client))
        ]
        for pump in pumps:
            pump.start()
        raw.await_subscriptions()
        raw.say(estimate(6))
        assert arrived(moods).seq == 6
        moods.close()
        for pump in pumps:
            pump.join(5.0)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(4096):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def test_a_publisher_that_ticks_is_not_connected_anew(raw, moods, clock):
    for seq in range(4):
        raw.say(estimate(seq))
        assert arrived(moods).seq == seq
        clock.advance(0.9 * RECONNECT_S)
        assert moods.read(0.0) is None
    with pytest.raises(AssertionError):
        raw.await_subscriptions(1, timeout_s=0.2)


class Endless:
    """A socket that always has one more message."""

    def recv_multipart(self, _flags: int) -> list[bytes]:
        return [b"mood/main", b"junk"]

    def recv(self, _flags: int) -> bytes:
        return b"\x01mood/"


def test_a_flood_of_junk_does_not_keep_read_from_returning(raw, moods, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(moods, "_sock", Endless())
        assert moods.read(0.0) is None


def test_a_flood_of_subscriptions_does_not_keep_the_publisher_from_publishing():
    with Publisher("tcp://127.0.0.1:0") as bus:
        bus._take_subscriptions(Endless())


@settings(
    derandomize=True,
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    frames=st.lists(
        st.sampled_from([b"mood/main", b"status/main", b"mood/main2", b"", GOOD])
        | st.binary(max_size=60)
        | st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")),
        min_size=1,
        max_size=4,
    )
)
def test_no_frames_whatever_make_the_subscriber_raise(moods, frames):
    before = moods.malformed
    moods._drain()
    with contextlib.suppress(ValueError):  # WireError: what _drain counts as malformed
        moods._take(frames)
    assert moods.malformed == before


def test_read_takes_random_messages_from_the_wire_without_raising(raw, moods):
    for index in range(300):
        junk = bytes((index * 7 + k * 31) % 256 for k in range(index % 40))
        raw.send(b"mood/main" + junk[:1], *[junk] * (index % 4))
    raw.say(estimate(3))
    assert arrived(moods).seq == 3
    assert moods.malformed > 0


@pytest.mark.parametrize("name", ["", "Main", "-a", ".a", "a b", "a/b", "ä", "a" * 64, "main\n"])
def test_malformed_stream_names_are_refused(name):
    with pytest.raises(UsageError):
        Subscriber("tcp://127.0.0.1:5580", name)


@pytest.mark.parametrize("name", ["0", "a", "main", "stage-left_2.b", "a" * 63])
def test_stream_names_may_hold_what_the_contract_says(name):
    with Publisher("tcp://127.0.0.1:0") as bus, Subscriber(bus.endpoint, name) as moods:
        bus.publish(estimate(0, stream=name))
        assert arrived(moods).stream == name


def test_a_subscriber_may_wait_for_a_publisher_that_is_not_there_yet(tmp_path):
    with Publisher("tcp://127.0.0.1:0") as bus:
        endpoint = bus.endpoint
    with Subscriber(endpoint) as moods:
        assert moods.read(0.1) is None
        with Publisher(endpoint) as bus:
            bus.publish(estimate(0))
            assert arrived(moods).seq == 0
