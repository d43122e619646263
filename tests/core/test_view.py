"""The live view: one picture, the same size whatever it shows."""

import io

import pytest
from bus_parts import EPOCH, estimate
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from streammer.cli.picture import MIN_COLUMNS, MIN_ROWS, Layout, render
from streammer.cli.view import LINE_EVERY_S, REFRESH_S, LineView, LiveView
from streammer.clock import FakeClock
from streammer.estimate import STATES

WIDTH, HEIGHT = MIN_COLUMNS - 1, MIN_ROWS - 1


def shown(*args, encoding="utf-8", width=80, height=24, color=None):
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(
        file=out, width=width, height=height, force_terminal=bool(color), color_system=color
    )
    console.print(render(*args), end="")
    out.flush()
    return out.buffer.getvalue().decode(encoding)


def lines(*args, **options):
    return shown(*args, **options).splitlines()


def row_with(text, picture):
    (row,) = [line for line in picture if text in line]
    return row


def test_the_picture_says_all_of_the_estimate():
    mood = estimate(
        7205, valence=0.42, arousal=-0.31, sigma_valence=0.18, sigma_arousal=0.22, quadrant="Q4",
        p_positive=0.83, p_energetic=0.27, level_dbfs=-18.3, lag_ms=12.5, lost_samples=480,
        model="emo+chords", stream="stage-left",
    )  # fmt: skip
    picture = lines([mood], "watching tcp://127.0.0.1:5580")
    text = "\n".join(picture)
    assert "+0.42 ± 0.18" in row_with(" valence ", picture)
    assert "-0.31 ± 0.22" in row_with(" arousal ", picture)
    assert "Q4 calm, content" in row_with(" mood ", picture)
    assert "live: hearing music" in row_with(" state ", picture)
    assert "-18.3 dBFS" in row_with(" level ", picture)
    assert "12.5 ms" in row_with(" lag ", picture)
    assert "480 samples" in row_with(" lost ", picture)
    assert "emo+chords" in row_with(" model ", picture)
    assert "1:00:02" in row_with("stage-left", picture)
    for said in ("83 %", "27 %", "watching tcp://127.0.0.1:5580", "Ctrl-C"):
        assert said in text


@pytest.mark.parametrize("state", [s for s in STATES if s != "ended"])
def test_every_state_is_said_in_words(state):
    assert f"{state}: " in row_with(" state ", lines([estimate(state=state)]))


def test_a_notice_makes_the_last_mood_one_of_the_past():
    picture = lines([estimate()], "", "stream main is stale")
    assert "live (last estimate)" in row_with(" state ", picture)
    assert "stream main is stale" in "\n".join(picture)


def test_what_a_model_does_not_give_is_said_so():
    mood = estimate(valence=None, sigma_valence=None, quadrant=None)
    picture = lines([mood])
    assert "not given" in row_with(" valence ", picture)
    assert "unknown" in row_with(" mood ", picture)
    assert "●" not in "\n".join(line[:41] for line in picture)


def test_before_the_first_estimate_there_is_an_empty_plane():
    picture = lines([], "main", "nothing yet")
    assert len(picture) == HEIGHT
    assert "nothing yet" in "\n".join(picture)


@pytest.mark.parametrize(
    ("valence", "arousal", "row", "column"),
    [(-1.0, 1.0, 2, 2), (1.0, 1.0, 2, 38), (-1.0, -1.0, 18, 2), (0.0, 0.0, 10, 20)],
)
def test_the_mood_stands_where_the_plane_says(valence, arousal, row, column):
    mood = estimate(valence=valence, arousal=arousal, sigma_valence=None, sigma_arousal=None)
    picture = lines([mood])
    assert picture[row][column] == "●"
    assert "\n".join(line[:41] for line in picture).count("●") == 1


def test_the_trail_fades_from_the_mood_to_where_it_came_from():
    history = [
        estimate(k, valence=-0.9 + 0.06 * k, arousal=0.5, sigma_valence=None, sigma_arousal=None)
        for k in range(30)
    ]
    row = lines(history)[6][3:39].replace(" ", "")
    marks = row.replace("│", "")
    assert set(marks) == set("·∙•●")
    assert list(marks) == sorted(marks, key="·∙•●".index)


def test_sigma_is_drawn_around_the_value():
    narrow = lines([estimate(sigma_arousal=0.05, valence=0.0, arousal=0.0)])
    wide = lines([estimate(sigma_arousal=0.5, valence=0.0, arousal=0.0)])

    def spread(picture):
        return sum(line[42:].count("━") for line in picture[7:8])

    assert spread(wide) > spread(narrow) + 8


def test_without_colour_nothing_is_lost():
    mood = estimate(state="clipping")
    plain, coloured = shown([mood]), shown([mood], color="truecolor")
    assert "\x1b[" in coloured
    assert "clipping" in plain
    strip = io.StringIO()
    inside = False
    for char in coloured:
        if char == "\x1b":
            inside = True
        if not inside:
            strip.write(char)
        if inside and char == "m":
            inside = False
    assert strip.getvalue() == plain


