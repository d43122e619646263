"""The front end against librosa, with ``center=False``."""

import librosa
import numpy as np
import pytest
import scipy.signal

from streammer.frontend import FrontEnd, FrontEndSpec, filters

SR = 22050


def signals(sr, n):
    rng = np.random.default_rng(5)
    t = np.arange(n) / sr
    decay = np.exp(-6 * (t % 0.5))
    notes = sum(np.sin(2 * np.pi * f * t) / k for k, f in enumerate((110, 220.5, 331, 1760), 1))
    return {
        "noise": 0.1 * rng.standard_normal(n),
        "music": 0.2 * decay * notes + 0.003 * rng.standard_normal(n) * decay,
        "tone": 0.9 * np.sin(2 * np.pi * 440 * t),
        "dc_and_noise": 0.5 + 0.01 * rng.standard_normal(n),
        "clipped": np.clip(3 * notes, -1, 1),
        "click": np.eye(1, n, n // 2)[0],
    }


SOUNDS = tuple(signals(SR, 4096))


def sound(name, sr=SR, seconds=1.5):
    return signals(sr, round(sr * seconds))[name].astype(np.float32)


def assert_close_in_db(got, expected, *, down_to_db, tol_db):
    """Compare powers in each frame's bins within `down_to_db` of the frame's maximum."""
    assert got.shape == expected.shape
    assert got.size
    inside = expected > expected.max(axis=1, keepdims=True) * 10 ** (-down_to_db / 10)
    inside &= expected > 0
    assert inside.any()
    error = np.abs(10 * np.log10(got[inside].astype(np.float64) / expected[inside]))
    assert error.max() < tol_db


MELS = {
    "live": FrontEndSpec("mel", SR, 1024, 441, 80, fmin=30.0, fmax=11000.0),
    "bulk": FrontEndSpec("mel", 44100, 2048, 882, 128),
    "musicnn": FrontEndSpec("mel", 16000, 512, 250, 96, norm=None),
    "12khz": FrontEndSpec("mel", 12000, 512, 250, 96, htk=True),
    "whisper": FrontEndSpec("mel", 16000, 400, 160, 80),
    "255_of_256": FrontEndSpec("mel", 16000, 256, 160, 40, win_length=255, window="hamming"),
    "magnitude": FrontEndSpec("mel", SR, 2048, 512, 64, power=1.0, window="blackman"),
    "long": FrontEndSpec("mel", SR, 16384, 4410, 256, fmin=20.0),
}


@pytest.mark.parametrize("name", MELS)
@pytest.mark.parametrize("kind", SOUNDS)
def test_mel_is_librosas_within_a_thousandth_of_a_db(name, kind):
    spec = MELS[name]
    y = sound(kind, spec.sr)
    expected = librosa.feature.melspectrogram(
        y=y.astype(np.float64),
        sr=spec.sr,
        n_fft=spec.n_fft,
        hop_length=spec.hop_length,
        win_length=spec.win_length,
        window=spec.window,
        center=False,
        power=spec.power,
        n_mels=spec.n_bins,
        fmin=spec.fmin,
        fmax=spec.fmax,
        htk=spec.htk,
        norm=spec.norm,
        dtype=np.float64,
    ).T
    scale = 2 / spec.power  # power 1 is in magnitudes: 35 of its "dB" are 70 dB
    assert_close_in_db(FrontEnd(spec).push(y), expected, down_to_db=70 / scale, tol_db=1e-3 / scale)


@pytest.mark.parametrize("power", [1.0, 2.0])
@pytest.mark.parametrize("n_fft", [*(2**k for k in range(7, 15)), 400, 480, 1000])
def test_spectrum_is_librosas(n_fft, power):
    y = sound("music")
    spec = FrontEndSpec("stft", SR, n_fft, 441, 1 + n_fft // 2, power=power)
    stft = librosa.stft(y.astype(np.float64), n_fft=n_fft, hop_length=441, center=False)
    got, expected = FrontEnd(spec).push(y), np.abs(stft.T) ** power
    # A float32 transform rounds at 1e-7 of the loudest bin, and here no band averages that out:
    # one rounding is .0016 dB of a bin 70 dB below.
    s = 2 / power
    assert_close_in_db(got, expected, down_to_db=60 / s, tol_db=1e-3 / s)
    assert_close_in_db(got, expected, down_to_db=70 / s, tol_db=5e-3 / s)


@pytest.mark.parametrize("log", ["ln", "log10", "db", "log1p"])
@pytest.mark.parametrize("kind", SOUNDS)
def test_logarithms_are_numpys(log, kind):
    y = sound(kind)
    powers = librosa.feature.melspectrogram(
        y=y.astype(np.float64), sr=SR, n_fft=1024, hop_length=441, center=False, n_mels=80
    ).T
    spec = FrontEndSpec("mel", SR, 1024, 441, 80, log=log, floor=1e-5, gain=1e4)
    floored = np.maximum(powers, 1e-5)
    expected, unit = {
        "ln": (np.log(floored), 4.34),
        "log10": (np.log10(floored), 10),
        "db": (10 * np.log10(floored), 1),
        "log1p": (np.log1p(1e4 * powers), 4.34),
    }[log]
    near = powers > 1e-7 * powers.max(axis=1, keepdims=True)
    near |= powers < 0.5e-5  # on the floor all is exact; log1p is small and compared as it is
    error = np.abs(FrontEnd(spec).push(y) - expected)[near]
    assert error.max() < 1e-3 / unit


def test_db_is_power_to_db_without_top_db():
    y = sound("music")
    powers = librosa.feature.melspectrogram(
        y=y.astype(np.float64), sr=SR, n_fft=1024, hop_length=441, center=False, n_mels=80
    ).T
    expected = librosa.power_to_db(powers, ref=1.0, amin=1e-10, top_db=None)
    got = FrontEnd(FrontEndSpec("mel", SR, 1024, 441, 80, log="db")).push(y)
    near = powers > 1e-7 * powers.max(axis=1, keepdims=True)
    np.testing.assert_allclose(got[near], expected[near], atol=1e-3)


CHROMAS = {
    "default": {},
    "tuned": {"tuning": -0.23},
    "plain": {"octwidth": None, "norm": None},
    "sharp": {"ctroct": 4.0, "octwidth": 1.0, "norm": 1.0},
    "largest": {"norm": np.inf},
    "24": {"n_bins": 24},
}


@pytest.mark.parametrize("name", CHROMAS)
@pytest.mark.parametrize("kind", ["noise", "music", "clipped"])
def test_chroma_is_librosas_filters_on_the_power_spectrum(name, kind):
    options = {"n_bins": 12, **CHROMAS[name]}
    spec = FrontEndSpec("chroma", SR, 4096, 441, **options)
    y = sound(kind)
    power = (
        np.abs(librosa.stft(y.astype(np.float64), n_fft=4096, hop_length=441, center=False)) ** 2
    )
    fb = librosa.filters.chroma(
        sr=SR, n_fft=4096, n_chroma=spec.n_bins, dtype=np.float64,
        tuning=spec.tuning, ctroct=spec.ctroct, octwidth=spec.octwidth, norm=spec.norm,
    )  # fmt: skip
    expected = (fb @ power).T
    got = FrontEnd(spec).push(y)
    assert got.shape == expected.shape
    # relative to the frame's strongest pitch class
    error = np.abs(got - expected) / expected.max(axis=1, keepdims=True)
    assert error.max() < 1e-4
    np.testing.assert_allclose(got, expected, rtol=1e-4)


@pytest.mark.parametrize(("frame_norm", "norm"), [(None, None), ("max", np.inf), (2, 2)])
def test_chroma_frames_are_normalised_as_chroma_stft_does(frame_norm, norm):
    y = sound("music")
    y[:8000] = 0  # silent frames stay zero
    expected = librosa.feature.chroma_stft(
        y=y.astype(np.float64),
        sr=SR,
        n_fft=4096,
        hop_length=441,
        center=False,
        tuning=0.0,
        norm=norm,
    ).T
    got = FrontEnd(FrontEndSpec("chroma", SR, 4096, 441, 12, frame_norm=frame_norm)).push(y)
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-12)
    assert not got[0].any()


@pytest.mark.parametrize("htk", [False, True])
@pytest.mark.parametrize("norm", ["slaney", None])
@pytest.mark.parametrize(
    ("sr", "n_fft", "n_bins", "fmin", "fmax"),
    [
        (22050, 1024, 80, 30.0, 11000.0),
        (44100, 2048, 128, 0.0, 22050.0),
        (12000, 512, 96, 0.0, 6000.0),
    ],
)
def test_mel_filters_are_librosas(sr, n_fft, n_bins, fmin, fmax, htk, norm):
    options = {"sr": sr, "n_fft": n_fft, "fmin": fmin, "fmax": fmax, "htk": htk, "norm": norm}
    expected = librosa.filters.mel(n_mels=n_bins, dtype=np.float64, **options)
    got = filters.mel_filters(n_bins=n_bins, **options)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12 * expected.max())


