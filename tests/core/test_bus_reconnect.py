"""A subscriber connects anew where libzmq does not, and a publisher ends in order."""

import contextlib
import socket
import threading
import time

import psutil
import pytest
import zmq
from bus_parts import arrived, estimate, until

from streammer.bus import Publisher, Subscriber
from streammer.bus.connection import RECONNECT_S
from streammer.bus.sockets import HIGH_WATER
from streammer.errors import NetworkError


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


def test_a_subscriber_may_wait_for_a_publisher_that_is_not_there_yet(tmp_path):
    with Publisher("tcp://127.0.0.1:0") as bus:
        endpoint = bus.endpoint
    with Subscriber(endpoint) as moods:
        assert moods.read(0.1) is None
        with Publisher(endpoint) as bus:
            bus.publish(estimate(0))
            assert arrived(moods).seq == 0


def test_a_publisher_that_comes_and_goes_is_followed_every_time(clock):
    with Publisher("tcp://127.0.0.1:0") as bus:
        endpoint = bus.endpoint
    with Subscriber(endpoint, clock=clock) as moods:
        for life in range(10):
            with Publisher(endpoint) as bus:
                bus.publish(estimate(0, epoch=f"{life:016x}"))
                assert arrived(moods, 20.0).epoch == f"{life:016x}"
        assert (moods.skipped, moods.malformed) == (0, 0)


def test_a_publisher_may_be_closed_by_many_threads_while_others_publish():
    for _ in range(5):
        with Publisher("tcp://127.0.0.1:0") as first:
            endpoint = first.endpoint
        bus = Publisher(endpoint)
        closed, failures = threading.Event(), []

        def publish(bus=bus, closed=closed, failures=failures):
            try:
                for seq in range(10**9):
                    bus.publish(estimate(seq))
            except NetworkError as error:
                if "closed" not in str(error):
                    failures.append(error)
            except BaseException as error:
                failures.append(error)
            closed.set()

        def close(bus=bus, endpoint=endpoint, failures=failures):
            try:
                bus.close()
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=publish) for _ in range(2)]
        threads += [threading.Thread(target=close) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30.0)
            assert not thread.is_alive()
        assert not failures
        Publisher(endpoint).close()  # the endpoint is free again


@pytest.mark.skipif(not zmq.has("ipc"), reason="this system has no ipc://")
def test_whoever_closes_second_finds_the_path_free(tmp_path):
    endpoint = f"ipc://{tmp_path}/mood.ipc"
    for _ in range(5):
        bus, free = Publisher(endpoint), []

        def close(bus=bus, free=free):
            bus.close()
            free.append(not (tmp_path / "mood.ipc.lock").exists())

        threads = [threading.Thread(target=close) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30.0)
        assert free == [True] * 8


def test_subscribers_that_do_not_read_hold_nobody_up_and_cost_no_memory():
    process = psutil.Process()
    context = zmq.Context()
    with Publisher("tcp://127.0.0.1:0") as bus, contextlib.ExitStack() as stack:
        for _ in range(5):
            slow = stack.enter_context(context.socket(zmq.SUB))
            slow.linger, slow.rcvhwm, slow.rcvbuf = 0, 1, 4096
            slow.subscribe(b"")
            slow.connect(bus.endpoint)
        with Subscriber(bus.endpoint) as moods:
            bus.publish(estimate(0))
            assert arrived(moods, 30.0).seq == 0
            before = process.memory_info().rss
            for seq in range(1, 20 * HIGH_WATER):
                bus.publish(estimate(seq, model="m" * 10_000))
                assert until(lambda seq=seq: bus.sent + bus.dropped > seq, 30.0)
            bus.publish(estimate(20 * HIGH_WATER))
            while arrived(moods, 30.0).seq < 20 * HIGH_WATER:
                pass
            assert process.memory_info().rss - before < 60 << 20  # 100 MB were published
        began = time.monotonic()
    context.term()
    assert time.monotonic() - began < 20.0
