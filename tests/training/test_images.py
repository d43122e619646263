"""Kept images of the spectral systems, and the weights that nets of Keras start from."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.audio.window import WindowNet
from offline.batches.clips import build_clips
from offline.batches.windows import windows_of
from offline.datasets import load_dataset
from offline.datasets.synthetic import make_dataset
from offline.features.cache import FeatureCache
from offline.recipes.load import load_recipe


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    make_dataset(root / "data", "clips", n_songs=12, sr=11025)
    return load_dataset(root / "data")


def _pieces(songs, recipe, root):
    return build_clips(songs, [s.uid for s in songs], recipe, FeatureCache(root)).items


@pytest.mark.parametrize(
    ("name", "mode", "labels", "image"),
    [
        ("crnn-gru3", "corrected", "dynamic", [129, 96]),
        ("crnn-res", "corrected", "dynamic", [64, 64]),
        ("conv", "original", "dynamic", [129, 96]),
        ("crnn-gru3", "original", "static", [129, 96]),
    ],
)
def test_a_net_says_of_a_kept_image_what_it_says_of_the_frames(
    songs, tmp_path, name, mode, labels, image
):
    recipe = load_recipe(
        name, mode=mode, labels=labels,
        changes={"network.width": 0.0625, "network.image": image, "data.song_s": 10.0},
    )  # fmt: skip
    labelled = _pieces(songs, recipe, tmp_path)[0]
    assert labelled.images is not None
    at = np.arange(len(labelled.ends))
    kept = windows_of(labelled, at, recipe, 3500)
    frames = windows_of(replace(labelled, images=None), at, recipe, 3500)
    assert kept.size < frames.size / 4
    torch.manual_seed(0)
    net = recipe.kind.make(recipe).network().eval()
    with torch.no_grad():
        said, wanted = net(torch.from_numpy(kept)), net(torch.from_numpy(frames))
    assert torch.equal(said, wanted)  # an image of the right size is not resized again


def test_images_are_made_once_and_again_when_damaged(songs, tmp_path, monkeypatch):
    from offline.features import images

    made = []
    real = images._images

    def counted(*args, **kwargs):
        made.append(1)
        return real(*args, **kwargs)

    monkeypatch.setattr(images, "_images", counted)
    recipe = load_recipe("crnn-gru3", changes={"network.image": [129, 96]})
    first = _pieces(songs, recipe, tmp_path)
    n = len(made)
    assert n == len(first) > 0
    _pieces(songs, recipe, tmp_path)
    assert len(made) == n
    kept = next(tmp_path.glob("*-*/*.npy"))
    kept.unlink()  # cut in place, the map that is open would fault
    kept.write_bytes(b"half")
    again = _pieces(songs, recipe, tmp_path)
    assert len(made) == n + 1
    assert all(np.array_equal(a.images, b.images) for a, b in zip(first, again, strict=True))


def test_images_larger_than_their_frames_are_not_kept(songs, tmp_path):
    recipe = load_recipe("crnn-gru3")  # 129 x 1024, as published
    assert _pieces(songs, recipe, tmp_path)[0].images is None


def test_window_nets_start_from_the_weights_of_keras():
    torch.manual_seed(0)
    weight, bias = (w.detach() for w in WindowNet("window-m2").body[3].parameters())
    limit = np.sqrt(6 / (2 * 16 * 100))  # Glorot, 10x10 from 16 to 16 channels
    assert 0.99 * limit < float(weight.abs().max()) <= limit * (1 + 1e-6)
    assert not bias.any()


def test_the_maps_of_window_m2_live_through_adams_first_steps():
    """With torch's weights at 1e-3 all sixteen were dead after eight."""
    torch.manual_seed(0)
    net, lr = WindowNet("window-m2"), load_recipe("window-m2").training.lr
    x = torch.rand(16, 71, 96) ** 4
    y = 0.3 * torch.randn(16, 1) + 0.14
    net.mean += net.decibels(x).mean()
    net.std *= net.decibels(x).std()
    optimiser = torch.optim.Adam(net.parameters(), lr=lr)
    for _ in range(8):
        optimiser.zero_grad()
        (net(x) - y).square().mean().backward()
        optimiser.step()
    with torch.no_grad():
        maps = net.body[:5](net.compress(x).transpose(1, 2).unsqueeze(1))
    assert float((maps.amax((0, 2, 3)) > 0).float().mean()) > 0.5
