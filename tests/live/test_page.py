"""The browser page, in a browser: what it shows, at which size, with which hands and eyes."""

import colorsys
import csv
import io
import struct
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("starlette", reason="the extra dash is not installed")

from browser import SIZES, axe_source, chromium, estimate, opened, published, status

from streammer.bus.features import Features

MOODS = {
    "Q1": {"valence": 0.5, "arousal": 0.4, "p_positive": 0.9, "p_energetic": 0.9},
    "Q2": {"valence": -0.3, "arousal": 0.5, "p_positive": 0.1, "p_energetic": 0.9},
    "Q3": {"valence": -0.4, "arousal": -0.4, "p_positive": 0.1, "p_energetic": 0.1},
    "Q4": {"valence": 0.3, "arousal": -0.5, "p_positive": 0.9, "p_energetic": 0.1},
}
WORDS = {"Q1": "happy", "Q2": "tense", "Q3": "sad", "Q4": "calm"}

HEAD = """() => {
  const canvas = document.getElementById("plane");
  const { width, height } = canvas;
  const pixels = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  const probe = document.createElement("canvas").getContext("2d");
  probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--ink");
  probe.fillRect(0, 0, 1, 1);
  const ink = probe.getImageData(0, 0, 1, 1).data;
  let [n, x, y] = [0, 0, 0];
  for (let i = 0; i < pixels.length; i += 4) {
    if ([0, 1, 2].every((c) => Math.abs(pixels[i + c] - ink[c]) < 3)) {
      n += 1; x += (i / 4) % width; y += Math.floor(i / 4 / width);
    }
  }
  return [n, x / n / width, y / n / height];
}"""
"""Where the point is: the centre of what is drawn in the colour of ink, as shares of the plane."""


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def axe(tmp_path_factory):
    return axe_source(tmp_path_factory.mktemp("axe"))


@pytest.fixture
def bus_and_server():
    with published() as both:
        yield both


def said(tab, bus, seq, **changes):
    """Publish an estimate, again until the page shows it: it may not have subscribed yet."""
    mood = estimate(seq, **changes)
    bus.publish(mood)
    tab.wait_for_text("heard", clock(mood.t_audio_s))
    return mood


