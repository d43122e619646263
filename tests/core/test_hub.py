"""The hub: what goes on and what does not, late joiners, restarts, two publishers of one name."""

import json
import logging
import threading
from contextlib import contextmanager

import msgspec
import pytest
import zmq
from bus_parts import EPOCH, RawPublisher, arrived, estimate, status, until

from streammer.bus import Publisher, Subscriber
from streammer.bus.features import Features
from streammer.bus.hub import Hub
from streammer.bus.hub_status import HUB_TOPIC, HubStatus
from streammer.bus.last_values import LastValues
from streammer.bus.streams import Streams
from streammer.bus.switchboard import CONFLICT_S, FORGET_S, Switchboard
from streammer.bus.uplink import BEAT, Uplink, is_same_place
from streammer.bus.wire import encode
from streammer.clock import FakeClock
from streammer.errors import NetworkError, UsageError

FREE = "tcp://127.0.0.1:0"
NEWER = "0192f000000000bb"
PATIENCE_S = 30.0


@contextmanager
def served(publishers=FREE, endpoint=FREE, **options):
    """Run a hub in a thread."""
    with Hub(publishers, endpoint, **options) as hub:
        thread = threading.Thread(target=hub.run)
        thread.start()
        try:
            yield hub
        finally:
            hub.stop()
            thread.join()


@contextmanager
def bare(kind, *topics, connect):
    """Make a socket that knows nothing of streammer."""
    with zmq.Context() as context, context.socket(kind) as sock:
        sock.linger = 0
        for topic in topics:
            sock.subscribe(topic)
        sock.connect(connect)
        yield sock


@pytest.fixture
def board():
    clock = FakeClock()
    board = Switchboard(clock, LastValues(clock))
    board.tick = clock.advance
    return board


def took(board, message):
    kind = "mood" if hasattr(message, "seq") else "status"
    return board.take(f"{kind}/{message.stream}".encode(), encode(message))


def test_streams_of_many_publishers_meet_in_one_subscriber():
    with (
        served() as hub,
        Streams(hub.endpoint) as streams,
        Publisher(None, connect=hub.publishers) as a,
        Publisher(None, connect=hub.publishers) as b,
    ):
        a.publish(estimate(stream="a"))
        b.publish(estimate(stream="b"))
        b.publish_status(status(stream="b"))
        assert until(lambda: streams.read(0.1) or len(streams.following) == 2, PATIENCE_S)
        assert until(lambda: streams.read(0.1) or streams.following["b"].status, PATIENCE_S)
        assert streams.malformed == 0


def test_late_joiners_of_a_hub_get_the_last_value_of_every_topic():
    with served() as hub, Publisher(None, connect=hub.publishers) as bus:
        for seq in range(3):
            bus.publish(estimate(seq))
        bus.publish_status(status())
        assert until(lambda: hub.status().forwarded >= 2, PATIENCE_S)
        for _ in range(3):
            with Subscriber(hub.endpoint) as moods:
                assert arrived(moods, PATIENCE_S).seq == 2
                assert until(lambda: moods.status is not None, PATIENCE_S)
        assert hub.status().resent > 0


def test_a_hub_that_comes_back_gets_the_last_values_again():
    with served() as first:
        publishers, endpoint = first.publishers, first.endpoint
        bus = Publisher(None, connect=publishers)
        bus.publish(estimate(7))
        assert until(lambda: first.status().forwarded == 1, PATIENCE_S)
    with bus, served(publishers, endpoint), Subscriber(endpoint) as moods:
        assert arrived(moods, PATIENCE_S).seq == 7


def test_a_publisher_may_serve_subscribers_and_a_hub():
    with served() as hub, Publisher(FREE, connect=hub.publishers) as bus:
        bus.publish(estimate(1))
        with Subscriber(bus.endpoint) as near, Subscriber(hub.endpoint) as far:
            assert arrived(near, PATIENCE_S).seq == arrived(far, PATIENCE_S).seq == 1


