"""What the README, the how-tos and the help say of bridges works as it stands."""

import re
import shlex
import signal
import socket
import struct
from pathlib import Path

import pytest
import sacn
from mosquitto import Mosquitto, Watcher
from receivers import await_true, bridge, free_port, needs_program

from streammer.bridges import venue  # noqa: F401 - registers the kinds
from streammer.bridges.fixtures import Fixture, Strobe, read_map
from streammer.bridges.rules import parse_rules
from streammer.cli.bridge_help import BRIDGES, EPILOGUE
from streammer.config.read import parse_run

ROOT = Path(__file__).parents[2]
LIGHTS = (ROOT / "docs" / "howto-lights.md").read_text(encoding="utf-8")
MAP = re.search(r"```toml\n(.*?)```", LIGHTS, re.DOTALL).group(1)


def shown():
    """Return every line that begins a bridge, wherever it is shown."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("howto-*.md")]
    texts = [page.read_text(encoding="utf-8") for page in pages]
    texts += [EPILOGUE, *(epilogue for _, epilogue in BRIDGES.values())]
    lines = (line.split(" #")[0].strip() for text in texts for line in text.splitlines())
    found = {line for line in lines if line.startswith("streammer bridge ")}
    return sorted(line for line in found if "--help" not in line)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """Go to a folder that has what the lines name."""
    (tmp_path / "lights.toml").write_text(MAP, encoding="utf-8")
    (tmp_path / "mood.txt").write_text("secret\n")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("protocol", BRIDGES)
def test_every_line_that_is_shown_begins_and_ends_in_order(protocol, desk, start, publish):
    _, endpoint = publish()
    lines = [line for line in shown() if line.split()[2] == protocol]
    assert len(lines) >= 2
    processes = []
    for line in lines:
        # Other machines are named: what matters here is that it starts, tries, and ends.
        words = shlex.split(re.sub(r"\d+\.\d+\.\d+\.\d+|homeassistant\.local", "127.0.0.1", line))
        processes.append(start(*bridge(*words[2:], "--connect", endpoint)))
    for process, line in zip(processes, lines, strict=True):
        process.await_err("frames a second, of ", 60.0)
        assert process.end(signal.SIGTERM, 60.0) == 0, line
        assert "frames sent" in process.err, line


def test_the_map_that_is_shown_is_one(tmp_path):
    path = tmp_path / "lights.toml"
    asks = 'strobe = { rule = "drop", value = 200, seconds = 2 }'
    assert asks in LIGHTS
    first, comma, rest = MAP.partition('"strobe"]')
    path.write_text(f"{first}{comma}\n{asks}{rest}", encoding="utf-8")
    rules = parse_rules(["drop: arousal over 0.4 for 8 s"])
    fixtures, _ = read_map(path, universe=7, universes=range(1, 64000), rules=rules)
    assert [(f.name, f.universe, f.address) for f in fixtures] == [
        ("par left", 1, 1), ("bar", 7, 10), ("spot", 7, 20),
    ]  # fmt: skip
    assert fixtures[0] == Fixture(
        "par left", 1, 1, ("dimmer", "red", "green", "blue", "strobe"), Strobe("drop", 200, 2.0)
    )


def test_the_run_that_is_shown_is_one():
    text = re.search(r"```toml\n(\[\[feeds.*?)```", LIGHTS, re.DOTALL).group(1)
    (table,) = parse_run(text, Path("venue.toml"), environment={}).bridges
    assert (table.kind, table.feed, table.options.delay_ms) == ("sacn", "stage", 150.0)


def test_osc_dmx_mqtt_and_wled_all_move_with_the_lines_of_the_readme(
    start, publish, tmp_path, monkeypatch
):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    needs_program("mosquitto", "mosquitto")
    _, endpoint = publish()
    osc_port = free_port()
    seen = {"osc": set(), "dmx": set(), "mqtt": set(), "wled": set()}
    broker, receiver = Mosquitto(tmp_path), sacn.sACNreceiver(bind_address="127.0.0.1")
    watcher = Watcher(broker.port)
    receiver.start()
    receiver.register_listener("universe", lambda p: seen["dmx"].add(p.dmxData[1:4]), universe=1)
    osc, wled = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    try:
        osc.bind(("127.0.0.1", osc_port))
        wled.bind(("127.0.0.1", 0))
        # Only what names another machine, or a port that may be taken here, is another.
        here = {
            "osc": ["--port", osc_port],
            "sacn": ["--host", "127.0.0.1"],
            "mqtt": ["--host", "127.0.0.1", "--port", broker.port],
            "wled": ["--group", "127.0.0.1", "--port", wled.getsockname()[1]],
        }
        for protocol, options in here.items():
            (line,) = re.findall(rf"^streammer (bridge {protocol}[^#\n]*)", readme, re.MULTILINE)
            words = [w for w in shlex.split(line)[1:] if not re.match(r"10\.|home", w)]
            named = {o for o in options if str(o).startswith("--")} | {"--host"}
            kept = [w for w in words if w not in named and w not in ("127.0.0.1", "7000")]
            start(*bridge(*kept, *options, "--connect", endpoint, "--attack", 0.2))
        for sock, kind in ((osc, "osc"), (wled, "wled")):
            sock.settimeout(60.0)
            while len(seen[kind]) < 20:
                data = sock.recv(65536)
                seen[kind].add(data if kind == "osc" else struct.unpack_from("<f", data, 8)[0])
        await_true(lambda: len(seen["dmx"]) >= 20, "twenty colours")
        watcher.until(
            lambda last: seen["mqtt"].add(last.get("streammer/main/mood")) or len(seen["mqtt"]) > 4
        )
    finally:
        watcher.close()
        receiver.stop()
        broker.stop()
        osc.close()
        wled.close()
