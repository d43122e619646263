"""The live model from a folder to an artefact, on synthetic songs; refusals of bad data."""

import shutil
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tagger_parts import random_weights, write_weights

from models.live.mood_net import MoodNet, MoodNetConfig
from models.live.mood_step import MoodStep
from models.live.texture import Texture
from offline.batches.example import Batch
from offline.batches.live.data import LiveData
from offline.batches.live.load import check_labels, load_live
from offline.batches.live.statistics import Rows, make_rows
from offline.datasets.musicnn import FOLDER, WEIGHTS
from offline.datasets.synthetic import make_dataset
from offline.evaluation.ledger import readings
from offline.evaluation.live import baselines
from offline.evaluation.live.one import score_artefact
from offline.evaluation.live.predict import TorchSteps, run_clips
from offline.evaluation.live.scores import half_scores
from offline.export.live import export_folds, export_shipped
from offline.export.live_card import write_prose
from offline.features.cache import FeatureCache
from offline.features.nonmusic import KINDS, SR, make_sound, not_music
from offline.prose import CARDS, prose_of
from offline.recipes.load import load_recipe, recipe_from
from offline.recipes.mood import mood_plan
from offline.recipes.recipe import Recipe
from offline.reporting.live.table import table_lines
from offline.training.live.calibration import crps, fit_calibration, mean_calibration
from offline.training.live.run import artefact_of, members_of, network_folder
from offline.training.live.system import MoodSystem
from offline.training.live.train import train_live
from offline.training.loop import fit_network
from streammer.errors import InputError, UsageError
from streammer.inference.artefact import read_metadata
from streammer.inference.model import load_model

