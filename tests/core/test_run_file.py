"""The file of a run: what is wrong is said with file, line and key; who is stronger than whom."""

import re
import time
from pathlib import Path

import pytest

from streammer.cli.plugged import load_plugs
from streammer.config.check import Checker
from streammer.config.example import example_run
from streammer.config.fields import fields_of
from streammer.config.lines import find_lines
from streammer.config.plugs import BRIDGES, OUTPUTS
from streammer.config.read import RunFileError, parse_run, read_run
from streammer.config.run import (
    MAX_FEEDS,
    BusOptions,
    FeedOptions,
    JsonlOptions,
    ModelOptions,
    Table,
)
from streammer.errors import InputError, UsageError

FILE = Path("venue.toml")
GOOD = """\
[bus]
bind = "tcp://127.0.0.1:5599"

[model]
smoothing_s = 1.5

[[feeds]]
name = "stage"
source = "device:Scarlett"
select = [
    3,
    4,
]
silence_dbfs = -50

[[feeds]]
name = "bar"
source = "bar.mp3"
"""


def problems(text, **given):
    with pytest.raises(RunFileError) as caught:
        parse_run(text, FILE, **given)
    assert str(caught.value) == caught.value.problems[0]
    return caught.value.problems


def feed(**keys):
    values = {"source": '"song.mp3"', **keys}
    return "[[feeds]]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())


def test_a_file_becomes_a_run_with_its_defaults():
    run = parse_run(GOOD, Path("/hall/venue.toml"))
    assert run.names == ("stage", "bar")
    assert run.feeds[0].select == (3, 4)
    assert run.feeds[1] == FeedOptions(source="bar.mp3", name="bar")
    assert run.bus.endpoint == "tcp://127.0.0.1:5599"
    stream = run.stream(run.feeds[0])
    assert (stream.name, stream.silence_dbfs, stream.smoothing_s) == ("stage", -50.0, 1.5)
    assert stream.models == ("default",)
    assert run.folder == Path("/hall")
    assert run.live


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (feed(silence_dbfs='"loud"'), 'feeds[1].silence_dbfs is "loud": expected a number from'),
        (feed(silence_dbfs="-130"), "feeds[1].silence_dbfs is -130: expected a number from -120"),
        (feed(gain_db="nan"), "feeds[1].gain_db is nan: expected a number from -60 to 60"),
        (feed(wait="1"), "feeds[1].wait is 1: expected true or false"),
        (feed(select="3"), "feeds[1].select is 3: expected a list"),
        (feed(select="[3, 0]"), "feeds[1].select is [3, 0]: expected a whole number from 1 in pl"),
        (feed(rate="44.1"), "feeds[1].rate is 44.1: expected a whole number"),
        (feed(pace='"slow"'), 'feeds[1].pace is "slow": expected live or fast'),
        (
            feed(silence="-50"),
            "feeds[1].silence is no key of [[feeds]]: did you mean silence_dbfs?",
        ),
        (feed(name='"Main"'), "stream name 'Main' is not usable"),
    ],
)
def test_a_wrong_value_is_said_with_file_line_and_key(text, said):
    (line,) = problems(f"# a run\n\n{text}")
    place = 3 if said.startswith("stream name") else 5
    assert line.startswith(f"venue.toml:{place}: {said}"), line


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "venue.toml:1: names no feed: expected [[feeds]] with a name and a source"),
        ("[[feeds]]\n", "venue.toml:1: feeds[1].source is missing"),
        ("\n[[feed]]\n", "venue.toml:2: feed is no key of a run: did you mean feeds?"),
        ("feeds = 3", "venue.toml:1: feeds is 3: expected tables, each begun by [[feeds]]"),
        ("[feeds]\nname = 1", "venue.toml:1: feeds is {'name': 1}: expected tables, each begun by"),
        ("model = 3\n" + feed(), "venue.toml:1: model is 3: expected a table, begun by [model]"),
        ("x = [1,\n2\n", "venue.toml:1: no TOML: "),
        ("[bus]\nbind = tcp\n", "venue.toml:2: no TOML: "),
        ('[model]\ndevice = "gpu"\n' + feed(), 'venue.toml:2: model.device is "gpu": expected cpu'),
        ("[model]\nname = 7\n" + feed(), "venue.toml:2: model.name is 7: expected a "),
        (feed(source='"-"') + feed(source='"-"', name='"b"'), "venue.toml:4: feeds[2].source is -"),
        (feed(pace='"fast"') + feed(name='"b"'), "venue.toml:1: some feeds have pace fast"),
    ],
)
def test_what_is_no_run_is_said_where_it_is(text, said):
    assert problems(text)[0].startswith(said)


