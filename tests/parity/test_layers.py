"""Causal layers: the future never matters, and step by step equals all at once."""

import pytest
import torch

from models.layers import AdaptiveGain, CausalConv2d, RunningMean
from models.live.texture import Texture


def _sound(batch: int, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    mel = torch.rand(batch, 25 * steps, 80, generator=rng) ** 6 * 20
    return mel, torch.rand(batch, 5 * steps, 12, generator=rng) ** 2


@torch.no_grad()
@pytest.mark.parametrize("change_at", [1, 7, 30])
def test_running_mean_ignores_the_future(change_at: int) -> None:
    layer = RunningMean((3.0, 20.0))
    x = torch.rand(2, 40, 5)
    y = x.clone()
    y[:, change_at:] += 1
    a, b = (layer(v, layer.zero_state(2, 5))[0] for v in (x, y))
    assert torch.equal(a[:, :change_at], b[:, :change_at])
    assert not torch.allclose(a[:, change_at:], b[:, change_at:])


@torch.no_grad()
def test_running_mean_is_the_mean_at_first_and_fades_as_its_constant_says() -> None:
    layer = RunningMean((10.0,))
    x = torch.cat((torch.ones(1, 200, 1), torch.zeros(1, 10, 1)), 1)
    y = layer(x, layer.zero_state(1, 1))[0]
    assert y[0, 0, 0, 0] == 1
    assert y[0, -1, 0, 0] == pytest.approx(torch.e**-1, abs=1e-3)


@torch.no_grad()
def test_adaptive_gain_cancels_any_gain() -> None:
    layer = AdaptiveGain(150.0)
    mel, _ = _sound(2, 4)
    a, b = (layer(mel * g, layer.zero_state(2))[0] for g in (1.0, 16.0))
    assert torch.allclose(a, b, atol=1e-4)


@torch.no_grad()
def test_convolution_in_blocks_equals_the_whole() -> None:
    layer = CausalConv2d(1, 3, (10, 5), (5, 2)).eval()
    x = torch.rand(2, 1, 50, 80)
    whole, _ = layer(x, layer.zero_state(2, 80))
    state, parts = layer.zero_state(2, 80), []
    for block in x.split(10, 2):
        y, state = layer(block, state)
        parts.append(y)
    assert torch.allclose(whole, torch.cat(parts, 2), atol=1e-6)


def test_convolution_refuses_a_stride_beyond_its_kernel() -> None:
    with pytest.raises(ValueError, match="at least 5"):
        CausalConv2d(1, 1, (3, 3), (5, 1))


@torch.no_grad()
def test_texture_does_not_hear_gain() -> None:
    texture = Texture()
    mel, chroma = _sound(2, 6)
    heard = []
    for gain in (1.0, 0.1):
        state = texture.zero_state(2)
        for k in range(6):
            features, _, *state = texture(
                gain * mel[:, 25 * k : 25 * k + 25], gain * chroma[:, 5 * k : 5 * k + 5], *state
            )
        heard.append(features)
    assert torch.allclose(*heard, atol=2e-3)


@torch.no_grad()
def test_texture_clears_its_memory_when_the_sound_changes() -> None:
    texture = Texture(threshold=0.8)
    mel, chroma = _sound(1, 1)
    dark = mel * torch.logspace(0, -6, 80)
    state, weights = texture.zero_state(1), []
    for k in range(14):
        _, _, *state = texture(mel if k < 8 else dark, chroma, *state)
        weights.append(float(state[3][0, -1]))
    assert weights[7] > 4
    assert min(weights[8:]) < 1
    assert weights[-1] > 1
