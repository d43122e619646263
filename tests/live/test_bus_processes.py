"""The bus between real processes: who comes early, late, dies, stalls or misbehaves."""

import contextlib
import json
import os
import signal
import sys
import time
from itertools import pairwise
from pathlib import Path

import psutil
import pytest
import zmq

from streammer.bus import Subscriber

HERE = Path(__file__).parent

PLAIN_CLIENT = """
import json, sys, zmq
sock = zmq.Context().socket(zmq.SUB)
sock.subscribe(b"mood/main")
sock.connect(sys.argv[1])
for _ in range(int(sys.argv[2])):
    topic, body = sock.recv_multipart()
    print(json.dumps([topic.decode(), json.loads(body)]), flush=True)
"""

RESUBSCRIBING_CLIENT = """
import sys, time, zmq
sock = zmq.Context().socket(zmq.SUB)
sock.connect(sys.argv[1])
print("on", flush=True)
while True:
    sock.subscribe(b"")
    sock.unsubscribe(b"")
    time.sleep(0.0005)
"""

DEAF_CLIENT = """
import sys, time, zmq
context = zmq.Context()
socks = [context.socket(zmq.SUB) for _ in range(3)]
for sock in socks:
    sock.subscribe(b"")
    sock.connect(sys.argv[1])
for sock in socks:
    sock.recv_multipart()
print("on", flush=True)
time.sleep(600)
"""


def collect(moods, seconds):
    """Read for a while, as a subscriber that keeps up does."""
    deadline, seen = time.monotonic() + seconds, []
    while (left := deadline - time.monotonic()) > 0:
        mood = moods.read(left)
        if mood is not None:
            seen.append(mood)
    return seen


def until_heard(moods, seconds=10.0):
    mood = moods.read(seconds)
    assert mood is not None, f"nothing heard within {seconds} s"
    return mood


def test_early_subscribers_hear_all_and_late_ones_join_at_once(publish, free_endpoint):
    with Subscriber(free_endpoint) as early:
        _, endpoint = publish(free_endpoint)
        assert until_heard(early).seq < 10  # the connection is retried every 100 ms
        seen = collect(early, 1.0)
        assert early.skipped + len(seen) >= 10
        begin = time.monotonic()
        with Subscriber(endpoint) as late:
            assert until_heard(late).epoch == seen[0].epoch
            assert time.monotonic() - begin < 0.5
        assert early.malformed == 0


def test_a_late_joiner_of_a_slow_stream_does_not_wait_for_its_next_tick(publish):
    _, endpoint = publish("tcp://127.0.0.1:0", 2.0)
    with Subscriber(endpoint) as first:
        assert until_heard(first).seq == 0
        waits = []
        for _ in range(5):
            begin = time.monotonic()
            with Subscriber(endpoint) as late:
                assert until_heard(late).epoch
                waits.append(time.monotonic() - begin)
    assert sorted(waits)[2] < 0.1


def test_a_plain_client_needs_only_the_wire_format(publish, start):
    _, endpoint = publish()
    client = start(sys.executable, "-c", PLAIN_CLIENT, endpoint, 10)
    messages = [json.loads(line) for line in client.rest()]
    assert [topic for topic, _ in messages] == ["mood/main"] * 10
    seqs = [body["seq"] for _, body in messages]
    assert sorted(set(seqs)) == list(range(seqs[0], seqs[-1] + 1))
    assert all(body["v"] == 1 and abs(body["valence"]) <= 1.0 for _, body in messages)