def clock(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_the_point_words_and_numbers_move_with_what_is_published(
    browser, bus_and_server, size, theme
):
    bus, server = bus_and_server
    bus.publish_status(status())
    with opened(browser, server.address, size=size, theme=theme, reduced_motion="reduce") as tab:
        for k, (quadrant, mood) in enumerate(MOODS.items()):
            said(tab, bus, 2 * k + 1, quadrant=quadrant, **mood)
            assert tab.text("word") == WORDS[quadrant]
            sign = "−" if mood["valence"] < 0 else "+"
            assert tab.text("valence") == f"{sign}{abs(mood['valence']):.2f}"
            assert tab.text("p-energetic") == f"{round(100 * mood['p_energetic'])} %"
            count, x, y = tab.page.evaluate(HEAD)
            reach = (
                1.0 if max(abs(mood["valence"]) + 0.1, abs(mood["arousal"]) + 0.15) > 0.65 else 0.65
            )
            assert count > 20
            # Once something of the last minute was further out, the plane stays wide.
            reaches = [r for r in (reach, 1.0) if near(x, mood["valence"], r)]
            assert any(near(1.0 - y, mood["arousal"], r) for r in reaches), (x, y, mood)
        assert tab.text("level") == "-18.5 dBFS"
        assert tab.text("lag") == "3.5 + 42 ms"
        assert tab.text("lost") == "7"
        assert tab.text("source") == "song.mp3"
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
        if size == "desktop":
            assert tab.page.evaluate("document.documentElement.scrollHeight") <= SIZES[size][1]
        assert tab.complaints == []


def near(share, value, reach):
    margin = 0.045
    return abs(share - (margin + (value / reach + 1) / 2 * (1 - 2 * margin))) < 0.02


def test_the_mood_is_the_published_one_wherever_the_point_lies(browser, bus_and_server):
    bus, server = bus_and_server
    with opened(browser, server.address, reduced_motion="reduce") as tab:
        said(tab, bus, 1, valence=0.2, arousal=0.4, quadrant="Q2", p_positive=0.1, p_energetic=0.9)
        assert tab.text("word") == "tense"
        assert tab.page.evaluate("document.documentElement.dataset.quadrant") == "Q2"
        said(tab, bus, 3, valence=0.01, arousal=0.01, quadrant=None, state="silent")
        assert tab.text("word") == "silence"
        assert tab.text("state").strip() == "silence"


def test_a_publisher_that_is_killed_and_comes_back_is_followed(browser, publish):
    first, endpoint = publish()
    from browser import Server

    server = Server(endpoint)
    try:
        with opened(browser, server.address) as tab:
            tab.wait_for_text("state", "hearing music")
            first.popen.kill()
            tab.wait_for_text("state", "nothing is received")
            assert tab.text("word") == "–"
            publish(endpoint)
            tab.wait_for_text("state", "hearing music")
            tab.wait("document.getElementById('word').textContent.length > 2")
            assert tab.complaints == []
    finally:
        server.kill()


def test_a_page_server_that_is_killed_and_comes_back_is_found_again(browser, bus_and_server):
    bus, server = bus_and_server
    with opened(browser, server.address) as tab:
        said(tab, bus, 1)
        server.kill()
        tab.wait_for_text("state", "page server is gone")
        server.start()
        bus.publish(estimate(3))
        tab.wait_for_text("state", "hearing music")
        said(tab, bus, 5)


def test_a_page_that_is_opened_late_draws_what_came_before(browser, bus_and_server):
    bus, server = bus_and_server
    with opened(browser, server.address) as early:
        for k in range(6):
            said(early, bus, 2 * k + 1, t_publish=time.time() - 10.0 + k)
        with opened(browser, server.address) as late:
            late.wait_for_text("word", "calm")
            late.wait("""(() => {
              const canvas = document.getElementById("ribbon");
              const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, 1);
              const seen = new Set();
              for (let i = 0; i < data.length; i += 4) seen.add(data.slice(i, i + 3).join());
              return seen.size > 1;
            })()""")


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_serious(browser, bus_and_server, axe, size, theme):
    bus, server = bus_and_server
    with opened(browser, server.address, size=size, theme=theme) as tab:
        assert serious(tab, axe) == []  # nothing received yet
        bus.publish_status(status())
        said(tab, bus, 0)
        bus.publish(estimate(0, stream="bar", quadrant="Q2"))
        tab.page.keyboard.press("s")
        for k, (quadrant, mood) in enumerate(MOODS.items()):
            said(tab, bus, 2 * k + 1, quadrant=quadrant, **mood)
            tab.page.wait_for_timeout(900)  # colours fade over
            assert serious(tab, axe) == [], quadrant
        tab.page.keyboard.press("m")
        tab.page.wait_for_selector("#mark-dialog[open]")
        assert serious(tab, axe) == []
        tab.page.keyboard.press("Escape")
        tab.page.click("#models button")
        tab.page.wait_for_selector("#card-dialog[open]")
        assert "Trained on" in tab.text("card-text")
        assert serious(tab, axe) == []
        tab.page.keyboard.press("Escape")
        tab.page.keyboard.press("f")
        tab.page.wait_for_selector("#ambient:not([hidden])")
        assert serious(tab, axe) == []
        assert tab.complaints == []


def serious(tab, axe):
    tab.page.evaluate(axe)
    found = tab.page.evaluate("axe.run({ resultTypes: ['violations'] })")["violations"]
    return [
        (v["id"], [n["target"] for n in v["nodes"]], v["nodes"][0]["failureSummary"])
        for v in found
        if v["impact"] in ("serious", "critical")
    ]


def test_everything_can_be_done_with_keys(browser, bus_and_server):
    bus, server = bus_and_server
    bus.publish_status(status())
    with opened(browser, server.address) as tab:
        said(tab, bus, 3)
        press = tab.page.keyboard.press
        reached = set()
        for _ in range(20):
            press("Tab")
            reached.add(
                tab.page.evaluate("document.activeElement.id || document.activeElement.className")
            )
        assert reached >= {"skip", "mark", "ambient-on", "csv", "png", "theme", "mel-on", "link"}
        press("m")
        tab.page.keyboard.type("the drop")
        said(tab, bus, 5)
        press("Enter")
        tab.wait_for_text("toast", "the drop")
        press("m")
        press("Escape")
        press("f")
        tab.page.wait_for_selector("#ambient:not([hidden])")
        press("Escape")
        tab.page.wait_for_selector("#ambient", state="hidden")
        press("s")
        assert tab.page.get_attribute("#mel-on", "aria-pressed") == "true"
        assert tab.complaints == []
        rows = table(tab, server)
    assert [row["seq"] for row in rows if row["mark"] == "the drop"] == ["3"]
    assert sum(bool(row["mark"]) for row in rows) == 1


def table(tab, server):
    with tab.page.expect_download() as download:
        tab.page.click("#csv")
    assert download.value.suggested_filename == "main.csv"
    return list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text("utf-8"))))


