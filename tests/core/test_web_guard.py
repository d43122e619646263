"""Who is answered by the page server: names, origins, tokens, sizes."""

import asyncio
import re
import socket

import pytest

pytest.importorskip("starlette", reason="the extra dash is not installed")
pytest.importorskip("websockets", reason="the extra dash is not installed")

from web_parts import Page
from websockets.exceptions import InvalidStatus

from streammer.web.guard import COOKIE, Access, Guard, security_headers
from streammer.web.pages import assets

TOKEN = "correct-horse"


@pytest.fixture(scope="module")
def page():
    page = Page("tcp://127.0.0.1:1")
    yield page
    page.close()


@pytest.fixture(scope="module")
def locked():
    page = Page("tcp://127.0.0.1:1", token=TOKEN, loopback=False, names=["mood.example"])
    yield page
    page.close()


def test_the_page_is_served_under_the_names_of_this_machine_alone(page):
    for host in (page.host, f"localhost:{page.port}", f"LOCALHOST:{page.port}", "[::1]:80"):
        assert page.get(Host=host)[0] == 200, host
    for host in ("evil.example", f"evil.example:{page.port}", "192.168.1.2", "", "a b", "x" * 999):
        status, _, body = page.get(Host=host)
        assert status in (400, 421), host
        assert len(body) < 300


def test_beyond_loopback_addresses_count_and_names_that_were_allowed():
    access = Access.of(token=TOKEN, loopback=False, more_names=["Mood.Example"])
    for host in ("192.168.1.2:8765", "[fe80::1]:8765", "mood.example", socket.gethostname()):
        assert access.host_is_ours(host), host
    for host in ("evil.example", "mood.example.evil.example", "192.168.1.2.evil.example:80"):
        assert not access.host_is_ours(host), host


def test_another_page_opens_no_websocket_and_fetches_nothing(page):
    with page.browser() as browser:
        assert browser.next("hello")["version"] == "test"
    with page.browser(origin=None) as browser:  # no browser at all
        browser.next("hello")
    for origin in ("http://evil.example", "null", f"http://localhost:{page.port}", "file://", "//"):
        with pytest.raises(InvalidStatus, match="403"), page.browser(origin=origin):
            pass
        assert page.get(Origin=origin)[0] == 403


def test_a_large_body_is_refused_before_it_comes(page):
    with socket.create_connection(("127.0.0.1", page.port), timeout=10) as sock:
        head = f"POST / HTTP/1.1\r\nHost: {page.host}\r\nContent-Length: {100 * 2**20}\r\n\r\n"
        sock.sendall(head.encode())
        answer = sock.makefile("rb").read()  # to its end: the server hangs up
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.rstrip().endswith(b"refused: expected at most 4096")
    for length in ("-1", "9" * 400, "x"):
        assert page.get(Content_Length=length)[0] in (400, 413), length


def test_a_body_without_a_length_is_not_gathered(locked):
    with socket.create_connection(("127.0.0.1", locked.port), timeout=10) as sock:
        sock.sendall(
            f"POST /token HTTP/1.1\r\nHost: {locked.host}\r\n"
            "Transfer-Encoding: chunked\r\n\r\n".encode()
        )
        chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
        sent = 0
        try:
            while sent < 100 * 2**20:
                sock.sendall(chunk)
                sent += len(chunk)
        except OSError:
            pass
        assert sent < 30 * 2**20  # what lies in the buffers of the system
    assert locked.get(Cookie=f"{COOKIE}={TOKEN}")[0] == 200


def test_without_the_token_nothing_is_answered_but_the_question_for_it(locked):
    for path in ("/", "/app.js", "/session/main.csv", "/card/default", "/nothing"):
        status, _, body = locked.get(path)
        assert status == 401, path
        assert b"wants the token" in body
        assert b"wrong" not in body
    with pytest.raises(InvalidStatus, match="403"), locked.browser():
        pass


@pytest.mark.parametrize("given", ["wrong-horse", "", TOKEN + "x", TOKEN[:-1], "%ff%00", "%C3%BC"])
def test_a_wrong_token_is_said_in_one_line(locked, given):
    status, headers, body = locked.get(f"/?token={given}")
    assert status == 401
    assert "set-cookie" not in headers
    assert given == "" or body.count(b"That token is wrong") == 1


def test_a_wrong_token_holds_up_nobody_else():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def ask(guard, query):
        answers = []

        async def send(message):
            answers.append(message["status"])

        scope = {"type": "http", "method": "GET", "path": "/", "query_string": query, "headers": [
            (b"host", b"localhost"), (b"cookie", f"{COOKIE}={TOKEN}".encode()),
        ]}  # fmt: skip
        await guard(scope, None, send)
        return answers

    async def both():
        guard = Guard(app, Access.of(token=TOKEN, loopback=True), wrong_token_s=3600.0)
        wrong = asyncio.ensure_future(ask(guard, b"token=wrong-one"))
        await asyncio.sleep(0)
        assert await ask(guard, b"") == [200]
        assert not wrong.done()
        wrong.cancel()

    asyncio.run(both())


@pytest.mark.parametrize("way", ["address", "form"])
def test_the_right_token_becomes_a_cookie_and_leaves_the_address(locked, way):
    if way == "address":
        status, headers, _ = locked.get(f"//evil.example?token={TOKEN}")
    else:
        status, headers, _ = locked.get("/token", method="POST", body=f"token={TOKEN}")
    assert status == 303
    assert headers["location"] == "/"
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    value = cookie.partition(";")[0]
    assert locked.get(Cookie=value)[0] == 200
    assert locked.get(Cookie=f"{COOKIE}=other")[0] == 401
    with locked.browser(additional_headers={"Cookie": value}) as browser:
        browser.next("hello")


def test_every_answer_forbids_what_is_not_ours(page, locked):
    for server, path in ((page, "/"), (page, "/app.js"), (page, "/nothing"), (locked, "/")):
        headers = server.get(path)[1]
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert f"ws://{server.host} " in policy
    assert "evil" not in security_headers("evil.example; script-src *")["content-security-policy"]


def test_the_page_has_no_script_or_style_within_and_nothing_from_elsewhere():
    names = set()
    for name, asset in assets().items():
        text = asset.body.decode()
        names.add(name)
        if name.endswith(".html"):
            assert not re.search(
                r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:", text
            )
            for link in re.findall(r"""(?:src|href)="([^"#]+)""", text):
                assert link in assets(), link
        if not name.startswith("vendor/"):
            assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text), name
        for module in re.findall(r"""from "\./([^"]+)";""", text):
            assert module in assets(), f"{name} imports {module}"
    assert "vendor/uPlot.LICENSE" in names


def test_nothing_but_the_files_of_the_page_is_served(page):
    for path in (
        "/../server.py", "/%2e%2e/server.py", "/vendor/../../app.py", "/static/app.js", "/vendor",
        "//etc/passwd", "/card/..%2f..%2fpyproject", "/session/UPPER.csv",
    ):  # fmt: skip
        assert page.get(path)[0] == 404, path
    assert page.get("/", method="PUT")[0] == 405


def test_an_unchanged_file_is_not_sent_again(page):
    _, headers, body = page.get("/app.js")
    assert headers["content-type"].startswith("text/javascript")
    status, again, nothing = page.get("/app.js", If_None_Match=headers["etag"])
    assert (status, nothing, again["etag"]) == (304, b"", headers["etag"])
    packed = page.get("/app.js", Accept_Encoding="gzip")[2]
    assert len(packed) < len(body) / 2
