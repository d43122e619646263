"""The picture of many streams: a tile each, a line each, and how many have no room."""

import io

import pytest
from bus_parts import estimate
from rich.console import Console

from streammer.cli.tiles import Tiles
from streammer.cli.view import LINE_EVERY_S, LineView, LiveView
from streammer.clock import FakeClock


def shown(moods, width=80, height=24, notice="", encoding="utf-8"):
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=out, width=width, height=height)
    tiles = Tiles()
    for mood in moods:
        tiles.take(mood)
    console.print(tiles.picture("all streams at tcp://127.0.0.1:5580", notice), end="")
    out.flush()
    return out.buffer.getvalue().decode(encoding).splitlines()


def moods_of(n, **values):
    return [estimate(7, stream=f"hall-{k:02d}", **values) for k in range(n)]


def test_a_tile_says_name_mood_values_state_level_and_time():
    picture = shown(
        [estimate(7205, stream="stage", valence=0.42, arousal=-0.31, quadrant="Q4",
                  level_dbfs=-18.3, state="clipping")]
    )  # fmt: skip
    text = "\n".join(picture)
    for said in (
        "stage",
        "Q4 calm, content",
        "+0.42",
        "-0.31",
        "clipping",
        "-18.3 dBFS",
        "1:00:02",
    ):
        assert said in text
    assert "all streams at tcp://127.0.0.1:5580" in picture[-1]
    assert "Ctrl-C ends" in picture[-1]


@pytest.mark.parametrize("n", [1, 2, 3, 8, 9, 20, 21, 300])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 60), (81, 50), (20, 5)])
def test_the_picture_keeps_its_size_whatever_it_shows(n, width, height):
    picture = shown(moods_of(n), width, height, notice="no estimate for 2 s of hall-01; waiting")
    assert len(picture) == height - 1
    assert {len(line) for line in picture} == {width - 1}


def test_nine_tiles_have_room_and_more_become_lines():
    nine = shown(moods_of(9))
    assert sum(line.count("┌") for line in nine) == 9
    assert all(any(f"hall-{k:02d}" in line for line in nine) for k in range(9))
    ten = shown(moods_of(10))
    assert not any("┌" in line for line in ten)
    assert all(any(line.startswith(f" hall-{k:02d}") for line in ten) for k in range(10))
    assert "live" in ten[0]
    assert "+0.25 -0.50" in ten[0]


def test_streams_without_room_are_counted_with_their_states():
    text = "\n".join(shown([*moods_of(20), *[estimate(1, stream=f"z{k}", state="degraded")
                                              for k in range(30)]]))  # fmt: skip
    assert "and 30 more: 30 degraded" in text


def test_a_terminal_of_ascii_gets_ascii():
    "\n".join(shown(moods_of(4), encoding="ascii")).encode("ascii")


def test_each_stream_has_a_line_of_its_own_where_there_is_no_picture():
    out, clock = io.StringIO(), FakeClock()
    view = LineView("where", Console(file=out, width=200), clock=clock, named=True)
    for _ in range(3):
        for mood in moods_of(2):
            view.update(mood)
        clock.advance(LINE_EVERY_S / 2)
    lines = out.getvalue().splitlines()
    assert [line.split(":")[0] for line in lines] == ["hall-00", "hall-01"] * 2


def test_the_live_view_shows_the_last_of_each_stream():
    out = io.StringIO()
    console = Console(file=out, width=80, height=24, force_terminal=True, color_system=None)
    with LiveView("where", console, shown=Tiles()) as view:
        view.update(estimate(1, stream="a"))
        view.update(estimate(1, stream="b", state="silent"))
    assert "silent" in out.getvalue()
    assert " a " in out.getvalue()