def test_features_are_made_only_while_somebody_wants_them_behind_the_hub():
    with served() as hub, Publisher(None, connect=hub.publishers) as bus:
        bus.publish(estimate(1))
        assert until(lambda: hub.status().forwarded == 1, PATIENCE_S)
        assert not bus.wants_features("main")
        with Streams(hub.endpoint) as streams:
            streams.want_features({"main"})
            assert until(lambda: bus.wants_features("main"), PATIENCE_S)
            bus.publish_features(
                Features(
                    stream="main", epoch=EPOCH, seq=1, t_audio_s=0.5, kind="mel", frames=1, bins=2,
                    floor_db=-80.0, top_db=0.0, db=b"ab",
                )
            )  # fmt: skip
            assert until(
                lambda: any(isinstance(m, Features) for m in streams.read(0.1)), PATIENCE_S
            )
        assert until(lambda: not bus.wants_features("main"), PATIENCE_S)


def test_the_newer_epoch_wins_and_an_older_one_that_still_ticks_is_a_conflict(board):
    assert took(board, estimate(5))
    assert took(board, estimate(0, epoch=NEWER))
    assert not took(board, estimate(6))
    assert board.conflicts() == []  # it may have been on its way
    assert not took(board, estimate(7))
    assert not took(board, status())
    assert took(board, estimate(1, epoch=NEWER))
    assert board.conflicts() == ["main"]
    assert (board.counts.older, board.counts.forwarded) == (3, 3)
    assert board.to_say() == ["main"]
    assert board.to_say() == []
    board.tick(CONFLICT_S)
    assert board.conflicts() == []


def test_a_conflict_that_lasts_is_said_once_a_minute(board):
    took(board, estimate(0, epoch=NEWER))
    said = []
    for seq in range(1, 121):
        board.tick(1.0)
        took(board, estimate(seq))
        took(board, estimate(seq, epoch=NEWER))
        said += board.to_say()
    assert said == ["main", "main"]


def test_an_older_epoch_goes_on_once_the_newer_one_is_gone(board):
    took(board, estimate(5, epoch=NEWER))
    board.tick(2.5)
    assert took(board, estimate(6))
    assert took(board, estimate(0, epoch=NEWER, state="ended"))
    assert took(board, estimate(7))


def test_nothing_goes_on_twice(board):
    assert took(board, estimate(3))
    assert not took(board, estimate(3))
    assert not took(board, estimate(2))
    assert took(board, status(uptime_s=5.0))
    assert took(board, status(uptime_s=10.0))
    assert not took(board, status(uptime_s=10.0))
    assert not took(board, status(uptime_s=5.0))
    assert took(board, status(uptime_s=10.0, state="silent"))
    assert board.counts.duplicates == 4


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (b"mood/main", b"{}"),
        (b"mood/main", encode(estimate(stream="other"))),
        (b"mood/Main", encode(estimate())),
        (b"mood/", encode(estimate())),
        (b"moods/main", encode(estimate())),
        (b"hub/status", b"{}"),
        (b"\xff", b""),
        (b"features/main", b"\xc0"),
        (b"status/main", encode(estimate())),
    ],
)
def test_what_is_no_valid_message_does_not_go_on_nor_takes_room(board, topic, payload):
    assert not board.take(topic, payload)
    assert board.counts.malformed == 1
    assert len(board) == 0


def test_a_stream_of_which_nothing_comes_is_forgotten_with_its_last_values(board):
    took(board, estimate())
    took(board, estimate(stream="other"))
    board.tick(FORGET_S - 1.0)
    took(board, status(stream="other"))
    board.tick(2.0)
    board.forget_silent()
    board.last.joined(b"")
    assert sorted(topic for topic, _ in board.last.due()) == [b"mood/other", b"status/other"]
    assert len(board) == 1
    assert took(board, estimate())  # it may come back


def test_streams_beyond_what_a_hub_keeps_are_refused_and_said_once(board, monkeypatch):
    monkeypatch.setattr("streammer.bus.switchboard.MAX_HUB_STREAMS", 2)
    assert [took(board, estimate(stream=f"s{k}")) for k in range(4)] == [True, True, False, False]
    assert board.counts.refused == 2
    assert (board.full_to_say(), board.full_to_say()) == (True, False)
    assert took(board, estimate(1, stream="s0"))