SMALL = {
    "network.options.net.channels": [4, 4, 6, 8],
    "network.options.net.embedding": 12,
    "network.options.net.statistics": 12,
    "network.options.net.hidden": 16,
    "network.options.mix": {"curve": 8, "quadrant": 4, "cluster": 2, "sound": 2},
    "network.options.teacher.components": 3,
    "network.options.folds": 3,
    "network.options.sounds": 9,
    "training.epochs": 1,
    "training.distil_seeds": 1,
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


def _batches(system: MoodSystem) -> Iterator[Batch]:
    train = system.batches(3).train
    return (train.make(draw) for draw in train.draws(0))


def test_folder_gives_labels_at_the_end_of_each_step(data: LiveData) -> None:
    clips = data.first_clips((0, 1, 2, 3, 4))
    assert len(clips) == 26 - 6  # the songs of 2015 are in no fold
    assert all(len(data.clips[i].labels) == 20 == len(data.mel[i]) for i in clips)
    assert len(data.where("quadrant", (0, 1, 2, 3, 4))) == 12
    assert len(data.where("sound", (-1,))) == 9


def test_rows_for_boosting_are_of_every_fold_and_of_no_more_weight_than_songs(
    data: LiveData,
) -> None:
    moods, half_planes = make_rows(data, Texture(threshold=1.35))
    assert np.isfinite(moods.x).all()
    assert np.isfinite(half_planes.x).all()
    assert set(moods.fold.tolist()) <= {0, 1, 2, 3, 4}
    songs = len(data.first_clips((0, 1, 2, 3, 4)))
    assert moods.weight.sum() == pytest.approx(songs, rel=1e-6)  # fresh .6, spliced .4


@pytest.fixture(scope="module")
def trained(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LiveData]:
    """A run of the recipe with all its parts, as small as it goes, and a tagger to learn from."""
    write_weights(folder / FOLDER / WEIGHTS, random_weights())
    run = tmp_path_factory.mktemp("runs") / "live"
    data = train_live(_recipe(), folder, folder / "cache", run)
    export_folds(run, data)
    return run, data


def test_folder_to_artefact(trained: tuple[Path, LiveData], tmp_path: Path) -> None:
    run, data = trained
    path = export_shipped(run, data, tmp_path / "zoo", name="tiny")
    model = load_model(path)
    assert model.outputs[:4] == ("valence", "arousal", "sigma_valence", "sigma_arousal")
    moods = run_clips(model, data, data.first_clips((0, 1, 2)), 20)
    assert np.isfinite(moods).all()
    assert moods[:, 5:].std() > 1e-3
    assert (moods[..., 2:4] <= data.prior((0, 1, 2))[1] + 1e-6).all()
    assert "musicnn" in model.meta.trained_on
    assert "musicnn (Pons and Serra 2019" in path.with_suffix(".md").read_text()
    held_path = artefact_of(run, members_of(_recipe())[0])
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
    assert recipe_from(tomllib.loads(held.meta.recipe), "artefact") == _recipe()


def test_a_network_learns_nothing_of_a_held_out_fold(folder: Path) -> None:
    recipe = _recipe()
    changed = load_live(folder, FeatureCache(folder / "cache"), sounds=9)
    for i, clip in enumerate(changed.clips):
        if clip.fold == 0:  # another mood, another quadrant, other sound
            half = None if clip.quadrant is None else (1.0, 0.0)
            changed.clips[i] = replace(clip, labels=-clip.labels, quadrant=half)
            changed.mel[i] = changed.mel[i].flip(2)
    plain = load_live(folder, FeatureCache(folder / "cache"), sounds=9)
    systems = [MoodSystem(recipe, data, (1, 2)) for data in (changed, plain)]
    nets = []
    for system in systems:
        torch.manual_seed(0)
        nets.append(system.network())
        system.prepare(nets[-1], system.batches(3))
    for a, b in zip(*(n.state_dict().values() for n in nets), strict=True):
        assert torch.equal(a, b)
    assert torch.equal(systems[0].fitted.centre, systems[1].fitted.centre)
    first, second = (next(_batches(s)) for s in systems)
    assert torch.equal(first.inputs["mel"], second.inputs["mel"])
    for name, y in first.targets.items():
        assert torch.equal(y, second.targets[name]), name


def test_a_network_learns_what_its_songs_sound_like(data: LiveData, tmp_path: Path) -> None:
    recipe = _recipe(**{
        "training.epochs": 30, "training.lr": 0.01, "training.distil_seeds": 0,
        "network.options.net.channels": [], "network.options.mix.splice": 0.0,
    })  # fmt: skip
    folds = (0, 1, 2, 3, 4)
    system = MoodSystem(recipe, data, folds)
    net = fit_network(system, system.batches(0), tmp_path, seed=0, show=False).net
    clips = data.first_clips(folds)
    moods = run_clips(TorchSteps(MoodStep(net)), data, clips, 20)[:, 5:, :2]
    y = np.stack([data.clips[i].labels[5:20] for i in clips])
    error = np.sqrt(np.mean((moods - y) ** 2, (0, 1)))
    constant = np.sqrt(np.mean((y.mean((0, 1)) - y) ** 2, (0, 1)))
    assert (error < 0.7 * constant).all()  # trained on them: it must beat the constant


def test_a_finished_run_is_left_alone_and_one_of_other_settings_refused(
    trained: tuple[Path, LiveData], folder: Path
) -> None:
    run, _ = trained
    kept = {p: p.stat().st_mtime_ns for p in run.rglob("*.ckpt")}
    assert len(kept) == 3 * 3 + 2  # a seed, the network, the one that calibrates; of all no third
    train_live(_recipe(), folder, folder / "cache", run)
    assert {p: p.stat().st_mtime_ns for p in run.rglob("*.ckpt")} == kept
    with pytest.raises(UsageError, match="another configuration"):
        train_live(_recipe(**{"training.epochs": 3}), folder, folder / "cache", run)


def test_a_student_is_drawn_to_the_mean_of_its_seeds(trained: tuple[Path, LiveData]) -> None:
    run, _ = trained
    folder = network_folder(run, members_of(_recipe())[0])
    curves = (folder / "curves" / "metrics.csv").read_text().splitlines()[0]
    assert "train_distil" in curves
    assert "train_teacher" in curves
    seed = (folder / "seeds" / "0" / "curves" / "metrics.csv").read_text().splitlines()[0]
    assert "train_distil" not in seed


def test_sigma_and_logits_are_calibrated_on_songs_that_were_not_trained_on(
    data: LiveData,
) -> None:
    labels = np.concatenate([data.clips[i].labels for i in data.first_clips((0, 1))])
    sigma = np.nanstd(labels, 0)

    class Blind(MoodStep):
        """Gives the mean of all labels, half of its true sigma and logits three times too sure."""

        def sequence(self, mel: torch.Tensor, chroma: torch.Tensor, *state: torch.Tensor):
            mean = torch.from_numpy(np.nanmean(labels, 0)).float()
            given = torch.cat((mean, torch.from_numpy(sigma / 2).float(), torch.full((2,), 0.9)))
            return given.expand(len(mel), 20, 6), *state

    found = fit_calibration(Blind(MoodNet(MoodNetConfig(channels=()))), data, (0, 1))
    assert found.sigma == pytest.approx((2, 2), rel=0.35)  # labels are not normal
    assert all(f < 1 for f in found.logit)  # less sure than nine in ten
    both = mean_calibration([found, replace(found, sigma=(found.sigma[0] * 4, found.sigma[1]))])
    assert both.sigma == pytest.approx((found.sigma[0] * 2, found.sigma[1]), rel=1e-4)


def test_crps_is_least_at_the_true_sigma_and_has_its_known_value() -> None:
    error = np.random.default_rng(0).standard_normal(20_000) * 0.3
    scores = [crps(error, np.full_like(error, s)).mean() for s in (0.2, 0.3, 0.45)]
    assert scores[1] == min(scores)
    assert scores[1] == pytest.approx(0.3 / np.sqrt(np.pi), rel=0.02)


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
    with pytest.raises(UsageError, match="statistic"):
        mood_plan(load_recipe("live", changes={"network.options.net.statistic": 1}))


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


@pytest.mark.parametrize("name", ["chroma-lstm", "window-m2"])
def test_the_recipe_inside_a_shipped_artefact_can_be_trained_again(
    name: str, tmp_path: Path
) -> None:
    zoo = Path(__file__).parents[2] / "models" / "zoo"
    path = tmp_path / f"{name}.toml"
    path.write_text(read_metadata(zoo / f"{name}.onnx").recipe)
    recipe = load_recipe(str(path))
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
    moods = Rows(x, y, fold, weight)
    boosting = baselines.fit_boosting(moods, moods, fold=1)
    assert [n for n, _ in given] == [baselines.BINS] * 2  # not the thousand distinct values
    assert all(np.array_equal(w, weight[fold == 0]) for _, w in given)
    held = x[fold == 1][None]
    p = baselines.predict_boosting(boosting, held)[0]
    assert np.corrcoef(p[:, 0], y[fold == 1, 0])[0, 1] > 0.95
    assert np.corrcoef(p[:, 1], y[fold == 1, 1])[0, 1] > 0.95