@pytest.mark.filterwarnings("ignore:Empty filters")
def test_empty_mel_filters_are_empty_here_too():
    options = {"sr": 22050, "n_fft": 256, "fmin": 0.0, "fmax": 11025.0, "htk": False}
    expected = librosa.filters.mel(n_mels=128, norm="slaney", dtype=np.float64, **options)
    got = filters.mel_filters(n_bins=128, norm="slaney", **options)
    assert (expected.max(axis=1) == 0).any()
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-15)
    spec = FrontEndSpec("mel", 22050, 256, 128, 128)
    out = FrontEnd(spec).push(sound("noise"))
    assert not out[:, expected.max(axis=1) == 0].any()


@pytest.mark.parametrize("name", filters.WINDOWS)
@pytest.mark.parametrize(
    ("win_length", "n_fft"), [(1, 16), (2, 16), (255, 256), (256, 256), (400, 512)]
)
def test_windows_are_scipys_padded_by_librosa(name, win_length, n_fft):
    expected = librosa.util.pad_center(scipy.signal.get_window(name, win_length), size=n_fft)
    np.testing.assert_allclose(filters.window(name, win_length, n_fft), expected, atol=1e-15)


@pytest.mark.parametrize("kind", SOUNDS)
def test_primed_frames_are_librosas_of_the_signal_with_zeros_before_it(kind):
    spec = MELS["live"]
    y = sound(kind)
    fe = FrontEnd(spec)
    fe.prime()
    got = np.concatenate([fe.push(y[k : k + 1000]) for k in range(0, y.size, 1000)])
    padded = np.concatenate((np.zeros(1024 - 441), y))
    expected = librosa.feature.melspectrogram(
        y=padded,
        sr=SR,
        n_fft=1024,
        hop_length=441,
        center=False,
        n_mels=80,
        fmin=30.0,
        fmax=11000.0,
    ).T
    assert got.shape[0] == y.size // 441
    loud = expected.max(axis=1) > 0
    assert_close_in_db(got[loud], expected[loud], down_to_db=70, tol_db=1e-3)