def test_the_view_is_kept_as_a_picture(browser, bus_and_server):
    bus, server = bus_and_server
    with opened(browser, server.address) as tab:
        said(tab, bus, 1)
        with tab.page.expect_download() as download:
            tab.page.click("#png")
        data = Path(download.value.path()).read_bytes()
        assert download.value.suggested_filename == "main.png"
        assert data[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">II", data[16:24]) == (1600, 1000)
        assert len(data) > 20_000
        assert tab.complaints == []


def test_several_streams_are_tiles_and_any_can_be_chosen(browser, bus_and_server):
    bus, server = bus_and_server
    with opened(browser, server.address) as tab:
        said(tab, bus, 1)
        assert not tab.page.is_visible("#tiles")
        bus.publish(estimate(0, stream="bar", quadrant="Q2", t_audio_s=61.0))
        tab.page.wait_for_selector("#tiles button >> nth=1")
        assert tab.page.locator("#tiles small").all_text_contents() == ["tense", "calm"]
        tab.page.click("#tiles button >> nth=0")
        tab.wait_for_text("word", "tense")
        assert tab.text("stream-name") == "bar"
        tab.page.keyboard.press("2")
        tab.wait_for_text("word", "calm")
        bus.publish(estimate(1, stream="bar", state="ended", quadrant="Q2"))
        tab.wait("document.querySelector('#tiles small').textContent === 'has ended'")


def test_the_spectrogram_is_fetched_only_while_it_is_shown(browser, bus_and_server):
    bus, server = bus_and_server
    with opened(browser, server.address) as tab:
        said(tab, bus, 1)
        assert not bus.wants_features("main")
        tab.page.click("#mel-on")
        tab.wait("!document.getElementById('mel-row').hidden")
        for seq in range(3, 60, 2):
            if bus.wants_features("main"):
                bus.publish_features(
                    Features(
                        stream="main", epoch=estimate().epoch, seq=seq, t_audio_s=0.5, kind="mel",
                        frames=5, bins=8, floor_db=-80.0, top_db=0.0, db=bytes(range(200, 240)),
                    )
                )  # fmt: skip
                said(tab, bus, seq)
                break
            said(tab, bus, seq)
        tab.wait("""(() => {
          const canvas = document.getElementById("mel");
          const { data } = canvas.getContext("2d").getImageData(0, 10, canvas.width, 1);
          return new Set(Array.from({ length: canvas.width }, (_, i) => data[4 * i])).size > 1;
        })()""")
        tab.page.click("#mel-on")
        for seq in range(61, 120, 2):
            if not bus.wants_features("main"):
                return
            said(tab, bus, seq)
        pytest.fail("the spectrogram is still fetched")


FIELD = """() => {
  const canvas = document.getElementById("field");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const sums = [0, 0, 0];
  for (let i = 0; i < data.length; i += 4) for (const c of [0, 1, 2]) sums[c] += data[i + c];
  return sums.map((sum) => sum / (data.length / 4) / 255);
}"""


def settled(tab):
    """Return hue, saturation and value of the room when the lights have had time to change."""
    since = tab.page.evaluate("[performance.now(), window.frames_drawn]")
    tab.wait("performance.now() - x[0] > 15000 && window.frames_drawn - x[1] > 25", since)
    return colorsys.rgb_to_hsv(*tab.page.evaluate(FIELD))