def test_two_feeds_of_one_name_are_refused_with_both_lines():
    (line,) = problems(feed(name='"bar"') + "\n" + feed(name='"bar"'))
    assert line.startswith(
        "venue.toml:7: feeds[2].name is 'bar', which names a feed already (line 3)"
    )


def test_every_mistake_of_a_file_is_said():
    said = problems(feed(gain_db="90", wiat="true") + "[bus]\ninsecur = true\n[[bridges]]\n")
    assert {int(line.split(":")[1]) for line in said} == {3, 4, 6, 7}


def test_ten_thousand_feeds_are_one_line_and_soon():
    text = "".join(feed(name=f'"f{k}"') for k in range(10_000))
    began = time.process_time()
    (line,) = problems(text)
    assert time.process_time() - began < 20.0
    assert line.startswith(
        f"venue.toml:{3 * MAX_FEEDS + 1}: 10000 feeds are named, expected at most"
    )


@pytest.mark.parametrize("what", ["missing", "folder", "binary", "long"])
def test_a_file_that_is_none_is_one_line(tmp_path, what):
    path = tmp_path / "venue.toml"
    if what == "folder":
        path.mkdir()
    elif what == "binary":
        path.write_bytes(b"[bus]\nx = '\xff'")
    elif what == "long":
        path.write_bytes(b"#" * (5 << 20))
    with pytest.raises(InputError if what in ("missing", "folder") else RunFileError) as caught:
        read_run(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_example_is_accepted_names_every_key_and_is_commented():
    text = example_run()
    run = parse_run(text, FILE)
    assert run.names == ("stage", "radio")
    for table in (BusOptions, ModelOptions, FeedOptions, JsonlOptions):
        for field in fields_of(table):
            assert f"{field.name} = " in text
            assert field.meta.description.split()[0] in text
    # With every # taken from a key of [bus] and [model], it is one still.
    bare = [
        line[2:] if line.startswith("# ") and " = " in line else line for line in text.split("\n")
    ]
    head = "\n".join(bare).split("[[feeds]]")[0]
    assert parse_run(head + feed(), FILE).model.device == "cpu"


def test_the_command_line_overrides_the_environment_which_overrides_the_file():
    environment = {"STREAMMER_FEED_STAGE_GAIN_DB": "3", "STREAMMER_FEED_BAR_SOURCE": "5"}
    run = parse_run(
        GOOD,
        FILE,
        overrides={("bus", "bind"): ("tcp://127.0.0.1:1", "--bind")},
        settings=["stage.gain_db=6", "feeds.bar.select=[2]"],
        environment=environment,
    )
    assert [feed.gain_db for feed in run.feeds] == [6.0, 0.0]
    assert run.feeds[1].source == "5"
    assert run.feeds[1].select == (2,)
    assert run.bus.endpoint == "tcp://127.0.0.1:1"
    without = parse_run(GOOD, FILE, environment=environment)
    assert without.feeds[0].gain_db == 3.0


def test_what_overrides_is_named_when_it_is_wrong():
    assert problems(GOOD, overrides={("model", "smoothing_s"): (99.0, "--smoothing")})[0] == (
        "--smoothing: model.smoothing_s is 99.0: expected a number from 0 to 60"
    )
    variable = {"STREAMMER_FEED_STAGE_GAIN_DB": "loud"}
    (line,) = problems(GOOD, environment=variable)
    assert line.startswith(
        'STREAMMER_FEED_STAGE_GAIN_DB: feeds[1].gain_db is "loud": expected a nu'
    )
    assert problems(GOOD, settings=["hall.gain_db=1"])[0] == (
        "--set hall.gain_db=1 names no feed of the run: stage, bar"
    )
    with pytest.raises(UsageError, match=r"NAME\.KEY=VALUE is expected"):
        parse_run(GOOD, FILE, settings=["gain_db=1"])


class Lamp(Table, frozen=True, kw_only=True):
    """A lamp."""

    port: int = 9000
    feed: str | None = None


@pytest.fixture
def lamps(monkeypatch):
    monkeypatch.setattr(BRIDGES, "_plugs", {})
    BRIDGES.register("lamp", Lamp, lambda options, where: None)


def test_kinds_of_bridges_are_those_that_registered(lamps):
    run = parse_run(GOOD + '[[bridges]]\nkind = "lamp"\nfeed = "bar"\nport = 1\n', FILE)
    assert run.bridges[0].options == Lamp(port=1, feed="bar")
    said = problems(GOOD + '[[bridges]]\nkind = "lamb"\n[[bridges]]\nkind = "lamp"\nfeed = "baz"\n')
    assert said[0].endswith('bridges[1].kind is "lamb": did you mean lamp?')
    assert said[1].endswith('bridges[2].feed is "baz": did you mean bar?')
    assert '# kind = "lamp"' in example_run()
    with pytest.raises(RuntimeError, match="registered twice"):
        BRIDGES.register("lamp", Lamp, lambda options, where: None)


def test_no_kind_at_all_is_said_too(monkeypatch):
    monkeypatch.setattr(BRIDGES, "_plugs", {})
    assert "this streammer has no such kind" in problems(GOOD + '[[bridges]]\nkind = "osc"\n')[0]


def test_lines_are_those_of_the_keys_whatever_lies_between():
    text = 'a = """\n[x]\nb = 1\n"""\n[[f]]\n\nx = [\n 1, # c = 3\n 2]\n'
    text += "[[f]]\ny.z = 1\n[f.sub]\nk = 1\n"
    assert find_lines(text) == {
        ("a",): 1, ("f",): 5, ("f", 0): 5,
        ("f", 0, "x"): 7, ("f", 0, "x", 0): 7, ("f", 0, "x", 1): 7,
        ("f", 1): 10, ("f", 1, "y"): 11, ("f", 1, "y", "z"): 11, ("f", 1, "sub"): 12,
        ("f", 1, "sub", "k"): 13,
    }  # fmt: skip


def test_a_rule_between_keys_is_said_at_its_table():
    class Pair(Table, frozen=True, kw_only=True):
        low: float = 0.0
        high: float = 1.0

        def __post_init__(self):
            if self.low > self.high:
                raise UsageError("low is over high")

    checker = Checker(lambda path: "here")
    assert checker.table({"low": 2}, Pair, ("x",)) is None
    assert checker.problems == ["here: low is over high"]
    assert checker.table({"low": 0.5}, Pair, ("x",)) == Pair(low=0.5)


def test_the_files_that_the_page_shows_are_accepted():
    load_plugs()
    page = (Path(__file__).parents[2] / "docs" / "howto-venue.md").read_text(encoding="utf-8")
    shown = re.findall(r"^```toml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(shown) == 2
    whole, pipe = (parse_run(text, FILE) for text in shown)
    assert whole.names == ("stage", "bar", "radio", "foyer")
    assert {plugged.kind for plugged in (*whole.outputs, *whole.bridges)} == {"jsonl", "osc"}
    assert pipe.feeds[0].rate == 48000


def test_the_example_shows_every_kind_that_there_is_and_each_is_accepted():
    load_plugs()
    text = example_run()
    assert BRIDGES.kinds
    for kind in (*BRIDGES.kinds, *OUTPUTS.kinds):
        assert f'# kind = "{kind}"' in text
    assert parse_run(text, FILE).bridges == ()
