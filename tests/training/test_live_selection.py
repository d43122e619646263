"""What is chosen and fitted for a held-out fold is chosen and fitted without it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from models.live.mood_net import MoodNet
from offline.batches.live.data import LiveData
from offline.batches.live.load import load_live
from offline.batches.live.teaching import fit_teaching
from offline.cli.live import evaluate as evaluate_run
from offline.datasets.nested import Folds
from offline.datasets.synthetic import make_dataset
from offline.evaluation.ledger import LEDGER
from offline.export.live import export_shipped
from offline.features.cache import FeatureCache
from offline.features.teacher import TagTable
from offline.recipes.load import load_recipe
from offline.training.live.run import networks_of
from offline.training.live.system import MoodSystem
from offline.training.live.train import train_live
from streammer.errors import UsageError

SMALL = {
    "network.options.net.channels": [4, 4, 6, 8],
    "network.options.net.embedding": 12,
    "network.options.net.statistics": 12,
    "network.options.net.hidden": 16,
    "network.options.mix": {"curve": 8, "quadrant": 4, "cluster": 2, "sound": 2},
    "network.options.folds": 4,
    "network.options.sounds": 3,
    "training.epochs": 1,
    "training.distil_seeds": 0,
    "training.weights": {"mood": 10.0, "sigma": 0.2, "half_planes": 0.5},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("selection")
    make_dataset(root, "clips", n_songs=24)
    make_dataset(root / "4q", "4q", n_songs=12, seconds=20.0)
    return root


@pytest.fixture(scope="module")
def data(folder: Path) -> LiveData:
    return load_live(folder, FeatureCache(folder / "cache"), sounds=3)


def test_a_run_of_selection_is_trained_and_scored_without_its_outer_fold(
    folder: Path, tmp_path: Path
) -> None:
    recipe = load_recipe("live", changes={**SMALL, "data.fold": 1, "data.inner": 2})
    data = train_live(recipe, folder, folder / "cache", tmp_path / "inner")
    assert not data.where("curve", (1,))
    assert not data.where("quadrant", (1,))
    assert {m.name for m in networks_of(recipe)} == {"fold2-seed0"}
    kept = sorted(p.name for p in (tmp_path / "inner" / "networks").iterdir())
    assert kept == ["fold2-seed0"]
    lines = evaluate_run(tmp_path / "inner", None, None, 1)
    assert lines[0] == "selection: inner fold 2 of outer fold 1, which was put away"
    assert any("skill valence" in line for line in lines)
    assert not (tmp_path / LEDGER).exists()
    with pytest.raises(UsageError, match="a run of selection ships nothing"):
        export_shipped(tmp_path / "inner", data, tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data.fold": 1, "data.inner": 1}, "the outer fold chooses nothing"),
        ({"data.inner": 7}, "expected one of 1, 2, 3"),
        ({"data.inner": 1, "network.options.folds": 3}, "at least 4 for selection"),
        ({"data.fold": 1}, "has an effect only with data.inner"),
    ],
)
def test_folds_of_selection_that_there_are_not_are_refused(
    folder: Path, tmp_path: Path, changes: dict[str, int], said: str
) -> None:
    recipe = load_recipe("live", changes={**SMALL, **changes})
    with pytest.raises(UsageError, match=said):
        train_live(recipe, folder, folder / "cache", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_nothing_that_a_network_is_fitted_with_changes_with_the_held_out_fold(
    data: LiveData,
) -> None:
    """Labels and sound of the fold are others: statistics, centres, targets must not notice."""
    outer = 1
    folds = Folds(outer, 4).train
    generator = torch.Generator().manual_seed(0)

    def other(x: Tensor) -> Tensor:
        return x * (0.1 + torch.rand(x.shape, generator=generator))

    held = [c.fold == outer for c in data.clips]
    changed = LiveData(
        [replace(c, labels=-c.labels) if h else c for c, h in zip(data.clips, held, strict=True)],
        [other(x) if h else x for x, h in zip(data.mel, held, strict=True)],
        [other(x) if h else x for x, h in zip(data.chroma, held, strict=True)],
    )
    assert any(held)

    def fitted(own: LiveData, train: tuple[int, ...]) -> list[Tensor]:
        rng = np.random.default_rng(1)
        tables = {}
        for i, h in enumerate(held):
            pooled, logits = rng.normal(size=(4, 6)), rng.normal(size=(4, 5))
            if h and own is changed:
                pooled, logits = 3 * pooled + 1, -2 * logits
            tables[i, 0] = TagTable(
                np.arange(5, 21, 5), pooled.astype(np.float32), logits.astype(np.float32)
            )
        taught = fit_teaching(own, tables, train, 3)
        assert taught is not None
        system = MoodSystem(load_recipe("live", changes=SMALL), own, train, taught)
        net = system.network()
        assert isinstance(net, MoodNet)
        system.prepare(net, system.batches(0))
        kept = next(i for i, h in enumerate(held) if not h)
        soft = torch.from_numpy(taught.steps(kept, 0, 20, 0)[0])
        return [net.texture.change_sd, net.shift, net.scale, system.fitted.centre,
                system.fitted.spread, soft]  # fmt: skip

    for a, b in zip(fitted(data, folds), fitted(changed, folds), strict=True):
        assert torch.equal(a, b)
    every = (0, 1, 2, 3)  # where the fold does train all of them notice
    for a, b in zip(fitted(data, every), fitted(changed, every), strict=True):
        assert not torch.equal(a, b)