def test_the_status_of_a_hub_counts_and_names_conflicts():
    with (
        served() as hub,
        bare(zmq.SUB, HUB_TOPIC, connect=hub.endpoint) as sock,
        Publisher(None, connect=hub.publishers) as old,
        Publisher(None, connect=hub.publishers) as new,
    ):
        new.publish(estimate(0, epoch=NEWER))
        assert until(lambda: hub.status().forwarded == 1, PATIENCE_S)
        for seq in range(2):
            old.publish(estimate(seq))
        while True:
            assert sock.poll(PATIENCE_S * 1000)
            topic, payload = sock.recv_multipart()
            assert topic == HUB_TOPIC
            said = msgspec.json.decode(payload, type=HubStatus)
            assert set(json.loads(payload)) == set(HubStatus.__struct_fields__)
            if said.conflicts:
                break
        assert said.conflicts == ["main"]
        assert (said.streams, said.older, said.epoch) == (1, 2, hub.epoch)


def test_junk_from_publishers_and_subscribers_stops_nothing():
    with (
        served() as hub,
        bare(zmq.XPUB, connect=hub.publishers) as junk,
        bare(zmq.XSUB, connect=hub.endpoint) as odd,
    ):
        junk.recv()  # the hub has subscribed
        junk.recv()
        for frames in ([b"mood/x"], [b"mood/x", b"{", b"}"], [b"mood/x", b"no"], [b"mood/"]):
            junk.send_multipart(frames)
        for frame in (b"", b"\x02", b"hello", b"\x01" + 900 * b"x"):
            odd.send(frame)
        assert until(lambda: hub.status().malformed == 4, PATIENCE_S)
        with Publisher(None, connect=hub.publishers) as bus, Subscriber(hub.endpoint) as moods:
            bus.publish(estimate(4))
            assert arrived(moods, PATIENCE_S).seq == 4


def test_a_burst_of_many_streams_reaches_a_subscriber_that_is_slow_for_a_moment():
    n = 1500
    with served() as hub, zmq.Context() as context, context.socket(zmq.SUB) as sock:
        sock.linger, sock.rcvhwm, sock.rcvbuf = 0, 1, 4096  # so that little is on its way
        sock.subscribe(b"mood/")
        sock.connect(hub.endpoint)
        with Publisher(None, connect=hub.publishers, streams=n) as bus:
            for burst in range(3):
                for k in range(n):
                    message = estimate(burst, stream=f"s{k}", model="m" * 5000)
                    bus.publish(message)
                assert until(lambda: hub.status().forwarded == (burst + 1) * n, PATIENCE_S)  # noqa: B023
                seqs = []
                while sock.poll(1000):
                    seqs.append(json.loads(sock.recv_multipart()[1])["seq"])
            # A hub learns how many streams there are from the first burst.
            assert seqs.count(burst) == n


def test_hubs_in_a_row_pass_on_and_hubs_in_a_ring_do_not_echo():
    with served() as central, served(connect=central.publishers) as near:
        with Publisher(None, connect=near.publishers) as bus:
            bus.publish(estimate(1))
            with Subscriber(central.endpoint) as moods:
                assert arrived(moods, PATIENCE_S).seq == 1
        place = near.publishers, near.endpoint
    with served() as a, served(*place, connect=a.publishers) as b:
        back = Uplink(b.publishers, a._clock, a.epoch)
        back.connect(a._out)  # no command would do this
        with Publisher(None, connect=b.publishers) as bus, Subscriber(a.endpoint) as moods:
            for seq in range(5):
                bus.publish(estimate(seq))
                bus.publish_status(status(uptime_s=float(seq)))
                assert until(lambda: b.status().forwarded == 2 * seq + 2, PATIENCE_S)  # noqa: B023
            assert until(lambda: b.status().duplicates >= 10, PATIENCE_S)
            assert a.status().forwarded == b.status().forwarded == 10


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_hub_that_is_to_connect_to_itself_is_refused(host, free_port):
    own = f"tcp://127.0.0.1:{free_port}"
    with pytest.raises(UsageError, match="is this hub itself"):
        Hub(own, FREE, connect=f"tcp://{host}:{free_port}")
    with pytest.raises(UsageError, match="is this hub itself"):
        Hub(FREE, own, connect=f"tcp://{host}:{free_port}")
    Hub(own, FREE).close()  # nothing was left bound


