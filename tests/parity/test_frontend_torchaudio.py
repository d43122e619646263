"""The front end against torchaudio's MelSpectrogram, which many models were trained with."""

import numpy as np
import pytest
import torch
import torchaudio

from streammer.frontend import FrontEnd, FrontEndSpec

SPECS = {
    "live": FrontEndSpec("mel", 22050, 1024, 441, 80, fmin=30.0, fmax=11000.0),
    "htk": FrontEndSpec("mel", 16000, 512, 250, 96, htk=True, norm=None),
    "12khz": FrontEndSpec("mel", 12000, 512, 250, 96, norm=None),
    "255_of_256": FrontEndSpec("mel", 16000, 256, 160, 32, win_length=255),
    "magnitude": FrontEndSpec("mel", 22050, 2048, 512, 64, power=1.0),
    "44khz": FrontEndSpec("mel", 44100, 2048, 882, 128),
}


def torchaudios(spec, y):
    # In float64, filters included: in float32 torchaudio's narrow bands are off by 2.4e-4.
    torch.set_default_dtype(torch.float64)
    try:
        mel = torchaudio.transforms.MelSpectrogram(
            sample_rate=spec.sr, n_fft=spec.n_fft, win_length=spec.win_length,
            hop_length=spec.hop_length, f_min=spec.fmin, f_max=spec.fmax, n_mels=spec.n_bins,
            power=spec.power, center=False, norm=spec.norm,
            mel_scale="htk" if spec.htk else "slaney",
        )  # fmt: skip
        return mel(torch.from_numpy(y).double()).numpy().T
    finally:
        torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("name", SPECS)
def test_mel_is_torchaudios_within_1e_4_in_bins_within_50_db_of_the_maximum(name):
    spec = SPECS[name]
    rng = np.random.default_rng(11)
    t = np.arange(2 * spec.sr) / spec.sr
    y = 0.3 * np.sin(2 * np.pi * 523.25 * t) * np.exp(-3 * t) + 0.01 * rng.standard_normal(t.size)
    y = y.astype(np.float32)
    expected = torchaudios(spec, y)
    got = FrontEnd(spec).push(y)
    assert got.shape == expected.shape
    inside = expected > expected.max(axis=1, keepdims=True) * 10 ** (-50 / 20 * spec.power)
    assert inside.mean() > 0.1
    np.testing.assert_allclose(got[inside], expected[inside], rtol=1e-4)
