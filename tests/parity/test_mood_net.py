"""The live network: the whole segment equals step by step, nothing looks ahead, zero is a start."""

from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from models.layers import TrailingWindows
from models.live.mood_net import MoodNet, MoodNetConfig
from models.live.mood_step import OUTPUTS, MoodStep
from offline.export.card import REQUIRED
from offline.export.onnx import export_model
from streammer.frontend import FrontEndSpec
from streammer.inference.artefact import read_artefact
from streammer.inference.model import load_model

TINY = MoodNetConfig(
    channels=(4, 4, 6, 8), embedding=12, statistics=10, hidden=16,
    auxiliary={"genre": 3, "teacher": 7},
)  # fmt: skip
FRONT_ENDS = {
    "features.mel": FrontEndSpec("mel", 22050, 1024, 441, 80, fmin=30.0, fmax=11000.0),
    "features.chroma": FrontEndSpec("chroma", 22050, 8192, 2205, 12),
}


def sound(batch, steps, seed=1):
    """Mel power and chroma that change after half the steps, so that the memory is cleared."""
    rng = torch.Generator().manual_seed(seed)
    mel = torch.rand(batch, 25 * steps, 80, generator=rng) ** 6 * 20
    mel[:, 25 * (steps // 2) :, 40:] *= 50
    return mel, torch.rand(batch, 5 * steps, 12, generator=rng) ** 2


def network(config=TINY, seed=0):
    """A network with no layer at rest: statistics scaled, norms trained, sigma's head alive."""
    torch.manual_seed(seed)
    net = MoodNet(config)
    mel, chroma = sound(3, 8)
    with torch.no_grad():
        x, *_ = net.statistics(mel, chroma, *net.zero_state(3)[: net.n_texture])
        net.shift.copy_(x.mean((0, 1)))
        net.scale.copy_(1 / (x.std((0, 1)) + 0.1))
        net(mel, chroma)  # gives batch norm something to know
        for head in net.heads.values():
            torch.nn.init.normal_(head.weight, 0, 0.6)
    return net.eval()


def step_by_step(module, mel, chroma):
    state, out = module.zero_state(len(mel)), []
    for t in range(mel.shape[1] // 25):
        mood, *state = module(mel[:, 25 * t :][:, :25], chroma[:, 5 * t :][:, :5], *state)
        out.append(mood)
    return torch.stack(out, 1)


@torch.no_grad()
@pytest.mark.parametrize(
    "config",
    [TINY, replace(TINY, channels=()), replace(TINY, smoothing_s=0),
     replace(TINY, channels=(4, 6, 8)), replace(TINY, link=0.1)],
)  # fmt: skip
def test_a_whole_segment_equals_step_by_step(config):
    module = MoodStep(network(config), sigma_scale=(1.2, 0.8), logit_scale=(0.9, 1.1))
    mel, chroma = sound(2, 24)
    whole, *_ = module.sequence(mel, chroma, *module.zero_state(2))
    assert whole.std(1).min() > 1e-3  # every output moves
    assert torch.allclose(whole, step_by_step(module, mel, chroma), atol=1e-5, rtol=0)


@torch.no_grad()
def test_states_may_be_carried_over_at_any_step():
    module = MoodStep(network())
    mel, chroma = sound(2, 12)
    whole, *end = module.sequence(mel, chroma, *module.zero_state(2))
    first, *state = module.sequence(mel[:, :125], chroma[:, :25], *module.zero_state(2))
    rest, *last = module.sequence(mel[:, 125:], chroma[:, 25:], *state)
    assert torch.allclose(whole, torch.cat((first, rest), 1), atol=1e-5, rtol=0)
    for a, b in zip(end, last, strict=True):
        assert torch.allclose(a, b, atol=1e-4, rtol=1e-5)


@torch.no_grad()
def test_the_future_never_matters():
    module = MoodStep(network())
    mel, chroma = sound(1, 10)
    before, *_ = module.sequence(mel, chroma, *module.zero_state(1))
    mel[:, 150:] += 3
    chroma[:, 30:] = 0.5
    after, *_ = module.sequence(mel, chroma, *module.zero_state(1))
    assert torch.equal(before[:, :6], after[:, :6])
    assert not torch.allclose(before[:, 6:], after[:, 6:], atol=1e-3)


@torch.no_grad()
def test_zeroing_a_slot_starts_it_afresh_beside_one_that_goes_on():
    module = MoodStep(network())
    assert not any(s.any() for s in module.zero_state(2))
    mel, chroma = sound(2, 12)
    fresh, *_ = module.sequence(mel[:1, 150:], chroma[:1, 30:], *module.zero_state(1))
    whole, *_ = module.sequence(mel, chroma, *module.zero_state(2))
    _, *state = module.sequence(mel[:, :150], chroma[:, :30], *module.zero_state(2))
    for s in state:
        s[0] = 0
    rest, *_ = module.sequence(mel[:, 150:], chroma[:, 30:], *state)
    assert torch.allclose(rest[:1], fresh, atol=1e-5, rtol=0)
    assert torch.allclose(rest[1:], whole[1:, 6:], atol=1e-5, rtol=0)


@torch.no_grad()
def test_the_first_estimate_is_smoothed_with_nothing():
    net, (mel, chroma) = network(), sound(2, 4)
    smooth = MoodStep(net)
    plain = MoodStep(network(replace(TINY, smoothing_s=0.0)))
    a, *_ = smooth.sequence(mel, chroma, *smooth.zero_state(2))
    b, *_ = plain.sequence(mel, chroma, *plain.zero_state(2))
    assert torch.allclose(a[:, 0], b[:, 0], atol=1e-6)
    weight = np.exp(-1.0)  # of the step before, for a time constant of one step
    assert torch.allclose(
        a[:, 1, :2], (b[:, 1, :2] + weight * b[:, 0, :2]) / (1 + weight), atol=1e-6
    )


@torch.no_grad()
def test_what_is_published_stays_in_its_range():
    net = network()
    for name in ("mood", "ln_sigma", "half_planes"):
        net.heads[name].weight.mul_(100)
    module = MoodStep(net, sigma_max=(0.24, 0.29))
    mood, *_ = module.sequence(*sound(4, 8), *module.zero_state(4))
    assert mood[..., :2].abs().max() == 1
    assert (mood[..., 2:4] > 0).all()
    assert (mood[..., 2:4] <= torch.tensor([0.24, 0.29])).all()
    assert ((mood[..., 4:] >= 0) & (mood[..., 4:] <= 1)).all()


def test_calibration_scales_sigma_and_logits():
    net, given = network(), sound(2, 6)
    plain, scaled = MoodStep(net), MoodStep(net, sigma_scale=(1.5, 0.5), logit_scale=(0.5, 2.0))
    with torch.no_grad():
        a, b = (m.sequence(*given, *m.zero_state(2))[0] for m in (plain, scaled))
    assert torch.allclose(b[..., 2:4], (a[..., 2:4] * torch.tensor([1.5, 0.5])).clamp(max=1))
    logits = torch.logit(a[..., 4:].double()) * torch.tensor([0.5, 2.0])
    assert torch.allclose(b[..., 4:].double(), torch.sigmoid(logits), atol=1e-5)


def test_auxiliary_heads_are_trained_and_left_behind_in_an_artefact(tmp_path):
    net = network(replace(MoodNetConfig(), auxiliary={"teacher": 250}))
    heads, *_ = net(*sound(1, 2))
    assert heads["teacher"].shape == (1, 2, 250)
    meta = {
        "name": "mood", "version": "1", "step_s": 0.5, "outputs": list(OUTPUTS), "warmup_s": 3.0,
        "prior": {a: {"mean": 0.0, "sd": 0.25} for a in ("valence", "arousal")},
        "licence": "none", "trained_on": "nothing",
    }  # fmt: skip
    path = export_model(
        MoodStep(net), FRONT_ENDS, meta, tmp_path, dict.fromkeys(REQUIRED, "a test")
    )
    assert Path(path).stat().st_size <= 4 * 2**20
    graph = onnx.load_model_from_string(read_artefact(path)).graph
    assert not any(250 in w.dims for w in graph.initializer)
    mood, _ = load_model(path).step(
        {"features.mel": np.ones((1, 25, 80), np.float32),
         "features.chroma": np.ones((1, 5, 12), np.float32)},
        load_model(path).zero_state(1),
    )  # fmt: skip
    assert mood.shape == (1, 6)


@torch.no_grad()
def test_statistics_are_never_in_half_precision():
    net, (mel, chroma) = network(), sound(2, 6)
    plain, *_ = net.statistics(mel, chroma, *net.zero_state(2)[: net.n_texture])
    with torch.autocast("cpu", torch.bfloat16):
        mixed, *_ = net.statistics(mel, chroma, *net.zero_state(2)[: net.n_texture])
    assert torch.equal(plain, mixed)


def test_a_network_computes_where_its_input_is(monkeypatch):
    net = network().to("meta")  # a device like any other, but that nothing is computed
    monkeypatch.setattr(torch, "autocast", lambda *a, **k: nullcontext())  # it knows none of that
    heads, *state = net(*(x.to("meta") for x in sound(2, 3)))
    assert {x.device.type for x in (*heads.values(), *state)} == {"meta"}


def test_a_patch_is_five_frames_of_four_bands():
    convs = network(replace(TINY, channels=(4, 6, 8))).convs
    x = torch.arange(50 * 80).view(1, 50, 80).float()
    patches = convs._patched(x)
    assert patches.shape == (1, 20, 10, 20)
    assert patches[0, :, 3, 7].tolist() == x[0, 15:20, 28:32].flatten().tolist()


def test_the_link_adds_what_positive_knows_to_valence_and_takes_nothing_back():
    net, given = network(replace(TINY, link=0.05)), sound(2, 3)
    heads, *_ = net(*given)
    net.link.data.zero_()
    plain, *_ = net(*given)
    sure = heads["half_planes"].clamp(-4, 4)
    assert torch.allclose(heads["mood"], plain["mood"] + 0.05 * sure, atol=1e-6)
    net(*given)[0]["mood"].sum().backward()
    assert net.heads["half_planes"].weight.grad is None
    assert net.link.grad.abs().sum() > 0


def test_gradients_reach_both_inputs_layers():
    net = network().train()
    heads, *_ = net(*sound(2, 4))
    sum(h.square().sum() for h in heads.values()).backward()
    for name, weight in net.named_parameters():
        assert weight.grad is not None, name
        assert torch.isfinite(weight.grad).all(), name
        assert weight.grad.abs().sum() > 0, name


@torch.no_grad()
@pytest.mark.parametrize("pushed", [1, 3, 9])
def test_trailing_windows_are_of_what_was_there(pushed):
    layer = TrailingWindows((2, 5))
    x = torch.rand(2, 9, 3, generator=torch.Generator().manual_seed(0))
    state, out = layer.zero_state(2, 3), []
    for k in range(0, 9, pushed):
        y, state = layer(x[:, k : k + pushed], state)
        out.append(y)
    given = torch.cat(out, 1)
    for t in range(9):
        parts = [x[:, max(0, t + 1 - w) : t + 1] for w in (2, 5)]
        wanted = torch.cat([f for p in parts for f in (p.mean(1), p.amax(1))], 1)
        assert torch.allclose(given[:, t], wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [({"channels": (4, 4)}, "expected 3, 4 or none"), ({"statistics": 0}, "at least 1")],
)
def test_sizes_that_cannot_be_are_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        replace(TINY, **wrong)
