"""What the page server keeps, and how it tells browsers of every pace."""

import asyncio
import csv
import io
import json

import msgspec
import pytest

pytest.importorskip("starlette", reason="the extra dash is not installed")

from bus_parts import EPOCH, estimate, status
from test_bus_streams import features

from streammer.estimate import MoodEstimate
from streammer.web.board import Board
from streammer.web.cards import card_html
from streammer.web.client import Client
from streammer.web.messages import MAX_LABEL, MarkRequest, Watch, decode
from streammer.web.session import RECENT_ROWS, Session

NOTHING = frozenset()


class Sink:
    """A browser that takes so many messages and then none."""

    def __init__(self, takes=10**9):
        self.took, self._takes = [], takes

    async def send_text(self, data):
        if len(self.took) == self._takes:
            await asyncio.Event().wait()
        self.took.append(data)

    send_bytes = send_text


def sent(client):
    """Return what waits for a browser."""
    sink = Sink()

    async def drain():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await client.send_to(sink)

    asyncio.run(drain())
    return [json.loads(m) if isinstance(m, str) else m for m in sink.took]


def of(kind, messages):
    return [m for m in messages if isinstance(m, dict) and m["type"] == kind]


@pytest.fixture
def board():
    return Board("tcp://127.0.0.1:5580", "test")


def test_a_browser_that_takes_nothing_is_given_up_and_the_others_are_told_at_once():
    async def both():
        stuck, well = Client(), Client()
        sinks = Sink(1), Sink()
        sending = asyncio.ensure_future(well.send_to(sinks[1]))
        given_up = asyncio.ensure_future(stuck.send_to(sinks[0], patience_s=0.05))
        for k in range(50):
            for client in (stuck, well):
                client.put(str(k))
        await asyncio.wait({given_up}, timeout=30.0)
        assert isinstance(given_up.exception(), TimeoutError)
        sending.cancel()
        return sinks

    stuck, well = asyncio.run(both())
    assert stuck.took == ["0"]
    assert well.took == [str(k) for k in range(50)]


def test_of_too_many_messages_a_browser_loses_the_oldest_and_they_are_counted():
    client = Client(depth=10)
    for k in range(25):
        client.put(str(k))
    assert sent(client) == list(range(15, 25))
    assert client.dropped == 15


def test_a_browser_is_told_of_all_streams_there_are(board):
    board.receive([estimate(3), status(), estimate(0, stream="bar")], frozenset({"bar"}))
    client = Client()
    board.join(client)
    (hello,) = sent(client)
    assert [s["stream"] for s in hello["streams"]] == ["bar", "main"]
    assert [s["stale"] for s in hello["streams"]] == [True, False]
    assert hello["streams"][1]["mood"]["seq"] == 3
    assert hello["streams"][1]["status"]["source"] == "song.mp3"


def test_staleness_is_told_when_it_changes_and_only_then(board):
    client = Client()
    board.join(client)
    for stale in (NOTHING, {"main"}, {"main"}, NOTHING):
        board.receive([], frozenset(stale))
    told = of("stale", sent(client))
    assert [(m["stream"], m["stale"]) for m in told] == [("main", True), ("main", False)]


def test_the_history_is_that_of_the_stream_that_is_watched(board):
    board.receive([estimate(k, t_publish=100.0 + k) for k in range(3)], NOTHING)
    board.receive([estimate(9, stream="bar")], NOTHING)
    client = Client()
    board.join(client)
    board.ask(client, Watch("main"))
    (history,) = of("history", sent(client))
    rows = [dict(zip(history["keys"], row, strict=True)) for row in history["rows"]]
    assert [row["seq"] for row in rows] == [0, 1, 2]
    assert rows[0]["valence"] == 0.25
    assert rows[2]["t_publish"] == 102.0
    assert rows[0]["quadrant"] == "Q4"


def test_spectrograms_go_to_those_who_show_them(board):
    clients = [Client() for _ in range(3)]
    for client in clients:
        board.join(client)
    assert board.wanted == NOTHING
    board.ask(clients[0], Watch("main", True))
    board.ask(clients[1], Watch("main", False))
    board.ask(clients[2], Watch("bar", True))
    assert board.wanted == {"main", "bar"}
    board.receive([features(4, db=b"abcdef")], NOTHING)
    frames = [[m for m in sent(client) if isinstance(m, bytes)] for client in clients]
    assert [len(f) for f in frames] == [1, 0, 0]
    (frame,) = frames[0]
    length = int.from_bytes(frame[:4])
    head = json.loads(frame[4 : 4 + length])
    assert (head["seq"], head["frames"], head["bins"]) == (4, 2, 3)
    assert frame[4 + length :] == b"abcdef"
    board.leave(clients[0])
    board.leave(clients[2])
    assert board.wanted == NOTHING


