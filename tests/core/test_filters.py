"""Windows, filter matrices and how they are packed (librosa's own are in tests/parity)."""

import numpy as np
import pytest

from streammer.frontend.filters import WINDOWS, mel_filters, packed, packed_identity, window


@pytest.mark.parametrize("name", WINDOWS)
@pytest.mark.parametrize("n", [2, 255, 256])
def test_windows_are_periodic_and_at_most_one(name, n):
    w = window(name, n, n)
    # a periodic window of n is a symmetric one of n + 1 without its end
    np.testing.assert_allclose(w[1:], w[1:][::-1], atol=1e-12)
    assert w.max() <= 1 + 1e-12
    assert w.min() > -1e-3


@pytest.mark.parametrize(
    ("win_length", "n_fft", "left"), [(255, 256, 0), (250, 256, 3), (1, 16, 7)]
)
def test_a_short_window_is_padded_in_the_centre(win_length, n_fft, left):
    w = window("hamming", win_length, n_fft)
    inside = np.zeros(n_fft, bool)
    inside[left : left + win_length] = True
    assert (w[inside] > 0).all()
    assert not w[~inside].any()


def unpacked(weights, bands, n_freqs):
    matrix = np.zeros((bands.shape[0], n_freqs + 7), np.float32)
    for row, (first, eights, at) in zip(matrix, bands, strict=True):
        row[first : first + 8 * eights] = weights[at : at + 8 * eights]
    assert not matrix[:, n_freqs:].any()
    return matrix[:, :n_freqs]


def test_packing_keeps_every_weight_and_little_else():
    filters = mel_filters(
        sr=44100, n_fft=2048, n_bins=128, fmin=0.0, fmax=22050.0, htk=False, norm="slaney"
    )
    weights, bands = packed(filters)
    assert np.array_equal(unpacked(weights, bands, 1025), filters.astype(np.float32))
    assert weights.size < 2 * 1025 + 8 * 128


def test_packing_knows_holes_and_empty_filters():
    filters = np.zeros((4, 9))
    filters[0, [0, 8]] = 1.0, 2.0
    filters[2, 8] = 3.0
    filters[3, 4] = 1e-60  # zero in float32
    weights, bands = packed(filters)
    assert bands[:, 1].tolist() == [2, 0, 1, 0]
    assert np.array_equal(unpacked(weights, bands, 9), filters.astype(np.float32))
    empty = packed(np.zeros((2, 9)))
    assert empty.weights.size == 0
    assert not empty.bands.any()


def test_the_packed_identity_is_the_identity_packed():
    for got, expected in zip(packed_identity(17), packed(np.eye(17)), strict=True):
        assert np.array_equal(got, expected)
        assert got.dtype == expected.dtype