def test_dying_and_looping_subscribers_disturb_nobody(publish, start):
    publisher, endpoint = publish()
    with Subscriber(endpoint) as moods:
        until_heard(moods)
        looping = start(sys.executable, "-c", RESUBSCRIBING_CLIENT, endpoint)
        assert looping.line() == "on"
        dying = start(sys.executable, "-c", PLAIN_CLIENT, endpoint, 10**6)
        assert dying.line()
        dying.end(signal.SIGKILL)
        seen = collect(moods, 3.0)
        looping.end(signal.SIGKILL)
        assert publisher.popen.poll() is None
    gaps = [b.t_publish - a.t_publish for a, b in pairwise(seen)]
    assert len({mood.seq for mood in seen}) == len(seen)
    assert sorted(gaps)[len(gaps) // 2] < 0.1  # 50 ms was asked for
    assert seen[-1].seq - seen[0].seq > 20


def test_a_resubscribing_loop_costs_others_at_most_20_resends_a_second(publish, start):
    _, endpoint = publish("tcp://127.0.0.1:0", 0.5)
    with contextlib.ExitStack() as stack:
        context = stack.enter_context(zmq.Context())
        sock = stack.enter_context(context.socket(zmq.SUB))
        sock.linger = 0
        sock.subscribe(b"mood/main")
        sock.connect(endpoint)
        assert sock.poll(5000)
        looping = start(sys.executable, "-c", RESUBSCRIBING_CLIENT, endpoint)
        assert looping.line() == "on"
        begin, received = time.monotonic(), 0
        while time.monotonic() - begin < 2.0:
            if sock.poll(100):
                sock.recv_multipart()
                received += 1
    assert 5 <= received <= 2.5 * (20 + 2) + 5


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no SIGSTOP on this system")
def test_stalled_subscribers_change_neither_memory_nor_pace(publish, start):
    publisher, endpoint = publish("tcp://127.0.0.1:0", 0.003, 50_000)
    deaf = start(sys.executable, "-c", DEAF_CLIENT, endpoint)
    assert deaf.line() == "on"
    deaf.send(signal.SIGSTOP)
    try:
        with Subscriber(endpoint) as moods:
            first = until_heard(moods)
            before = psutil.Process(publisher.popen.pid).memory_info().rss
            last = collect(moods, 3.0)[-1]
        grown = psutil.Process(publisher.popen.pid).memory_info().rss - before
    finally:
        deaf.send(signal.SIGCONT)
    sent = last.seq - first.seq
    assert sent > 400  # 20 MB, were they kept
    assert grown < 10e6, f"{grown / 1e6:.0f} MB more after {sent} messages of 50 kB"


@pytest.mark.parametrize("kind", ["tcp", "ipc"])
def test_a_publisher_killed_and_started_again_is_followed(
    kind,
    publish,
    free_endpoint,
    tmp_path,
):
    if kind == "ipc" and not zmq.has("ipc"):
        pytest.skip("no ipc:// on this system")
    where = free_endpoint if kind == "tcp" else f"ipc://{tmp_path}/mood.ipc"
    publisher, _ = publish(where)
    with Subscriber(where) as moods:
        first = until_heard(moods)
        assert publisher.end(signal.SIGKILL) == -signal.SIGKILL
        while moods.read(0.3) is not None:
            pass
        time.sleep(2.1)
        assert moods.stale
        assert not moods.ended
        publish(where)
        begin = time.monotonic()
        again = until_heard(moods)
        assert time.monotonic() - begin < 3.0
        assert again.epoch > first.epoch
        assert again.seq < 10
        assert not moods.stale


def test_a_publisher_that_ends_in_order_says_so(publish):
    publisher, endpoint = publish()
    with Subscriber(endpoint) as moods:
        until_heard(moods)
        assert publisher.end() == 0
        rest = collect(moods, 0.5)
        assert moods.ended
        assert moods.status is not None
        assert moods.status.state == "ended"
        assert all(mood.state == "live" for mood in rest)


@pytest.mark.parametrize("kind", ["tcp", "ipc"])
def test_a_second_publisher_is_refused_and_the_first_goes_on(kind, publish, start, tmp_path):
    where = "tcp://127.0.0.1:0" if kind == "tcp" else f"ipc://{tmp_path}/mood.ipc"
    _, endpoint = publish(where)
    with Subscriber(endpoint) as moods:
        epoch = until_heard(moods).epoch
        second = start(sys.executable, HERE / "bus_publisher.py", endpoint)
        assert second.wait() == 4
        assert len(second.err.splitlines()) == 1
        assert endpoint.rpartition(":")[2] in second.err
        assert {mood.epoch for mood in collect(moods, 0.5)} == {epoch}


def test_a_killed_publisher_leaves_nothing_that_stops_the_next(publish, tmp_path):
    if not zmq.has("ipc"):
        pytest.skip("no ipc:// on this system")
    where = f"ipc://{tmp_path}/mood.ipc"
    for _ in range(2):
        publisher, _ = publish(where)
        publisher.end(signal.SIGKILL)
        assert os.listdir(tmp_path) != []
    publisher, _ = publish(where)
    assert publisher.end() == 0
    assert os.listdir(tmp_path) == []
