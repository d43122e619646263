"""What the report says of a live artefact is what that artefact predicted, and no other."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from offline.datasets import load_dataset
from offline.datasets.synthetic import make_dataset
from offline.evaluation.live.rows import adopt_live
from offline.features.cache import FeatureCache
from offline.recipes.load import load_recipe
from offline.runs import Predictions, begin_run
from streammer.inference.artefact import graph_hash

ZOO = Path(__file__).parents[2] / "models" / "zoo"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("adopted") / "data"
    make_dataset(root, "clips", n_songs=16)
    return root


def test_predictions_are_those_of_the_artefact_that_is_there(folder: Path, tmp_path: Path) -> None:
    dataset, live = load_dataset(folder), tmp_path / "live"
    fold = next(iter(_folds_with_songs(dataset)))
    begin_run(live, load_recipe("live"), folder, folder / "cache")
    (live / "artefacts").mkdir()
    artefact = live / "artefacts" / f"live-fold{fold}-seed0.onnx"
    held = []
    for name in ("default", "small", "small"):
        shutil.copy(ZOO / f"{name}.onnx", artefact)
        (run,) = adopt_live(
            live, dataset, folder, FeatureCache(folder / "cache").root, tmp_path / "runs", 1
        )
        held.append(Predictions.read(run.path / "predictions-test.npz"))
        assert run.hash == held[-1].of == graph_hash(artefact)
    assert not np.array_equal(np.concatenate(held[0].p), np.concatenate(held[1].p))
    assert np.array_equal(np.concatenate(held[1].p), np.concatenate(held[2].p))
    assert len(list((tmp_path / "runs").glob("*/predictions-test.npz"))) == 1


def _folds_with_songs(dataset) -> list[int]:
    from offline.datasets.splits import make_split

    return [f for f in range(5) if len(make_split(dataset.songs, f).test) > 1]
