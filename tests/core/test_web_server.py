"""The page server as a whole: fifty browsers, slow ones, rude ones; and `streammer dash`."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading

import pytest

pytest.importorskip("starlette", reason="the extra dash is not installed")
pytest.importorskip("websockets", reason="the extra dash is not installed")

from bus_parts import EPOCH, estimate, status, until
from test_bus_streams import features
from web_parts import Page
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from streammer.bus import Publisher
from streammer.web import board as board_module


@pytest.fixture
def bus():
    with Publisher("tcp://127.0.0.1:0") as bus:
        yield bus


@pytest.fixture
def page(bus):
    page = Page(bus.endpoint)
    try:
        bus.publish(estimate(0))
        assert until(lambda: page.board.known == ["main"])
        yield page
    finally:
        page.close()


def test_fifty_browsers_get_every_estimate(page, bus):
    with contextlib.ExitStack() as stack:
        browsers = [stack.enter_context(page.browser()) for _ in range(50)]
        for browser in browsers:
            browser.next("hello")
        got = [[] for _ in browsers]

        def read(k):
            got[k].extend(browsers[k].moods(100))

        threads = [threading.Thread(target=read, args=(k,)) for k in range(50)]
        for thread in threads:
            thread.start()
        for seq in range(1, 101):
            bus.publish(estimate(seq))
            if seq % 10 == 0:  # the bus drops what a subscriber is a hundred messages behind
                assert until(
                    lambda seq=seq: page.board.session.find("main", "", 0).seq == seq, 30.0
                )
        for thread in threads:
            thread.join(60)
        assert got == [list(range(1, 101))] * 50


def test_a_browser_that_stops_reading_delays_no_other(page, bus, monkeypatch):
    with page.browser() as well, socket.create_connection(("127.0.0.1", page.port)) as stuck:
        # A bare socket that asks for everything and then reads nothing at all.
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.sendall(
            f"GET /live HTTP/1.1\r\nHost: {page.host}\r\nConnection: Upgrade\r\n"
            "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )
        assert until(lambda: len(page.board.clients) == 2)
        for seq in range(1, 3001):
            bus.publish(estimate(seq, model="m" * 2000))
            if seq % 50 == 0:
                assert well.moods(50) == list(range(seq - 49, seq + 1))
        # Six megabytes are more than its buffers hold: it takes none, and is given up.
        assert until(lambda: len(page.board.clients) == 1, 20.0)
        bus.publish(estimate(3001))
        assert well.moods(1) == [3001]


def test_the_end_and_a_restart_are_told(page, bus):
    with page.browser() as browser:
        bus.publish(estimate(1, state="ended"))
        assert browser.next("mood")["mood"]["state"] == "ended"
        assert browser.next("stale")["stale"]
        bus.publish(estimate(0, epoch="0192f000000000ab"))
        assert browser.next("mood")["mood"]["epoch"] == "0192f000000000ab"
        assert not browser.next("stale")["stale"]


def test_spectrograms_are_fetched_from_the_bus_only_while_a_page_shows_them(page, bus):
    assert not bus.wants_features("main")
    with page.browser() as browser:
        browser.say(type="watch", stream="main", features=True)
        assert until(lambda: bus.wants_features("main"))
        bus.publish_features(features(7))
        assert browser.next("bytes")["data"][-6:] == bytes(6)
    assert until(lambda: not bus.wants_features("main"))


def test_the_session_is_a_table_with_what_was_marked(page, bus):
    with page.browser() as browser:
        browser.say(type="mark", stream="main", epoch=EPOCH, seq=0, label="the drop")
        assert browser.next("mark")["mark"]["label"] == "the drop"
    code, headers, body = page.get("/session/main.csv")
    assert code == 200
    assert headers["content-type"].startswith("text/csv")
    assert "main.csv" in headers["content-disposition"]
    lines = body.decode().splitlines()
    assert lines[0].endswith(",mark")
    assert lines[1].endswith(",the drop")


def test_the_card_of_a_model_that_ships_is_shown_and_no_other_file(page):
    assert page.get("/card/default")[2] == b"<p>card</p>"
    assert page.get("/card/nothing")[0] == 404


def code_at_the_end(browser):
    """Read until the server has closed the connection, and return its reason."""
    try:
        while True:
            browser.socket.recv(20)
    except ConnectionClosed as closed:
        return closed.rcvd.code


@pytest.mark.parametrize("message", ["nonsense", b"bytes", '{"type":"quit"}'])
def test_a_page_that_talks_nonsense_is_sent_away_and_the_others_stay(page, bus, message):
    with page.browser() as well, page.browser() as rude:
        rude.socket.send(message)
        assert code_at_the_end(rude) == 1008
        bus.publish(estimate(1))
        assert well.moods(1) == [1]


def test_a_message_that_is_too_large_is_not_taken(page):
    with page.browser() as rude:
        rude.socket.send("x" * 100_000)
        assert code_at_the_end(rude) == 1009


def test_a_page_that_asks_too_much_is_told_so(page):
    with page.browser() as rude:
        for _ in range(60):
            rude.say(type="watch", stream="main")
        assert "a second" in rude.next("problem")["text"]


def test_there_is_a_last_browser(page, monkeypatch):
    monkeypatch.setattr("streammer.web.app.MAX_CLIENTS", 2)
    assert board_module.MAX_CLIENTS >= 50
    with page.browser() as one, page.browser() as two, page.browser() as three:
        one.next("hello")
        two.next("hello")
        with pytest.raises(ConnectionClosed, match="open already"):
            three.socket.recv(10)


def dash(*args, code=None, env=None):
    """Start `streammer dash`, or a line of Python that leads to it."""
    program = ["-c", code] if code else ["-m", "streammer"]
    return subprocess.Popen(
        [sys.executable, *program, "dash", *map(str, args)], stderr=subprocess.PIPE, text=True,
        env={**os.environ, **(env or {})},
    )  # fmt: skip


@contextlib.contextmanager
def running(*args, **options):
    with dash(*args, **options) as process:
        try:
            line = process.stderr.readline()
            yield process, re.search(r"http://\S+", line).group(), line
        finally:
            process.kill()


def refused(*args, **options):
    with dash(*args, **options) as process:
        _, err = process.communicate(timeout=60)
    lines = err.splitlines()
    assert len(lines) == 1, err
    return process.returncode, lines[0]


def test_the_command_serves_the_page_and_keeps_marks_and_ends_in_order(bus, tmp_path):
    path = tmp_path / "marks.jsonl"
    with running("--connect", bus.endpoint, "--port", 0, "--marks", path) as (
        process,
        address,
        line,
    ):
        assert bus.endpoint in line
        host = address[7:].rstrip("/")
        with connect(f"ws://{host}/live", origin=f"http://{host}", compression=None) as socket:
            assert json.loads(socket.recv(10))["recorded"]
            bus.publish(estimate(5))
            bus.publish_status(status())
            while json.loads(socket.recv(10))["type"] != "mood":
                pass
            socket.send(
                json.dumps(
                    {"type": "mark", "stream": "main", "epoch": EPOCH, "seq": 5, "label": "ä"}
                )
            )
            while json.loads(socket.recv(10))["type"] != "mark":
                pass
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
    (mark,) = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    assert (mark["kind"], mark["label"], mark["seq"]) == ("mark", "ä", 5)


def test_a_port_that_is_taken_is_one_line_and_code_4():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        code, line = refused("--port", port)
    assert code == 4
    assert f"port {port}" in line
    assert "--port" in line.partition("taken")[2]


def test_beyond_this_machine_a_token_is_needed():
    code, line = refused("--host", "0.0.0.0", "--port", 0)
    assert code == 4
    assert "--token" in line


@pytest.mark.parametrize(
    ("args", "word"),
    [(("--port", 70000), "65535"), (("--host", "nowhere.example"), "address"),
     (("--token", "short"), "at least 8"), (("--connect", "nonsense"), "endpoint")],
)  # fmt: skip
def test_a_malformed_value_is_one_line_and_code_2(args, word):
    code, line = refused(*(("--port", 0) if args[0] != "--port" else ()), *args)
    assert code == 2
    assert word in line


def test_without_the_extra_one_line_says_how_to_install_it():
    hidden = (
        "import sys; sys.modules['uvicorn'] = None; "
        "from streammer.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    code, line = refused("--port", 0, code=hidden)
    assert code == 2
    assert "pip install 'streammer[dash]'" in line


def test_marks_that_cannot_be_written_are_one_line_and_code_4(tmp_path):
    code, line = refused("--port", 0, "--marks", tmp_path / "no" / "marks.jsonl")
    assert code == 4
    assert "marks.jsonl" in line


def test_a_token_comes_from_the_environment_and_a_fresh_one_is_printed():
    with running("--port", 0, env={"STREAMMER_TOKEN": "from-outside"}) as (_, address, _):
        assert address.endswith("?token=from-outside")
    with running("--port", 0, "--token", "new") as (_, address, _):
        assert len(address.partition("token=")[2]) >= 20
