"""Causal layers: the future never matters, and step by step equals all at once."""

import pytest
import torch

from models.layers import AdaptiveGain, CausalConv2d, RunningMean
from models.live.ensemble import LiveEnsemble
from models.live.mlp import HEADS, Mlp, MlpEnsemble, scaled
from models.live.mood import KernelMood, LiveModel
from models.live.net import LiveConfig, LiveNet
from models.live.texture import Texture

TINY = LiveConfig(channels=(4, 4, 6, 8), embedding=12, keys=4, stat_size=8)


def _sound(batch: int, steps: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    mel = torch.rand(batch, 25 * steps, 80, generator=rng) ** 6 * 20
    return mel, torch.rand(batch, 5 * steps, 12, generator=rng) ** 2


def _net(seed: int) -> LiveNet:
    torch.manual_seed(seed)
    net = LiveNet(TINY)
    net(*_sound(3, 6), *net.zero_state(3))  # gives batch norm something to know
    torch.nn.init.normal_(net.heads.weight, 0, 0.1)
    return net.eval()


def _kernel() -> KernelMood:
    texture = Texture(threshold=1.3)
    mel, chroma = _sound(4, 1)
    features = texture(mel, chroma, *texture.zero_state(4))[0]
    n = features.shape[1]
    rng = torch.Generator().manual_seed(2)
    scale = torch.full((n,), 1 / n**0.5)
    project = torch.linalg.qr(torch.randn(n, n - 20, generator=rng))[0]
    return KernelMood(
        texture, torch.randn(9, n, generator=rng) * scale @ project, features.mean(0), scale,
        5 * scale, project, 0.3, torch.randn(9, 5, generator=rng),
        torch.randn(9, 2, generator=rng) / 9, torch.zeros(7),
    )  # fmt: skip


def _mlps(size: int) -> tuple[MlpEnsemble, list[Mlp]]:
    torch.manual_seed(3)
    members = [Mlp(size, 16, 5, 0.4).eval() for _ in range(3)]
    shift, scale = torch.randn(size), torch.rand(size)
    factor = torch.tensor([1.0, 1.0, 3.0, 3.0])
    return MlpEnsemble(members, shift, scale, torch.arange(4.0), factor, 2.0), members


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
def test_network_ignores_the_future_and_steps_as_it_runs() -> None:
    net = _net(0)
    mel, chroma = _sound(2, 8)
    whole = net(mel, chroma, *net.zero_state(2))[0]
    later = mel.clone()
    later[:, 100:] *= 9
    assert torch.equal(whole[:, :4], net(later, chroma, *net.zero_state(2))[0][:, :4])
    state, parts = net.zero_state(2), []
    for k in range(8):
        y, *state = net(mel[:, 25 * k : 25 * k + 25], chroma[:, 5 * k : 5 * k + 5], *state)
        parts.append(y)
    assert torch.allclose(whole, torch.cat(parts, 1), atol=1e-5)


@torch.no_grad()
def test_ensemble_equals_its_members() -> None:
    nets = [_net(seed) for seed in range(3)]
    ensemble = LiveEnsemble(nets)
    mel, chroma = _sound(2, 5)
    raw = ensemble.members_raw(mel, chroma, *ensemble.zero_state(2))[0]
    for k, net in enumerate(nets):
        alone = net(mel, chroma, *net.zero_state(2))[0][..., :6]
        assert torch.allclose(raw[:, :, k], alone, atol=1e-5)


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


@torch.no_grad()
def test_shipped_module_says_the_middle_far_from_all_songs() -> None:
    kernel = _kernel()
    far = torch.where(torch.arange(kernel.shift.shape[0]) % 2 == 0, 1e6, -1e6)[None]
    assert kernel.read(far).abs().max() < 1e-3 + kernel.heads.abs().sum() * 1e-2


@torch.no_grad()
def test_mlps_side_by_side_say_the_mean_of_each() -> None:
    bag, members = _mlps(30)
    x = torch.randn(5, 30, generator=torch.Generator().manual_seed(4)) * 3
    z = scaled(x, bag.shift, bag.scale, 2.0)
    mean = torch.stack([m(z)[:, :HEADS] for m in members]).mean(0)
    expected = bag.offset + torch.tensor([1.0, 1.0, 3.0, 3.0]) * mean
    assert torch.allclose(bag(x), expected, atol=1e-5)


@torch.no_grad()
def test_shipped_module_does_not_mix_streams() -> None:
    kernel = _kernel()
    model = LiveModel(
        kernel, LiveEnsemble([_net(0)]), (0.0, 0.4, 0.0, 0.0), 0.5,
        mlps=_mlps(len(kernel.shift))[0], mlp_share=(0.5, 0.5, 0.5, 0.5),
    )  # fmt: skip
    mel, chroma = _sound(3, 4)
    together, alone = model.zero_state(3), model.zero_state(1)
    for k in range(4):
        part = mel[:, 25 * k : 25 * k + 25], chroma[:, 5 * k : 5 * k + 5]
        a, *together = model(*part, *together)
        b, *alone = model(*(x[1:2] for x in part), *alone)
        assert a.shape == (3, 6)
        assert torch.allclose(a[1:2], b, atol=1e-5)
    assert bool((a[:, 2:4] > 0).all())
    assert bool(((a[:, 4:] >= 0) & (a[:, 4:] <= 1)).all())