@pytest.fixture
def free_port():
    with Publisher(FREE) as bus:
        return bus.endpoint.rpartition(":")[2]


def test_places_are_told_apart():
    assert is_same_place("tcp://127.0.0.1:5581", "tcp://0.0.0.0:5581")
    assert is_same_place("ipc:///a", "ipc:///a")
    assert not is_same_place("ipc:///a", "tcp://*:5581")
    assert not is_same_place("tcp://127.0.0.1:5582", "tcp://0.0.0.0:5581")
    assert not is_same_place("tcp://192.0.2.1:5581", "tcp://0.0.0.0:5581")
    assert not is_same_place("tcp://nosuch.invalid:5581", "tcp://*:5581")


def test_a_hub_that_meets_its_own_beat_ends_with_one_line(monkeypatch, free_port):
    monkeypatch.setattr("streammer.bus.hub.is_same_place", lambda *_: False)
    own = f"tcp://127.0.0.1:{free_port}"
    with Hub(own, FREE, connect=own) as hub:
        watchdog = threading.Timer(PATIENCE_S, hub.stop)
        watchdog.start()
        with pytest.raises(NetworkError, match="leads back"):
            hub.run()
        watchdog.cancel()
        watchdog.join()


def test_one_endpoint_for_both_and_a_taken_port_are_refused():
    with pytest.raises(UsageError, match="a port each"):
        Hub("tcp://127.0.0.1:5599", "tcp://127.0.0.1:5599")
    with Publisher(FREE) as bus:
        port = bus.endpoint.rpartition(":")[2]
        for ends in ((bus.endpoint, FREE), (FREE, bus.endpoint)):
            with pytest.raises(NetworkError, match=f"port {port} is taken"):
                Hub(*ends)


def test_a_hub_beyond_loopback_needs_insecure():
    for ends in (("tcp://0.0.0.0:0", FREE), (FREE, "tcp://0.0.0.0:0")):
        with pytest.raises(NetworkError, match="--insecure"):
            Hub(*ends)
        Hub(*ends, insecure=True).close()


def test_a_publisher_needs_somewhere_to_publish():
    with pytest.raises(UsageError, match="endpoint to bind, or a hub"):
        Publisher(None)


def test_a_hub_that_does_not_answer_is_said_once_and_so_is_its_return(caplog):
    caplog.set_level(logging.INFO, "streammer")
    clock = FakeClock()
    with RawPublisher() as other, zmq.Context() as context, context.socket(zmq.XPUB) as sock:
        uplink = Uplink(other.endpoint, clock)
        sock.linger = 0
        uplink.connect(sock)
        for _ in range(20):
            clock.advance(1.0)
            uplink.look_after(sock)
        uplink.take(b"hello")
        assert [r.levelname for r in caplog.records] == ["WARNING"]
        assert other.endpoint in caplog.text
        uplink.take(BEAT + b"0" * 16)
        uplink.take(BEAT + b"0" * 16)
        uplink.look_after(sock)
    assert [r.levelname for r in caplog.records] == ["WARNING", "INFO"]


def test_a_publisher_finds_a_hub_after_something_else_stood_on_its_port():
    """An XPUB there is refused by libzmq, which then does not try again."""
    clock = FakeClock()
    with RawPublisher() as other:
        endpoint = other.endpoint
        bus = Publisher(None, connect=endpoint, clock=clock)
        bus.publish(estimate(3))
        assert until(lambda: bus.sent == 1, PATIENCE_S)
    with bus, served(endpoint) as hub:
        assert until(lambda: clock.advance(1.0) or hub.status().forwarded == 1, PATIENCE_S)
