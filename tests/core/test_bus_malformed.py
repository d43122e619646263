"""Anything a peer may send is dropped and counted, and costs neither an error nor memory."""

import contextlib
import json
import socket
import sys
import threading

import msgspec
import psutil
import pytest
import zmq
from bus_parts import arrived, estimate, status, until
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from streammer.bus import Publisher, Subscriber
from streammer.bus.connection import RECONNECT_S
from streammer.bus.wire import WireError, decode_mood, decode_status, encode

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
        [b"mood/main", *[b"x"] * 100_000],
    ],
    ids=lambda frames: f"{len(frames)}-{frames[-1][:8]!r}-{len(frames[-1])}",
)
def test_malformed_messages_are_dropped_and_counted(raw, moods, frames):
    raw.send(*frames)
    raw.say(estimate(9))
    assert arrived(moods).seq == 9
    assert moods.malformed == 1


class FakeSocket:
    """A socket with messages of any parts; the last one comes for ever if `endless`."""

    def __init__(self, *messages, endless=False):
        self._messages, self._endless = list(messages), endless
        self._parts = []

    def recv(self, _flags=0):
        if not self._parts:
            if not self._messages:
                raise zmq.Again
            self._parts = list(self._messages[0])
            if not self._endless:
                del self._messages[0]
        return self._parts.pop(0)

    def getsockopt(self, option):
        assert option == zmq.RCVMORE
        return bool(self._parts)


