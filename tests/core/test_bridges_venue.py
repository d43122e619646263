"""Bridges as tables of a run: the same options, files beside the run's, one harming no other."""

import logging
import socket
import time
from pathlib import Path

import pytest
from bridge_parts import mood
from pythonosc.osc_bundle import OscBundle

from streammer.bridges import mqtt, venue  # noqa: F401 - venue registers the kinds
from streammer.bridges.kinds import KINDS
from streammer.bridges.outlet import Refused
from streammer.bus import Publisher
from streammer.cli.bridge_help import BRIDGES as SHOWN
from streammer.config.example import example_run
from streammer.config.plugs import BRIDGES, Where
from streammer.config.read import RunFileError, parse_run
from streammer.errors import UsageError

FEEDS = "".join(f'[[feeds]]\nname = "{name}"\nsource = "{name}.mp3"\n' for name in ("stage", "bar"))


def parsed(tables, folder=Path("/venue")):
    return parse_run(FEEDS + tables, folder / "venue.toml", environment={}).bridges


def problem(tables):
    with pytest.raises(RunFileError) as raised:
        parsed(tables)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_every_bridge_of_the_command_line_is_a_kind_of_table():
    assert set(SHOWN) == set(KINDS)
    assert set(KINDS) <= set(BRIDGES.kinds)


def test_a_table_has_the_options_of_the_command_and_their_defaults():
    (table,) = parsed('[[bridges]]\nkind = "osc"\nport = 7000\nrate = 40\nrule = ["a: x over 0.5"]')
    assert (table.options.port, table.options.rate, table.options.attack) == (7000, 40.0, 1.0)
    assert [rule.key for rule in table.options.rules] == ["x"]
    assert table == parsed('[[bridges]]\nkind="osc"\nport=7000\nrate=40\nrule=["a: x over 0.5"]')[0]


def test_what_is_wrong_is_said_with_its_line_and_in_the_words_of_the_file():
    assert problem('[[bridges]]\nkind = "osc"\ndelay_ms = 6000').startswith(
        "/venue/venue.toml:7: delay_ms is 6000 ms: 0 to 5000 is expected"
    )
    assert "did you mean port?" in problem('[[bridges]]\nkind = "osc"\nprot = 7000')
    assert "did you mean sacn?" in problem('[[bridges]]\nkind = "scan"')
    assert "map is 3: expected a path" in problem('[[bridges]]\nkind = "sacn"\nmap = 3')
    rule = '[[bridges]]\nkind = "mqtt"\nrule = ["a: arousal over 2"]'
    assert "can never fire" in problem(rule)


def test_the_example_shows_every_kind_and_what_its_keys_mean():
    text = example_run()
    for kind in KINDS:
        assert f'# kind = "{kind}"' in text
    assert text.count("Everything is shown so much later [ms]") == len(KINDS)
    parse_run(text, Path("venue.toml"), environment={})


def test_a_protocol_of_one_stream_asks_which_where_there_are_several(tmp_path):
    (table,) = parsed('[[bridges]]\nkind = "sacn"')
    where = Where("tcp://127.0.0.1:1", ("stage", "bar"), tmp_path)
    with pytest.raises(UsageError, match="follows one stream: name one of stage, bar"):
        BRIDGES["sacn"].start(table.options, where)


def test_a_map_lies_beside_the_file_and_what_is_wrong_with_it_is_said(tmp_path):
    (table,) = parsed('[[bridges]]\nkind = "sacn"\nmap = "lights.toml"\nfeed = "stage"')
    where = Where("tcp://127.0.0.1:1", ("stage",), tmp_path)
    one = '[[fixture]]\nuniverse = 70000\naddress = 1\nchannels = ["red"]\n'
    (tmp_path / "lights.toml").write_text(one)
    with pytest.raises(UsageError, match="universe 70000 of fixture 1 is none"):
        BRIDGES["sacn"].start(table.options, where)


def test_a_bridge_of_a_run_follows_the_feeds_it_is_for_until_it_is_closed(tmp_path):
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock,
        Publisher("tcp://127.0.0.1:0") as bus,
    ):
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(0.05)
        port = sock.getsockname()[1]
        (table,) = parsed(f'[[bridges]]\nkind = "osc"\nport = {port}\nrate = 60')
        running = BRIDGES["osc"].start(
            table.options, Where(bus.endpoint, ("stage", "bar"), tmp_path)
        )
        live, seq, until = set(), 0, time.monotonic() + 30.0
        while len(live) < 2 and time.monotonic() < until:
            for name in ("stage", "bar"):
                bus.publish(mood(0.5, 0.5, seq=seq, stream=name))
            seq += 1
            try:
                bundle = OscBundle(sock.recv(65536))
            except TimeoutError:
                continue
            live |= {m.address for m in bundle if m.params == ["live"]}
        assert live == {"/mood/stage/state", "/mood/bar/state"}
        running.close()
        while True:  # what is left of it, and then nothing more
            try:
                sock.recv(65536)
            except TimeoutError:
                break


def test_a_receiver_that_refuses_is_a_line_and_the_run_goes_on(tmp_path, caplog, monkeypatch):
    def refuse(self):
        raise Refused("the broker at x:1883 refuses (Not authorized)")

    monkeypatch.setattr(mqtt.Mqtt, "open", refuse)
    (table,) = parsed('[[bridges]]\nkind = "mqtt"')
    with caplog.at_level(logging.WARNING):
        where = Where("tcp://127.0.0.1:1", ("stage",), tmp_path)
        running = BRIDGES["mqtt"].start(table.options, where)
        until = time.monotonic() + 30.0
        while not caplog.records and time.monotonic() < until:
            time.sleep(0.02)
        running.close()
    assert [r.getMessage() for r in caplog.records] == [
        "mqtt: the broker at x:1883 refuses (Not authorized); the run goes on without it"
    ]
