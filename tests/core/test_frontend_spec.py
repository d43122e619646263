"""What a front-end spec accepts, refuses, fills in and says."""

import json
import math

import pytest

from streammer.errors import UsageError
from streammer.frontend import FrontEnd, FrontEndSpec
from streammer.frontend.spec import KINDS, LOGS

MEL = {"kind": "mel", "sr": 22050, "n_fft": 1024, "hop_length": 441, "n_bins": 80}
CHROMA = {**MEL, "kind": "chroma", "n_bins": 12}
STFT = {**MEL, "kind": "stft", "n_bins": 513}


def test_the_defaults_are_those_of_the_contract():
    assert FrontEndSpec(**MEL).to_dict() == {
        **MEL,
        "fmin": 0.0,
        "fmax": 11025.0,
        "win_length": 1024,
        "window": "hann",
        "power": 2.0,
        "htk": False,
        "norm": "slaney",
        "tuning": 0.0,
        "ctroct": 5.0,
        "octwidth": 2.0,
        "frame_norm": None,
        "log": "none",
        "floor": 1e-10,
        "gain": 1.0,
    }
    assert FrontEndSpec(**CHROMA).norm == 2
    assert FrontEndSpec(**STFT).norm is None


def test_no_norm_is_not_the_default_norm():
    assert FrontEndSpec(**MEL, norm=None).norm is None
    assert FrontEndSpec(**CHROMA, norm=None).norm is None


@pytest.mark.parametrize("d", [MEL, CHROMA, STFT, {**CHROMA, "frame_norm": "max", "norm": None}])
def test_a_spec_survives_json(d):
    spec = FrontEndSpec.from_dict(d)
    again = FrontEndSpec.from_dict(json.loads(json.dumps(spec.to_dict())))
    assert again == spec
    assert hash(again) == hash(spec)


def test_left_open_and_stated_defaults_are_equal():
    assert FrontEndSpec(**MEL) == FrontEndSpec(**MEL, fmax=11025.0, win_length=1024)
    assert FrontEndSpec(**CHROMA) == FrontEndSpec(**CHROMA, norm=2, frame_norm="none")


@pytest.mark.parametrize(
    ("base", "change", "message"),
    [
        (MEL, {"kind": "mfcc"}, "kind is 'mfcc', expected one of 'mel', 'chroma', 'stft'"),
        (MEL, {"kind": None}, "kind is None"),
        (MEL, {"kind": ["mel"]}, "kind is"),
        (MEL, {"sr": 0}, "sr is 0, expected a whole number from 100 to 1000000"),
        (MEL, {"sr": 22050.5}, "sr is 22050.5"),
        (MEL, {"sr": True}, "sr is True"),
        (MEL, {"n_fft": 14}, "n_fft is 14, expected a whole number from 16 to 65536"),
        (MEL, {"n_fft": 131072}, "n_fft is 131072"),
        (MEL, {"n_fft": 255}, "n_fft is 255, .* half is a product of 2, 3 and 5; .* 250 and 256"),
        (MEL, {"n_fft": 1764}, "the nearest are 1728 and 1800"),
        (MEL, {"hop_length": 0}, "hop_length is 0"),
        (MEL, {"n_bins": 0}, "n_bins is 0"),
        (MEL, {"n_bins": 5000}, "n_bins is 5000"),
        (MEL, {"win_length": 1025}, "win_length is 1025, expected a whole number from 1 to 1024"),
        (MEL, {"win_length": 0}, "win_length is 0"),
        (MEL, {"window": "kaiser"}, "window is 'kaiser', expected one of 'blackman', .* 'hann'"),
        (MEL, {"power": 3.0}, "power is 3.0, expected one of 1.0, 2.0"),
        (MEL, {"power": math.nan}, "power is nan"),
        (MEL, {"log": "ln2"}, "log is 'ln2', expected one of 'none', 'ln', 'log10', 'db', 'log1p'"),
        (MEL, {"floor": 0.0}, "floor is 0.0"),
        (MEL, {"floor": math.inf}, "floor is inf"),
        (MEL, {"gain": -1}, "gain is -1, expected a finite number above 0"),
        (MEL, {"gain": "1"}, "gain is '1'"),
        (MEL, {"fmin": -1.0}, "fmin is -1.0, expected a finite number of at least 0"),
        (MEL, {"fmin": 500.0, "fmax": 500.0}, "fmax is 500.0, expected a finite number above 500"),
        (MEL, {"fmax": 11026}, "fmax is 11026 Hz, expected at most sr / 2 = 11025 Hz"),
        (MEL, {"norm": 2}, "norm is 2, expected one of 'slaney', None"),
        (MEL, {"htk": "yes"}, "htk is 'yes'"),
        (CHROMA, {"norm": "slaney"}, "norm is 'slaney'"),
        (CHROMA, {"norm": 0}, "norm is 0"),
        (CHROMA, {"tuning": math.nan}, "tuning is nan"),
        (CHROMA, {"ctroct": None}, "ctroct is None"),
        (CHROMA, {"octwidth": 0.0}, "octwidth is 0.0"),
        (CHROMA, {"frame_norm": "l2"}, "frame_norm is 'l2', expected one of None, 'max', 2"),
        (STFT, {"n_bins": 512}, r"n_bins is 512, expected 1 \+ n_fft / 2 = 513 for stft"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line(base, change, message):
    with pytest.raises(UsageError, match=message) as caught:
        FrontEndSpec(**{**base, **change})
    assert "\n" not in str(caught.value)


def test_unknown_and_missing_fields_are_refused():
    with pytest.raises(UsageError, match="front end has 'n_mels', expected only kind, sr"):
        FrontEndSpec.from_dict({**MEL, "n_mels": 80})
    with pytest.raises(UsageError, match="front end lacks 'n_bins'"):
        FrontEndSpec.from_dict({k: v for k, v in MEL.items() if k != "n_bins"})


def test_fields_of_other_kinds_are_ignored():
    FrontEndSpec(**STFT, frame_norm="whatever", fmax=1e9, tuning=math.nan)
    FrontEndSpec(**MEL, frame_norm="whatever", octwidth=-1)
    FrontEndSpec(**CHROMA, fmin=-3.0, htk="whatever")


@pytest.mark.parametrize("n_fft", [16, *(2**k for k in range(7, 15)), 65536, 400, 480, 1200, 250])
def test_supported_sizes_build_a_front_end(n_fft):
    FrontEnd(FrontEndSpec("stft", 12000, n_fft, 250, 1 + n_fft // 2))


def test_frames_per_step():
    assert FrontEndSpec(**MEL).frames_per_step(0.5) == 25
    assert FrontEndSpec("mel", 12000, 512, 250, 96).frames_per_step(0.5) == 24
    assert FrontEndSpec("mel", 44100, 2048, 882, 128).frames_per_step(0.1) == 5
    with pytest.raises(UsageError, match=r"a step of 0.5 s is 23.4375 frames .* whole number"):
        FrontEndSpec("mel", 12000, 512, 256, 96).frames_per_step(0.5)
    for bad in (0.0, -0.5, math.nan, math.inf):
        with pytest.raises(UsageError, match="whole number"):
            FrontEndSpec(**MEL).frames_per_step(bad)


def test_kinds_and_logs_are_those_of_the_contract():
    assert KINDS == ("mel", "chroma", "stft")
    assert LOGS == ("none", "ln", "log10", "db", "log1p")
