"""The colours of the moods stay apart, for eyes of all kinds and in either theme."""

import itertools
import re

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the extra dash is not installed")

from bus_parts import estimate

from streammer.cli.rooms import Rooms
from streammer.web.pages import assets

# Machado, Oliveira and Fernandes 2009, severity 1.0, on linear RGB.
EYES = {
    "usual": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                   [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                     [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
                   [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


def themes():
    """Return the colours of the quadrants, as the style sheet has them."""
    style = assets()["style.css"].body.decode()
    blocks = re.findall(r"--q1: (#\w+); --q2: (#\w+); --q3: (#\w+); --q4: (#\w+)", style)
    dark, light = blocks
    return {"dark": dark, "light": light}


def linear(colour):
    c = np.array([int(colour[i : i + 2], 16) / 255.0 for i in (1, 3, 5)])
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def oklab(rgb):
    to_lms = [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
    to_lab = [
        [0.2104542553, 0.793617785, -0.0040720468],
        [1.9779984951, -2.428592205, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.808675766],
    ]
    return np.array(to_lab) @ np.cbrt(np.array(to_lms) @ np.clip(rgb, 0.0, 1.0))


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("eye", EYES)
def test_no_two_moods_look_the_same(theme, eye):
    seen = [oklab(np.array(EYES[eye]) @ linear(colour)) for colour in themes()[theme]]
    apart = {
        (f"Q{i + 1}", f"Q{j + 1}"): float(np.linalg.norm(seen[i] - seen[j]))
        for i, j in itertools.combinations(range(4), 2)
    }
    assert min(apart.values()) > 0.08, apart  # a difference of 0.02 is just seen side by side


def test_music_that_hardly_differs_spans_the_range_of_its_room():
    rooms = Rooms()
    seen = []
    for k in range(2400):  # twenty minutes of a narrow genre
        p = 0.6 + 0.05 * np.sin(k / 40.0)
        seen.append(rooms.place(estimate(k, t_audio_s=0.5 * k, p_positive=p, p_energetic=1.3 - p)))
    late = np.array(seen[1200:])
    assert late.min() == 0.0
    assert late.max() == 1.0
    assert np.abs(np.diff(late, axis=0)).max() < 0.1  # without a jump


def test_silence_and_what_is_not_said_have_no_place_in_a_room():
    rooms = Rooms()
    assert rooms.place(estimate(0, state="silent")) is None
    assert rooms.place(estimate(1, valence=None, quadrant=None)) is None
    assert rooms.place(estimate(2)) is not None  # valence and arousal alone