def test_a_flood_of_junk_does_not_keep_read_from_returning(moods, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(moods._connection, "_sock", FakeSocket([b"mood/main", b"junk"], endless=True))
        assert moods.read(0.0) is None


def test_a_flood_of_subscriptions_does_not_keep_the_publisher_from_publishing():
    with Publisher("tcp://127.0.0.1:0") as bus:
        bus._take_subscriptions(FakeSocket([b"\x01mood/"], endless=True))


ANY_FRAMES = st.lists(
    st.sampled_from([b"mood/main", b"status/main", b"mood/main2", b"", GOOD])
    | st.binary(max_size=60)
    | st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")),
    min_size=1,
    max_size=4,
)
fuzzed = settings(
    derandomize=True,
    max_examples=300,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@fuzzed
@given(messages=st.lists(ANY_FRAMES, max_size=3))
def test_no_frames_whatever_make_the_subscriber_raise(moods, messages):
    with pytest.MonkeyPatch.context() as patch:
        before = moods.malformed
        patch.setattr(moods._connection, "_sock", FakeSocket(*messages))
        now = moods.malformed
    wrong_count = sum(len(frames) != 2 for frames in messages)
    assert before + wrong_count <= now <= before + len(messages)


KINDS = {"mood": (decode_mood, estimate(1)), "status": (decode_status, status())}
VALUES = st.recursive(
    st.sampled_from([10**309, -(10**309), 2**53 + 1, 2**63, 10**4299, 1e308, 5e-324, True, None])
    | st.integers()
    | st.floats()
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


def with_text(good, name, *texts):
    """Return the JSON object of a message, with other text for one of its values."""
    pairs = [(k, json.dumps(v)) for k, v in msgspec.to_builtins(good).items() if k != name]
    pairs += [(name, text) for text in texts]
    return ("{" + ",".join(f"{json.dumps(k)}:{text}" for k, text in pairs) + "}").encode()


@pytest.mark.parametrize("kind", KINDS)
@fuzzed
@given(data=st.data())
def test_any_value_in_any_field_is_taken_or_malformed(kind, data):
    decode, good = KINDS[kind]
    name = data.draw(st.sampled_from(list(msgspec.to_builtins(good))))
    values = data.draw(st.lists(VALUES, min_size=1, max_size=2))  # the key may be there twice
    try:
        message = decode(with_text(good, name, *map(json.dumps, values)), "main")
    except WireError:
        return
    assert decode(encode(message), "main") == message  # what is taken could have been sent


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "text",
    ["1" + "0" * 309, "-1" + "0" * 309, "9" * 5000, "1e400", f"[1{'0' * 309}]", "[" * 9000],
    ids=lambda text: f"{text[:4]}-{len(text)}",
)
def test_a_number_beyond_every_float_is_malformed_in_every_field(kind, text):
    decode, good = KINDS[kind]
    for name in msgspec.to_builtins(good):
        with pytest.raises(WireError) as caught:
            decode(with_text(good, name, text), "main")
        assert len(str(caught.value)) < 300


def test_a_counter_beyond_every_float_is_counted_by_the_subscriber(raw, moods):
    for name in ("seq", "lost_samples"):
        raw.send(b"mood/main", with_text(estimate(1), name, "1" + "0" * 309))
    raw.send(b"status/main", with_text(status(), "steps", "1" + "0" * 309))
    raw.say(estimate(9))
    assert arrived(moods).seq == 9
    assert moods.malformed == 3


def test_of_a_key_that_is_there_twice_the_last_counts(raw, moods):
    raw.send(b"mood/main", with_text(estimate(1), "seq", "1", "7"))
    assert arrived(moods).seq == 7


def frame(body, *, more=False, command=False):
    """Return a frame of ZMTP 3."""
    long = len(body) > 255
    size = len(body).to_bytes(8 if long else 1, "big")
    return bytes([more | long << 1 | command << 2]) + size + body


GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY = frame(b"\x05READY\x0bSocket-Type\0\0\0\x03PUB", command=True)


class EndlessPeer:
    """A server that begins a message and never ends it."""

    def __init__(self, part):
        self._part = frame(part, more=True) * (1 + (1 << 16) // len(part))
        self._server = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"tcp://127.0.0.1:{self._server.getsockname()[1]}"
        self.cut, self.sent = threading.Event(), 0
        self._thread = threading.Thread(target=self._serve)

    def _serve(self):
        with contextlib.suppress(OSError):  # the peer, or the test, has hung up
            peer, _ = self._server.accept()
            with peer:
                peer.sendall(GREETING + READY)
                came = b""
                while b"mood/main" not in came:  # it has subscribed
                    came += peer.recv(4096)
                peer.sendall(frame(b"mood/main", more=True))
                while self.sent < 400 << 20:
                    peer.sendall(self._part)
                    self.sent += len(self._part)
        self.cut.set()

    def __enter__(self):
        self._thread.start()
        return self

    def close(self):
        self._server.close()
        self._thread.join()

    def __exit__(self, *_exc):
        self.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a connection received")
@pytest.mark.parametrize("size", [1, 65_536, 1 << 20])
def test_a_message_of_endless_parts_costs_no_memory_and_is_counted(size):
    process = psutil.Process()
    with EndlessPeer(b"x" * size) as peer, Subscriber(peer.endpoint) as moods:
        before = process.memory_info().rss
        most = 0
        while not peer.cut.is_set():
            assert moods.read(0.05) is None
            most = max(most, process.memory_info().rss - before)
        assert peer.sent < 400 << 20
        assert most < 200 << 20  # a busy machine looks late; without an end it took 250 MB/s
        assert moods.malformed == 1


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what a connection received")
def test_after_an_endless_message_the_stream_is_followed_again(clock):
    with EndlessPeer(b"x" * 65_536) as peer, Subscriber(peer.endpoint, clock=clock) as moods:
        assert until(lambda: moods.malformed == 1, 30.0)
        assert until(lambda: moods.read(0.0) is None and peer.cut.is_set(), 30.0)
        peer.close()
        with Publisher(peer.endpoint) as bus:
            bus.publish(estimate(4))
            assert moods.read(0.0) is None  # not at once: it would be flooded again
            clock.advance(RECONNECT_S)
            assert arrived(moods, 30.0).seq == 4


def test_many_moods_of_other_streams_are_no_endless_message(raw, moods):
    big = estimate(1, stream="main2", model="m" * 60_000)
    for _ in range(60):
        raw.say(big)
    raw.say(estimate(5))
    assert arrived(moods).seq == 5
    assert moods.malformed == 0


def test_read_takes_random_messages_from_the_wire_without_raising(raw, moods):
    for index in range(300):
        junk = bytes((index * 7 + k * 31) % 256 for k in range(index % 40))
        raw.send(b"mood/main" + junk[:1], *[junk] * (index % 4))
    raw.say(estimate(3))
    assert arrived(moods).seq == 3
    assert moods.malformed > 0
