"""The publisher: last values for late joiners, resends kept rare, threads, memory."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import zmq
from bus_parts import arrived, estimate, status, until

from streammer.bus import Publisher, Subscriber, sockets
from streammer.bus.last_values import RESEND_GAP_S
from streammer.bus.sockets import HIGH_WATER
from streammer.bus.streams import Streams
from streammer.bus.wire import WireError, encode
from streammer.clock import FakeClock
from streammer.errors import NetworkError

LOCAL = "tcp://127.0.0.1:0"


@pytest.fixture
def bus():
    with Publisher(LOCAL) as publisher:
        yield publisher


@pytest.fixture
def plain():
    """Make bare SUB sockets, which know nothing of streammer."""
    context = zmq.Context()
    socks = []

    def make(endpoint, topic=b""):
        sock = context.socket(zmq.SUB)
        sock.linger = 0
        sock.subscribe(topic)
        sock.connect(endpoint)
        socks.append(sock)
        return sock

    yield make
    for sock in socks:
        sock.close()
    context.term()


def received(sock, timeout_ms=5000):
    assert sock.poll(timeout_ms), f"nothing within {timeout_ms} ms"
    return sock.recv_multipart()


def test_a_message_is_a_topic_and_a_json_object(bus, plain):
    bus.publish(estimate(3))
    bus.publish_status(status())
    assert received(plain(bus.endpoint, b"mood/")) == [b"mood/main", encode(estimate(3))]
    assert received(plain(bus.endpoint, b"status/")) == [b"status/main", encode(status())]


def _has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


AVAILABLE = {"tcp": lambda: True, "ipc": lambda: zmq.has("ipc"), "ipv6": _has_ipv6}


@pytest.mark.parametrize("kind", AVAILABLE)
def test_late_joiners_get_the_last_value_within_100_ms(kind, tmp_path):
    if not AVAILABLE[kind]():
        pytest.skip(f"no {kind} on this machine")
    where = {"tcp": LOCAL, "ipc": f"ipc://{tmp_path}/mood.ipc", "ipv6": "tcp://[::1]:0"}[kind]
    publisher = Publisher(where)
    with publisher:
        for seq in range(3):
            publisher.publish(estimate(seq))
        assert until(lambda: publisher.sent == 3)
        waits = []
        for _ in range(5):  # the second and later ones of a topic, too: XPUB_VERBOSE
            begin = time.perf_counter()
            with Subscriber(publisher.endpoint) as moods:
                assert arrived(moods).seq == 2
                waits.append(time.perf_counter() - begin)
    assert sorted(waits)[2] < 0.1


def test_everybody_who_joins_at_once_gets_the_last_value(bus):
    bus.publish(estimate(1))
    joined = [Subscriber(bus.endpoint) for _ in range(20)]
    try:
        assert [arrived(moods).seq for moods in joined] == [1] * 20
    finally:
        for moods in joined:
            moods.close()


def test_the_last_value_is_the_newest_of_its_own_topic(bus):
    bus.publish(estimate(1, stream="a"))
    bus.publish(estimate(2, stream="b"))
    bus.publish(estimate(3, stream="a"))
    assert until(lambda: bus.sent == 3)
    with Subscriber(bus.endpoint, "a") as a, Subscriber(bus.endpoint, "b") as b:
        assert arrived(a).seq == 3
        assert arrived(b).seq == 2


def test_a_subscriber_in_a_loop_does_not_flood_the_others(bus, plain):
    bus.publish(estimate(1))
    quiet = plain(bus.endpoint, b"mood/main")
    received(quiet)
    looping = plain(bus.endpoint)
    begin = time.monotonic()
    for _ in range(2000):
        looping.unsubscribe(b"mood/main")
        looping.subscribe(b"mood/main")
        time.sleep(0.0002)
    lasted = time.monotonic() - begin
    assert until(lambda: bus.resent >= 2)
    time.sleep(2 * RESEND_GAP_S)
    assert bus.resent <= lasted / RESEND_GAP_S + 5
    got = 0
    while quiet.poll(100):
        assert quiet.recv_multipart() == [b"mood/main", encode(estimate(1))]
        got += 1
    assert got <= lasted / RESEND_GAP_S + 5


def test_a_joiner_within_the_gap_is_served_after_it(plain):
    clock = FakeClock()
    with Publisher(LOCAL, clock=clock) as bus:
        bus.publish(estimate(1))
        assert until(lambda: bus.sent == 1)
        received(plain(bus.endpoint, b"mood/main"))
        second = plain(bus.endpoint, b"mood/main")
        assert not second.poll(150)
        clock.advance(RESEND_GAP_S)
        received(second)
        assert until(lambda: bus.resent == 2)


def test_whom_a_new_estimate_reaches_needs_no_resend(plain):
    clock = FakeClock()
    with Publisher(LOCAL, clock=clock) as bus:
        bus.publish(estimate(1))
        assert until(lambda: bus.sent == 1)
        received(plain(bus.endpoint, b"mood/main"))
        second = plain(bus.endpoint, b"mood/main")
        assert not second.poll(150)
        bus.publish(estimate(2))
        assert b'"seq":2' in received(second)[1]
        clock.advance(1.0)
        assert not until(lambda: bus.resent > 1, 0.15)


def test_publish_may_be_called_from_any_thread(bus):
    def publish_many(stream):
        for seq in range(200):
            bus.publish(estimate(seq, stream=stream))

    threads = [threading.Thread(target=publish_many, args=(f"s{k}",)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert until(lambda: bus.sent + bus.dropped == 800)
    for k in range(4):
        with Subscriber(bus.endpoint, f"s{k}") as moods:
            assert arrived(moods).seq == 199


def test_many_streams_at_once_lose_nothing(bus):
    for k in range(3 * HIGH_WATER):
        bus.publish(estimate(k, stream=f"s{k}"))
    assert until(lambda: bus.sent == 3 * HIGH_WATER)
    assert bus.dropped == 0


def test_a_bus_that_falls_behind_drops_the_oldest_and_counts(bus, monkeypatch):
    held, go_on = threading.Event(), threading.Event()
    send_new = bus._send_new

    def hold(sock):
        held.set()
        go_on.wait(5.0)
        send_new(sock)

    monkeypatch.setattr(bus, "_send_new", hold)
    bus.publish(estimate(0))
    assert held.wait(5.0)
    for seq in range(1, HIGH_WATER + 50):
        bus.publish(estimate(seq))
    assert bus.dropped == 50
    go_on.set()
    assert until(lambda: bus.sent == HIGH_WATER)
    with Subscriber(bus.endpoint) as moods:
        assert arrived(moods).seq == HIGH_WATER + 49


def test_the_last_message_before_close_arrives(plain):
    with Publisher(LOCAL) as publisher:
        sock = plain(publisher.endpoint, b"mood/main")
        publisher.publish(estimate(0))
        received(sock)
        publisher.publish(estimate(1, state="ended"))
    while b'"ended"' not in received(sock)[1]:
        pass


def test_what_was_published_before_close_still_leaves(monkeypatch):
    monkeypatch.setattr(sockets, "LINGER_MS", 20_000)  # however slow this machine is now

    def read_late():
        time.sleep(0.1)
        while b'"seq":90' not in (last := received(sock))[1]:
            pass
        return last

    with zmq.Context() as context, context.socket(zmq.SUB) as sock:
        sock.linger, sock.rcvhwm, sock.rcvbuf = 0, 1, 4096  # so that little is on its way
        sock.subscribe(b"mood/main")
        with Publisher(LOCAL) as publisher, ThreadPoolExecutor(1) as pool:
            sock.connect(publisher.endpoint)
            publisher.publish(estimate(0))
            received(sock)
            for seq in range(1, 91):  # under the high-water mark
                publisher.publish(estimate(seq, model="m" * 60_000))
            late = pool.submit(read_late)
            publisher.close()
            assert late.result()


def test_close_does_not_wait_for_a_subscriber_that_does_not_read(plain):
    with Publisher(LOCAL) as publisher:
        plain(publisher.endpoint)
        publisher.publish(estimate(0))
        assert until(lambda: publisher.sent == 1)
        begin = time.monotonic()
    assert time.monotonic() - begin < 1.5


def test_nothing_is_published_after_close():
    publisher = Publisher(LOCAL)
    publisher.close()
    publisher.close()
    with pytest.raises(NetworkError, match="closed"):
        publisher.publish(estimate())


def test_what_breaks_the_wire_format_is_not_published(bus):
    with pytest.raises(WireError, match="valence"):
        bus.publish(estimate(valence=2.0))
    bus.publish(estimate(1))
    with Subscriber(bus.endpoint) as moods:
        assert arrived(moods).seq == 1
        assert moods.malformed == 0


def test_threads_and_sockets_end_with_the_publisher():
    before = set(threading.enumerate())
    for _ in range(5):
        with Publisher(LOCAL) as publisher, Subscriber(publisher.endpoint):
            publisher.publish(estimate())
    assert set(threading.enumerate()) <= before


def test_what_subscribers_send_upstream_is_ignored(bus):
    context = zmq.Context()
    with context, context.socket(zmq.XSUB) as hostile:
        hostile.linger = 0
        hostile.connect(bus.endpoint)
        for junk in (b"", b"\x02", b"\x01" + b"x" * 5000, b"hello", b"\x01\xff", b"\x00mood/"):
            hostile.send(junk)
        hostile.send_multipart([b"\x01", b"\x01", b"\x00"])
        bus.publish(estimate(4))
        with Subscriber(bus.endpoint) as moods:
            assert arrived(moods).seq == 4


def test_a_burst_of_many_streams_reaches_who_takes_them_all():
    with (
        Publisher("tcp://127.0.0.1:0", streams=300) as publisher,
        Streams(publisher.endpoint) as streams,
    ):
        publisher.publish(estimate(0, stream="first"))
        assert until(lambda: streams.read(0.1) or streams.following, 30.0)
        for burst in range(1, 4):
            for k in range(300):
                publisher.publish(estimate(burst, stream=f"s{k}"))
            heard = []
            deadline = time.monotonic() + 30.0
            while len(heard) < 300 and time.monotonic() < deadline:
                heard += streams.read(0.2)
            assert len(heard) == 300