def test_a_mark_is_that_of_the_moment_which_was_shown_and_all_hear_of_it():
    kept = []
    board = Board("tcp://127.0.0.1:5580", "test", kept.append)
    board.receive([estimate(k, t_publish=100.0 + k) for k in range(5)], NOTHING)
    one, two = Client(), Client()
    board.join(one)
    board.join(two)
    board.ask(one, MarkRequest("main", EPOCH, 2, "  the \n drop " + "x" * 500))
    (mark,) = kept
    assert (mark.seq, mark.t, mark.t_audio_s) == (2, 102.0, 1.0)
    assert mark.label.startswith("the drop x")
    assert len(mark.label) == MAX_LABEL
    assert [of("mark", sent(c))[0]["mark"]["seq"] for c in (one, two)] == [2, 2]
    board.ask(one, MarkRequest("main", EPOCH, 999, "of the newest"))
    assert kept[1].seq == 4
    late = Client()
    board.join(late)
    board.ask(late, Watch("main"))
    assert [m["seq"] for m in of("history", sent(late))[0]["marks"]] == [2, 4]


def test_what_was_not_received_cannot_be_marked(board):
    client = Client()
    board.join(client)
    board.ask(client, MarkRequest("bar", EPOCH, 0, ""))
    assert "nothing was received" in of("problem", sent(client))[0]["text"]
    assert not board.session.marks


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", '{"type":"quit"}', '{"type":"watch"}', '{"type":"watch","stream":1}',
     '{"type":"mark","stream":"main","epoch":"x","seq":"1"}', '{"type":"watch","stream":"a","x":1}',
     "[" * 4000],
)  # fmt: skip
def test_nonsense_of_a_page_is_refused(text):
    with pytest.raises((msgspec.MsgspecError, RecursionError)):
        decode(text)


def table(session, stream="main"):
    return list(csv.DictReader(io.StringIO(b"".join(session.table(stream)).decode())))


def test_the_table_has_every_key_of_every_estimate_and_the_marks(board):
    moods = [estimate(k, model='a "b", c', p_positive=0.5) for k in range(1300)]
    board.receive(moods, NOTHING)
    for label in ("drop", "", "=again, there"):
        board.ask(Client(), MarkRequest("main", EPOCH, 700, label))
    rows = table(board.session)
    assert list(rows[0]) == [*MoodEstimate.__struct_fields__, "mark"]
    assert [int(row["seq"]) for row in rows] == list(range(1300))
    assert rows[0]["model"] == 'a "b", c'
    assert rows[0]["p_energetic"] == ""
    assert float(rows[5]["valence"]) == 0.25
    assert {row["mark"] for row in rows} == {"", "drop; mark; =again, there"}
    assert rows[700]["mark"]
    assert table(board.session, "nobody") == []


def test_of_too_many_rows_the_longest_stream_loses_its_oldest():
    session = Session(max_rows=10)
    session.add(estimate(0, stream="bar"))
    for k in range(20):
        session.add(estimate(k))
    assert [int(row["seq"]) for row in table(session)] == list(range(11, 20))
    assert len(table(session, "bar")) == 1


def test_only_the_last_minutes_are_drawn():
    session = Session()
    for k in range(RECENT_ROWS + 50):
        session.add(estimate(k))
    assert [row[0] for row in session.recent("main")] == list(range(50, RECENT_ROWS + 50))


def test_a_card_becomes_html_and_no_html_comes_through():
    html = card_html(
        "# Card\n\n| a | b |\n| --- | ---: |\n| 1 | [two](../x.md) |\n\n"
        '<script>alert(1)</script>\n\n![x](y.png) [z](javascript:alert(1)) <b onclick="z()">b</b>'
    )
    assert "<h2>Card</h2>" in html
    assert "<td>1</td>" in html
    assert "two" in html
    for bad in ("<script", "<img", "href", "<b ", "style="):
        assert bad not in html