def test_an_ascii_terminal_gets_ascii():
    mood = estimate(model="dömo", stream="main")
    text = shown([mood] * 5, "wörld", "ça", encoding="ascii")
    assert text.isascii()
    assert "@" in text
    assert "+-" in text


texts = st.text(max_size=100)
unit = st.none() | st.floats(-1.0, 1.0)


@settings(derandomize=True, max_examples=200, deadline=None)
@given(
    valence=unit,
    arousal=unit,
    sigma=st.none() | st.floats(0.0, 1e6),
    level=st.floats(-120.0, 1e6),
    t_audio_s=st.floats(0.0, 1e9),
    model=texts,
    where=texts,
    notice=texts,
    width=st.integers(2, 300),
    height=st.integers(2, 90),
    encoding=st.sampled_from(["utf-8", "ascii"]),
)
def test_the_picture_has_its_size_whatever_it_shows(
    valence, arousal, sigma, level, t_audio_s, model, where, notice, width, height, encoding
):
    mood = estimate(
        valence=valence, arousal=arousal, sigma_valence=sigma, sigma_arousal=sigma,
        quadrant=None, level_dbfs=level, t_audio_s=t_audio_s, lag_ms=t_audio_s, model=model,
    )  # fmt: skip
    picture = shown([mood], where, notice, width=width, height=height, encoding=encoding)
    picture = picture.split("\n")
    assert picture.pop() == ""
    layout = Layout.fit(width, height)
    if layout is None:
        assert [len(line) for line in picture] == [width - 1] * (height - 1)
    else:
        assert [len(line) for line in picture] == [layout.width] * layout.height
        assert layout.width < width
        assert layout.height < height


@pytest.mark.parametrize(("width", "height"), [(40, 10), (60, 18), (79, 24), (80, 23)])
def test_a_terminal_that_shrinks_keeps_the_numbers(width, height):
    mood = estimate(7205, valence=0.42, arousal=-0.31, sigma_valence=0.18, quadrant="Q4")
    text = shown([mood], "main", width=width, height=height)
    for said in ("valence +0.42 +- 0.18", "arousal -0.31", "Q4 calm and content", "1:00:02"):
        assert said in text


def test_a_wide_terminal_is_used():
    mood = estimate(valence=1.0, arousal=-1.0, sigma_valence=None, sigma_arousal=None)
    narrow, wide = lines([mood]), lines([mood], width=200, height=60)
    rows, columns = len(wide), max(map(len, wide))
    assert (rows, columns) == (59, 199)
    place = [(r, line.index("●")) for r, line in enumerate(wide) if "●" in line][-1]
    assert place[0] > 2 * len(narrow)
    assert place[1] > 100
    low = lines([mood], width=200, height=24)
    bars = [picture[4].count("─") for picture in (narrow, low)]
    assert bars[1] > bars[0]


def test_without_a_picture_a_line_comes_every_five_seconds():
    clock, out = FakeClock(), io.StringIO()
    view = LineView("main at tcp://127.0.0.1:5580", Console(file=out, width=40), clock=clock)
    with view:
        for seq in range(41):
            view.update(estimate(seq, t_audio_s=float(seq), model="\x1b[2J"))
            clock.advance(0.5)
    said = out.getvalue().splitlines()
    assert LINE_EVERY_S == 5.0
    assert said[0] == "main at tcp://127.0.0.1:5580"
    assert [line.split(",")[0] for line in said[1:]] == [f"0:00:{s:02d}" for s in range(0, 41, 10)]
    assert all("valence" in line and "arousal" in line for line in said[1:])


def test_control_sequences_from_the_wire_do_not_reach_the_terminal():
    text = shown([estimate(model="\x1b[2J\x07evil\r\n\u202e")], "\x1b]0;title\x07", "\x9b31m")
    assert not set(text) & {"\x1b", "\x07", "\r", "\x9b", "\u202e"}


def test_pictures_come_at_most_four_times_a_second():
    clock, out = FakeClock(), io.StringIO()
    console = Console(file=out, width=80, height=24, force_terminal=True)
    pictures = []
    with LiveView("main", console, clock=clock) as view:
        for seq in range(100):
            view.update(estimate(seq, t_audio_s=float(seq)))
            pictures.append(out.getvalue().count("excited Q1"))
            clock.advance(0.05)
    assert REFRESH_S == 0.25
    assert pictures[-1] - pictures[0] <= 5.0 / REFRESH_S
    assert pictures[-1] - pictures[0] >= 15
    assert "0:01:39" in out.getvalue()  # the last one is drawn, whenever it came


def test_a_new_epoch_begins_a_new_trail():
    clock, out = FakeClock(), io.StringIO()
    console = Console(file=out, width=80, height=24, force_terminal=True)
    with LiveView("main", console, clock=clock) as view:
        for k in range(8):
            view.update(estimate(k, valence=-0.9 + 0.1 * k, sigma_valence=None))
        view.update(estimate(0, epoch=EPOCH[::-1], sigma_valence=None))
        clock.advance(1.0)
        out.truncate(0)
    assert not set(out.getvalue()) & set("∙•")
