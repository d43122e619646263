"""The live model from a folder to an artefact, on synthetic songs; refusals of bad data."""

import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
import torch

from offline.batches.live.batches import STEPS, Batches
from offline.batches.live.data import LiveData
from offline.batches.live.load import check_labels, load_live
from offline.batches.live.statistics import Rows, make_rows
from offline.datasets.synthetic import make_dataset
from offline.evaluation.ledger import readings
from offline.evaluation.live import baselines
from offline.evaluation.live.one import score_artefact
from offline.evaluation.live.predict import run_clips
from offline.evaluation.live.scores import constant_of, half_scores, mood_scores
from offline.export.live import export_folds, export_shipped
from offline.export.live_card import write_prose
from offline.features.cache import FeatureCache
from offline.features.nonmusic import KINDS, SR, make_sound, not_music
from offline.prose import CARDS, prose_of
from offline.recipes.live import plan_of
from offline.recipes.load import load_recipe, recipe_from
from offline.recipes.recipe import Recipe
from offline.reporting.live.table import table_lines
from offline.training.live.build import train_live
from offline.training.live.members import Member, train_member
from offline.training.live.run import members_of
from streammer.errors import InputError, UsageError
from streammer.inference.artefact import read_metadata
from streammer.inference.model import load_model

SMALL = {
    "network.options.net.channels": [4, 4, 6, 8],
    "network.options.net.embedding": 12,
    "network.options.kernel.songs": 20,
    "network.options.kernel.clips": 12,
    "network.options.mlps": {"members": 2, "hidden": 16},
    "network.options.mix": {"curve": 8, "quadrant": 4, "cluster": 2, "sound": 2},
    "network.options.folds": 2,
    "network.options.seeds": 1,
    "training.epochs": 2,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    make_dataset(root, "clips", n_songs=26)
    make_dataset(root / "4q", "4q", n_songs=12, seconds=20.0)
    return root


@pytest.fixture(scope="module")
def data(folder: Path) -> LiveData:
    return load_live(folder, FeatureCache(folder / "cache"), sounds=9)


def _recipe(**changes: object) -> Recipe:
    return load_recipe("live", changes={**SMALL, **changes})


def test_folder_gives_labels_at_the_end_of_each_step(data: LiveData) -> None:
    clips = data.first_clips((0, 1, 2, 3, 4))
    assert len(clips) == 26 - 6  # the songs of 2015 are in no fold
    assert all(len(data.clips[i].labels) == 20 == len(data.mel[i]) for i in clips)
    assert len(data.where("quadrant", (0, 1, 2, 3, 4))) == 12
    assert len(data.where("sound", (-1,))) == 9


def test_rows_of_a_fold_hear_nothing_of_the_others(data: LiveData) -> None:
    from models.live.texture import Texture

    plan = plan_of(_recipe())
    moods, half_planes = make_rows(data, Texture(threshold=1.35), plan.copied)
    assert np.isfinite(moods.x).all()
    assert np.isfinite(half_planes.x).all()
    assert set(moods.fold.tolist()) <= {-1, 0, 1, 2, 3, 4}
    assert not moods.landmark[moods.fold < 0].any()
    songs = len(data.first_clips((0, 1, 2, 3, 4)))
    weight = moods.weight[moods.fold >= 0].sum()
    assert weight == pytest.approx(songs * 1.5, rel=1e-6)  # fresh .6, spliced .4, copies .5


def test_batches_are_the_same_after_a_restart_and_know_what_they_know(data: LiveData) -> None:
    plan = plan_of(_recipe())
    first, second = (next(iter(Batches(data, (0, 1, 2), plan, 3).epoch(1))) for _ in range(2))
    assert torch.equal(first.mel, second.mel)
    assert first.mel.shape[1:] == (STEPS * 25, 80)
    known = first.weights["mood"] > 0
    assert torch.equal(
        first.targets["mood"][~known], torch.zeros_like(first.targets["mood"][~known])
    )


def test_a_killed_member_goes_on_to_the_same_weights(data: LiveData, tmp_path: Path) -> None:
    recipe = _recipe()
    plan, member = plan_of(recipe), Member(0, 0)
    whole = train_member(data, recipe, plan, member, tmp_path / "a.pt")
    train_member(data, recipe, plan, member, tmp_path / "b.pt", stop=lambda epoch: epoch == 1)
    resumed = train_member(data, recipe, plan, member, tmp_path / "b.pt")
    for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_folder_to_artefact(folder: Path, tmp_path: Path) -> None:
    recipe, run = _recipe(), tmp_path / "run"
    data = train_live(recipe, folder, folder / "cache", run)
    export_folds(run, data)
    path = export_shipped(run, data, tmp_path / "zoo", name="tiny")
    model = load_model(path)
    assert model.outputs[:4] == ("valence", "arousal", "sigma_valence", "sigma_arousal")
    songs = data.first_clips((0, 1, 2, 3, 4))
    moods = run_clips(model, data, songs, 20)
    y = np.stack([data.clips[i].labels[5:20] for i in songs])
    scores = mood_scores(y, moods[:, 5:, :2], constant_of(data, range(5)))
    assert scores["skill_valence"] > 0.2  # fitted on them: it must beat the constant
    held_path = run / "artefacts" / f"live-{members_of(plan_of(recipe))[0].name}.onnx"
    held = load_model(held_path)
    # A fold that was held out is read, and that is written down; another is named in-sample.
    for body, times in (
        (score_artefact(held_path, data, (0, 1), run), 1),
        (score_artefact(path, data, (0,), run), 1),
    ):
        assert readings(run, 0, "live").times == times
        assert readings(run, 1, "live").times == 0
        text = "\n".join(table_lines(body))
        for what in ("AUC of VALENCE", "published quadrant", "CRPS", "low-pass 4 kHz"):
            assert what in text
    assert "fold 0 is IN-SAMPLE" in text
    assert score_artefact(held_path, data, (1,), run)["in_sample"] == {
        "1": "it was fitted without fold 0"
    }
    assert held.meta.data_hash == data.data_hash()
    # What was set on the command line is in the artefact, and the next commands read it there.
    assert recipe_from(tomllib.loads(held.meta.recipe), "artefact") == recipe


def test_made_up_sounds_are_sound_and_repeat() -> None:
    for kind in set(KINDS):
        y = make_sound(kind, np.random.default_rng(0), 2.0)
        assert y.shape == (2 * SR,)
        assert 0.01 < np.abs(y).max() <= 1
    a, b = (np.stack([not_music(k, seconds=1.0) for k in range(3)]) for _ in range(2))
    assert np.array_equal(a, b)


@pytest.mark.parametrize("values", [[0.1, np.nan], [0.1, 4.2]])
def test_labels_that_are_no_numbers_or_on_another_scale_are_refused(values: list[float]) -> None:
    with pytest.raises(InputError, match=r"expected .*\[-1, 1\]"):
        check_labels("deam:2", np.array(values), np.zeros(2))


def test_missing_audio_is_said_and_a_folder_without_any_refused(tmp_path: Path) -> None:
    make_dataset(tmp_path, "clips", n_songs=12)
    for path in sorted((tmp_path / "audio_30_40s").iterdir())[1:]:
        path.unlink()
    some = load_live(tmp_path, FeatureCache(tmp_path / "cache"), sounds=0)
    assert "11 of 12 songs have no audio" in some.notes[0]
    for path in (tmp_path / "audio_30_40s").iterdir():
        path.unlink()
    with pytest.raises(InputError, match="no audio"):
        load_live(tmp_path, FeatureCache(tmp_path / "cache"), sounds=0)


def test_unknown_options_are_refused_by_name() -> None:
    with pytest.raises(UsageError, match="gama"):
        plan_of(load_recipe("live", changes={"network.options.kernel.gama": 1.0}))


def test_half_scores_count_each_half_apart() -> None:
    half = np.array([[1, 1], [0, 1], [1, 0], [0, 0]], float)
    p = np.array([[0.9, 0.9], [0.2, 0.8], [0.3, 0.1], [0.6, 0.2]])
    scores = half_scores(half, p)
    assert scores["auc_positive_energetic_half"] == 1
    assert scores["auc_positive_calm_half"] == 0
    assert scores["quadrant_label_accuracy"] == 0.5


@pytest.mark.parametrize("name", ["default", "small"])
def test_what_people_wrote_of_an_artefact_stands_in_its_card(name: str, tmp_path: Path) -> None:
    zoo = Path(__file__).parents[2] / "models" / "zoo"
    shutil.copy(zoo / f"{name}.onnx", tmp_path)
    assert write_prose(tmp_path / f"{name}.onnx")
    written = (tmp_path / f"{name}.md").read_text()
    assert written == (zoo / f"{name}.md").read_text()
    assert prose_of(CARDS, "0" * 64) == {}  # of another artefact nothing is said


@pytest.mark.parametrize("name", ["default", "small", "chroma-lstm", "window-m2"])
def test_the_recipe_inside_a_shipped_artefact_can_be_trained_again(
    name: str, tmp_path: Path
) -> None:
    zoo = Path(__file__).parents[2] / "models" / "zoo"
    path = tmp_path / f"{name}.toml"
    path.write_text(read_metadata(zoo / f"{name}.onnx").recipe)
    recipe = load_recipe(str(path))
    if not recipe.kind.reported:
        assert plan_of(recipe).has_mlps
    else:
        assert load_recipe(str(path), mode="original") != recipe


def test_boosting_gives_weighted_rows_to_scikit_learn_in_bins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given, rng = [], np.random.default_rng(0)

    class Watched(baselines.HistGradientBoostingRegressor):
        def fit(self, x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> "Watched":
            given.append((max(len(set(column)) for column in x.T), weight))
            return super().fit(x, y, weight)

    monkeypatch.setattr(baselines, "HistGradientBoostingRegressor", Watched)
    x = rng.standard_normal((2000, 3)).astype(np.float32)
    y = np.stack([np.tanh(x[:, 0]), np.tanh(x[:, 1])], 1)
    weight, fold = rng.uniform(0.5, 1.5, 2000), np.arange(2000) % 2
    moods = Rows(x, y, fold, weight, np.zeros(2000, bool))
    boosting = baselines.fit_boosting(moods, moods, fold=1)
    assert [n for n, _ in given] == [baselines.BINS] * 2  # not the thousand distinct values
    assert all(np.array_equal(w, weight[fold == 0]) for _, w in given)
    held = x[fold == 1][None]
    p = baselines.predict_boosting(boosting, held)[0]
    assert np.corrcoef(p[:, 0], y[fold == 1, 0])[0, 1] > 0.95
    assert np.corrcoef(p[:, 1], y[fold == 1, 1])[0, 1] > 0.95
