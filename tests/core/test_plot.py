"""A picture of a session shows what happened, to every kind of eye, and is one file."""

import re
from itertools import combinations
from xml.etree import ElementTree

import msgspec
import numpy as np
import pytest
import soundfile
from bus_parts import estimate

from streammer.cli import main
from streammer.errors import InputError, UsageError
from streammer.recording.curves import MAX_POINTS, curves_of, spans_of
from streammer.web.messages import Mark
from tests.sounds import SR, make_song

pytest.importorskip("matplotlib", reason="matplotlib is not installed")
from streammer.recording.figure import clock_time, draw
from streammer.recording.panels import COLOURS, QUADRANTS, STATES


def session(count=40, **changes):
    states = ["warming"] * 5 + ["live"] * 20 + ["silent"] * 5 + ["degraded"] * 5 + ["clipping"] * 5
    return [
        estimate(
            k,
            t_audio_s=0.5 * (k + 1),
            t_publish=1.7e9 + 0.5 * k,
            valence=None if k == 7 else 0.01 * k,
            quadrant=None if k in (0, 7) else "Q4",
            state=states[k % 40],
            **changes,
        )
        for k in range(count)
    ]


def written(path, rows):
    path.write_bytes(b"".join(msgspec.json.encode(row) + b"\n" for row in rows))
    return path


@pytest.fixture
def recording(tmp_path):
    mark = Mark(t=1.7e9 + 5.0, stream="main", epoch="e", seq=10, t_audio_s=5.0, label="$drop <1>")
    (tmp_path / "s.marks.jsonl").write_bytes(msgspec.json.encode(mark) + b"\n")
    return written(tmp_path / "s.jsonl", session())


def plotted(path, out, *options):
    assert main(["plot", str(path), "-o", str(out), *options]) == 0
    return out.read_bytes()


def test_a_vector_picture_says_in_words_what_it_shows(recording, tmp_path):
    svg = plotted(recording, tmp_path / "mood.svg", "--title", "Saturday & Sunday").decode()
    words = " ".join(text for text in ElementTree.fromstring(svg).itertext())
    for word in ("Saturday & Sunday", "valence", "arousal", "±1 sigma", "Q4 calm, content",
                 "warming", "silent", "degraded", "clipping", "$drop <1>", "begin"):  # fmt: skip
        assert word in words, word
    assert (
        plotted(recording, tmp_path / "again.svg", "--title", "Saturday & Sunday").decode() == svg
    )


def test_a_page_needs_nothing_else_and_escapes_what_came(recording, tmp_path):
    page = plotted(recording, tmp_path / "m.html", "--title", "<script>x</script>").decode()
    assert "<svg" in page
    assert "<script" not in page
    assert not re.findall(r"""(?:src|href)=["'](?!#)(?!data:)[^"']*""", page)
    assert "<td>0:20</td>" in page
    assert re.search(r"Q4 calm, content</th><td>95%", page)
    assert re.search(r"state silent</th><td>12%", page)


def test_a_picture_of_a_song_has_its_spectrogram(tmp_path):
    song = tmp_path / "song.wav"
    soundfile.write(song, make_song(4.0), SR)
    svg = plotted(song, tmp_path / "song.svg").decode()
    assert "mel band" in svg
    assert "<image" in svg
    png = plotted(song, tmp_path / "song.png")
    assert png[:8] == b"\x89PNG\r\n\x1a\n"


def test_bands_are_one_sigma_wide_and_holes_stay_holes():
    figure = draw(curves_of(session(), None, "s"), "s")
    arousal, valence = figure.axes[0], figure.axes[1]
    band = arousal.collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(-0.75)
    assert band.max() == pytest.approx(-0.25)
    line = valence.lines[0].get_ydata()
    assert np.flatnonzero(np.isnan(line)).tolist() == [7]


def test_long_sessions_are_thinned_to_their_means():
    curves = curves_of(session(3 * MAX_POINTS), None, "s").thinned()
    assert len(curves.seconds) == MAX_POINTS
    assert curves.values["valence"][10] == pytest.approx(0.31)
    assert curves.values["valence"][2] == pytest.approx(0.07)  # the mean of 6 and 8: 7 has none


def test_spans_join_what_is_alike():
    spans = spans_of(np.array([0.5, 1.0, 1.5, 2.0]), ["a", "a", "b", "a"])
    assert spans == [(0.5, 1.5, "a"), (1.5, 2.0, "b"), (2.0, 2.5, "a")]


def test_time_reads_as_on_a_clock():
    assert [clock_time(s) for s in (0, 65.4, 3600, 7265)] == ["0:00", "1:05", "1:00:00", "2:01:05"]


def test_several_streams_have_to_be_chosen_from():
    rows = [*session(3), *session(3, stream="bar")]
    with pytest.raises(UsageError, match="holds streams bar, main: choose one with --stream"):
        curves_of(rows, None, "s")
    assert curves_of(rows, "bar", "s").stream == "bar"
    with pytest.raises(InputError, match="no estimate of stage; it has bar, main"):
        curves_of(rows, "stage", "s")


# Machado, Oliveira, Fernandes 2009, severity 1, on linear RGB.
BLINDNESS = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
               [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
               [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


def lab(colour, matrix):
    x = np.array([int(colour[k : k + 2], 16) / 255.0 for k in (1, 3, 5)])
    linear = np.where(x > 0.04045, ((x + 0.055) / 1.055) ** 2.4, x / 12.92)
    seen = np.clip(np.array(matrix) @ linear, 0.0, 1.0)
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ seen / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16.0 / 116.0)
    return np.array([116.0 * f[1] - 16.0, 500.0 * (f[0] - f[1]), 200.0 * (f[1] - f[2])])


@pytest.mark.parametrize("kind", BLINDNESS)
def test_colours_are_told_apart_with_every_kind_of_colour_vision(kind):
    for colours in (list(COLOURS.values()), [colour for colour, _ in QUADRANTS.values()]):
        for a, b in combinations(colours, 2):
            distance = np.linalg.norm(lab(a, BLINDNESS[kind]) - lab(b, BLINDNESS[kind]))
            assert distance > 15.0, (a, b, distance)
    assert len(set(STATES.values())) == len(STATES)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["s.jsonl", "-o", "mood.pdf"], 2, "ends in '.pdf'"),
        (["none.jsonl", "-o", "mood.png"], 3, "cannot be read"),
        (["none.mp3", "-o", "mood.png"], 3, "none.mp3"),
        (["s.jsonl", "-o", "none/mood.png"], 4, "cannot be written"),
        (["s.jsonl", "-o", "mood.png", "--stream", "bar"], 3, "no estimate of bar"),
        (["s.jsonl"], 2, "out"),
    ],
)
def test_what_cannot_be_drawn_is_one_line(recording, monkeypatch, capsys, words, code, said):
    monkeypatch.chdir(recording.parent)
    before = sorted(recording.parent.iterdir())
    assert main(["plot", *words]) == code
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1
    assert sorted(recording.parent.iterdir()) == before


def test_without_matplotlib_the_command_to_install_it_is_named(recording, monkeypatch, capsys):
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["plot", str(recording), "-o", "mood.png"]) == 2
    assert "pip install 'streammer[plot]'" in capsys.readouterr().err