def test_each_mood_lights_the_room_in_a_colour_of_its_own_and_silence_rests(
    browser, bus_and_server
):
    bus, server = bus_and_server
    looks = {}
    # Time runs fast, so that lights which take seconds to change have changed.
    fast = "const real = performance.now.bind(performance); performance.now = () => 8 * real();"
    fast += "const frame = requestAnimationFrame; "
    fast += "window.frames_drawn = 0; window.requestAnimationFrame = "
    fast += "(f) => frame(() => { window.frames_drawn += 1; f(performance.now()); });"
    with opened(browser, server.address, size="phone", script=fast) as tab:
        said(tab, bus, 1)
        tab.page.keyboard.press("f")
        for k, (quadrant, mood) in enumerate(MOODS.items()):
            said(tab, bus, 2 * k + 3, quadrant=quadrant, **mood)
            looks[quadrant] = settled(tab)
        said(tab, bus, 21, quadrant=None, state="silent", valence=0.0, arousal=0.0)
        rest = settled(tab)
        assert tab.complaints == []
    hues = sorted(360 * hue for hue, _, _ in looks.values())
    gaps = [(b - a) % 360 for a, b in zip(hues, [*hues[1:], hues[0]], strict=True)]
    assert min(gaps) > 15, looks
    assert looks["Q1"][2] > looks["Q3"][2] + 0.1  # energetic music is brighter
    assert rest[2] < 0.25
    assert rest[2] < min(value for _, _, value in looks.values())


def test_with_reduced_motion_nothing_moves_by_itself(browser, bus_and_server):
    bus, server = bus_and_server
    count = "window.frames_asked = 0; const ask = requestAnimationFrame; "
    count += "window.requestAnimationFrame = (f) => { window.frames_asked += 1; return ask(f); };"
    asked = {}
    for motion in ("reduce", "no-preference"):
        with opened(browser, server.address, script=count, reduced_motion=motion) as tab:
            first = 10 * (motion != "reduce")
            said(tab, bus, first + 1)
            tab.page.wait_for_timeout(300)
            tab.page.evaluate("window.frames_asked = 0")  # of what is laid out once
            for k in range(3):
                said(tab, bus, first + 2 * k + 3, valence=0.1 * k)
            tab.page.wait_for_timeout(300)
            asked[motion] = tab.page.evaluate("window.frames_asked")
    assert asked["reduce"] == 0
    assert asked["no-preference"] > 5


def test_a_browser_without_websocket_gets_a_plain_notice(browser, bus_and_server):
    _, server = bus_and_server
    with opened(browser, server.address, script="delete window.WebSocket;") as tab:
        tab.wait_for_text("plain", "no WebSocket")
        assert tab.page.is_visible("#plain")
        assert tab.complaints == []


def test_nothing_is_asked_of_any_other_machine(browser, bus_and_server):
    bus, server = bus_and_server
    with opened(browser, server.address) as tab:
        said(tab, bus, 1)
        assert len(tab.asked) > 10
        assert all(url.startswith((server.address, "data:", "blob:")) for url in tab.asked)


def test_a_token_is_asked_for_and_then_known(browser):
    from browser import Server

    server = Server("tcp://127.0.0.1:1", "--token", "correct-horse")
    try:
        with opened(browser, server.address.partition("?")[0]) as tab:
            tab.page.fill("input", "wrong-horse")
            tab.page.click("button")
            tab.page.wait_for_selector("[role=alert]")
            tab.page.fill("input", "correct-horse")
            tab.page.click("button")
            tab.wait_for_text("empty-lead", "Nothing received yet")
            assert "token" not in tab.page.url
    finally:
        server.kill()


def test_the_bundled_track_moves_the_page(browser, start):
    process = start(
        sys.executable,
        "-m",
        "streammer",
        "listen",
        "examples/demo.ogg",
        "--bind",
        "tcp://127.0.0.1:0",
    )
    process.await_err("publishing", 60.0)
    endpoint = process.err.split("publishing main on ")[1].split()[0]
    from browser import Server

    server = Server(endpoint)
    try:
        with opened(browser, server.address) as tab:
            tab.page.keyboard.press("s")
            tab.wait("parseInt(document.getElementById('heard').textContent.split(':')[1]) >= 6")
            tab.wait("document.getElementById('word').textContent.length > 2")
            before = tab.text("valence"), tab.text("arousal")
            tab.wait(
                "document.getElementById('valence').textContent !== x[0] || "
                "document.getElementById('arousal').textContent !== x[1]", list(before),
            )  # fmt: skip
            tab.wait("""(() => {
              const canvas = document.getElementById("mel");
              const { data } = canvas.getContext("2d").getImageData(0, 40, canvas.width, 1);
              return new Set(Array.from({ length: canvas.width }, (_, i) => data[4 * i])).size > 8;
            })()""")
            assert tab.complaints == []
    finally:
        server.kill()
