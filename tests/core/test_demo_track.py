"""The bundled track is what its script composes, and its movements differ as they should."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def compose():
    sys.path.insert(0, str(EXAMPLES))
    try:
        yield importlib.import_module("compose_demo")
    finally:
        sys.path.remove(str(EXAMPLES))


@pytest.fixture(scope="module")
def bundled():
    y, sr = soundfile.read(EXAMPLES / "demo.ogg", dtype="float64")
    plan = json.loads((EXAMPLES / "demo.json").read_text())
    # One second at each end of a movement belongs to the cross-fade.
    cuts = {
        m["name"]: y[int((m["start_s"] + 1.5) * sr) : int((m["end_s"] - 0.5) * sr)] for m in plan
    }
    return y, sr, cuts, plan


@pytest.fixture(scope="module")
def rendered(compose):
    """Render the track, and keep the first movement as it was played."""
    kept = []

    def calm(rng):
        kept.append(play(rng).copy())
        return kept[0].copy()

    (play, *rest), *others = compose.MOVEMENTS
    calm.__name__ = play.__name__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compose, "MOVEMENTS", ((calm, *rest), *others))
        return *compose.render(), kept[0]


def test_the_script_reproduces_the_bundled_track(compose, bundled, rendered):
    decoded, sr, _, plan = bundled
    rendered, rendered_plan, _ = rendered
    assert sr == compose.SR
    assert rendered_plan == plan
    assert rendered.shape == decoded.shape
    # Vorbis is lossy: 20 dB here. Another note, seed or mix leaves nothing of that.
    noise = np.mean((rendered - decoded) ** 2)
    assert 10 * np.log10(np.mean(rendered.astype(np.float64) ** 2) / noise) > 15.0


def test_a_movement_is_the_same_each_time(compose, rendered):
    play, _, _, _ = compose.MOVEMENTS[0]
    _, _, first = rendered
    np.testing.assert_array_equal(play(np.random.default_rng([compose.SEED, 0])), first)


def test_the_track_is_a_minute_of_stereo_that_does_not_clip(bundled, compose):
    y, sr, _, plan = bundled
    assert y.shape[1] == 2
    assert 58.0 <= len(y) / sr <= 63.0
    assert np.abs(y).max() < 0.999
    assert (EXAMPLES / "demo.ogg").stat().st_size < 1_000_000
    assert compose.loudness(y) == pytest.approx(-14.0, abs=0.5)
    assert [m["quadrant"] for m in plan] == ["Q4", "Q3", "Q2", "Q1"]


def test_energetic_movements_are_louder_brighter_and_busier(bundled):
    _, sr, cuts, _ = bundled
    level = {k: 10 * np.log10(np.mean(y**2)) for k, y in cuts.items()}
    bright = {k: _centroid(y.mean(axis=1), sr) for k, y in cuts.items()}
    busy = {k: _flux(y.mean(axis=1)) for k, y in cuts.items()}
    for calm in ("calm", "sad"):
        for energetic in ("tense", "bright"):
            assert level[energetic] > level[calm] + 4.0
            assert bright[energetic] > 2.0 * bright[calm]
            assert busy[energetic] > 1.15 * busy[calm]
    assert bright["calm"] > 1.3 * bright["sad"]


def _spectra(y, n_fft=2048):
    frames = np.lib.stride_tricks.sliding_window_view(y, n_fft)[:: n_fft // 2]
    return np.abs(np.fft.rfft(frames * np.hanning(n_fft), axis=1)) ** 2


def _centroid(y, sr):
    magnitude = np.sqrt(_spectra(y)).mean(axis=0)
    return float((magnitude * np.linspace(0, sr / 2, len(magnitude))).sum() / magnitude.sum())


def _flux(y):
    log = np.log(_spectra(y)[:, 1:] + 1e-6)
    return float(np.maximum(np.diff(log, axis=0), 0).mean())
