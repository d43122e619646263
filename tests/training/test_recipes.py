"""Every recipe trains, evaluates and exports on synthetic songs, at a tiny stated width."""

import tomllib

import numpy as np
import pytest

from offline.datasets import load_dataset
from offline.datasets.folds import is_test58
from offline.datasets.synthetic import make_dataset
from offline.evaluation.evaluate import evaluate, summary
from offline.export.run import export_run, is_causal
from offline.recipes.extends import all_recipes
from offline.recipes.load import load_recipe, recipe_from
from offline.training.train import train
from streammer.errors import ModelError, UsageError
from streammer.inference.artefact import read_metadata
from streammer.inference.model import load_model

PUBLISHED = [name for name in all_recipes() if not name.startswith("live")]
SPECTRAL = [n for n in PUBLISHED if load_recipe(n).kind.images]


CBAM = {"network.image": [96, 32], "network.width": 1 / 8}
MFCC = {"network.width": 0.5, "training.lr": 5e-4, "training.epochs": 6}
SPECIAL = {
    "crnn": {"network.image": [124, 92], "training.epochs": 8},
    "crnn-cbam": CBAM,
    "crnn-cbam-max": CBAM,
    "dense": {"network.image": [64, 64], "training.lr": 5e-4, "training.epochs": 20},
    "window-m1-mfcc": MFCC,
    "window-m2-mfcc": MFCC | {"training.epochs": 16},
    "window-m3-mfcc": MFCC,
    "window-m3": {"training.epochs": 3},
}
"""What some nets need in place of the common tiny values."""


def tiny(name, **more):
    """Values that make a recipe small enough for a test: width 1/16 to 1/2, image 92 x 92."""
    recipe = load_recipe(name, mode=more.get("mode"), labels=more.get("labels"))
    changes = {
        "data.split": "song",
        "training.epochs": 5,
        "training.steps": 0,
        "training.seed": 1,
        "training.patience": 0,
        "evaluation.stride": 4,
        "evaluation.n_boot": 100,
    }
    if recipe.kind.images:
        changes |= {
            "network.width": 1 / 16,
            "network.image": [92, 92],
            "network.options": {"dropout": 0.0},
            "training.lr": 2e-3,
            "training.batch": 8,
            "data.per_clip": 4,
        }
    if recipe.kind.example == "window" and not recipe.kind.images:
        changes |= {
            "network.width": 0.25,
            "training.lr": 1e-3,
            "training.batch": 16,
            "data.per_clip": 5,
        }
    if recipe.network.name == "chroma-lstm":
        changes |= {"training.epochs": 60, "training.batch": 8}
    if recipe.network.name == "stacked-crnn":
        changes |= {"training.epochs": 12, "training.batch": 8}
    changes |= SPECIAL.get(name, {})
    if recipe.data.labels == "static":
        changes |= {"data.song_s": 10.0, "training.epochs": 3}
    if more.get("mode") == "original":
        changes |= {"training.epochs": 1, "data.every_song": 5}
        changes.pop("training.lr", None)
    return load_recipe(name, mode=more.get("mode"), labels=more.get("labels"), changes=changes)


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("made")
    make_dataset(root / "data", "clips", n_songs=112)
    return root


@pytest.fixture(scope="session")
def made_songs(made):
    return load_dataset(made / "data")


@pytest.fixture
def trained(made, made_songs):
    def run_one(recipe, **more):
        return train(
            recipe, made_songs, data=made / "data", cache=made / "cache", runs=made / "runs",
            show=False, **more,
        )  # fmt: skip

    return run_one


@pytest.mark.parametrize("name", PUBLISHED)
def test_corrected_recipe_trains_beats_the_constant_and_exports(name, trained, made_songs):
    recipe = tiny(name)
    run = trained(recipe)
    held_out = [*run.split.test, *(s.uid for s in made_songs if is_test58(s))]
    scores = evaluate(run, made_songs, songs=held_out, show=False)
    print("\n".join(summary(scores)))
    assert set(scores) == set(recipe.outputs)
    skills = {axis: s["skill_pooled"]["value"] for axis, s in scores.items()}
    assert min(skills.values()) > 0.03, f"{name} is no better than the constant: {skills}"
    if recipe.kind.example == "song" or not recipe.exports:
        with pytest.raises(UsageError, match="cannot be exported"):
            export_run(run)
        assert not list(run.path.glob("*.onnx"))
        return
    path = export_run(run)
    meta = read_metadata(path)
    assert meta.causal == is_causal(recipe)
    assert recipe_from(tomllib.loads(meta.recipe), "artefact") == recipe
    assert meta.metrics["test"][recipe.outputs[0]]["n_songs"] == len(held_out)
    if meta.causal:
        assert load_model(path).outputs == recipe.outputs
    else:
        with pytest.raises(ModelError, match="causal"):
            load_model(path)


@pytest.mark.parametrize("name", [n for n in PUBLISHED if load_recipe(n).faults])
def test_original_recipe_runs_and_prints_its_skill_whatever_the_sign(name, trained, made_songs):
    run = trained(tiny(name, mode="original"))
    lines = summary(evaluate(run, made_songs, show=False))
    print(name, *lines, sep="\n")
    assert all("skill" in line for line in lines)


@pytest.mark.parametrize("name", ["crnn-gru3", "crnn-res"])
def test_static_form_trains_and_exports_marked_as_not_causal(name, trained, made_songs):
    run = trained(tiny(name, labels="static"))
    scores = evaluate(run, made_songs, show=False)
    assert scores["valence"]["n_frames"] == scores["valence"]["n_songs"]
    path = export_run(run)
    assert read_metadata(path).causal is False
    with pytest.raises(ModelError, match="causal"):
        load_model(path)


def test_an_exported_window_net_takes_what_it_was_trained_on(trained, made, made_songs):
    from offline.batches.clips import build_clips

    run = trained(tiny("window-m2"))
    recipe = run.recipe
    model = load_model(export_run(run))
    labelled = build_clips(made_songs, run.split.test, recipe, run.cache).items[0]
    system = recipe.kind.make(recipe)
    at = np.arange(len(labelled.ends))
    wanted = system.predict_clip(system.load(run), labelled, at, run.fitted["sizes"])[:, 1]
    state, got = model.zero_state(1), []
    step = recipe.frames_per_step
    for k in range(len(labelled.x) // step):
        x = np.asarray(labelled.x[None, k * step : (k + 1) * step], np.float32)
        mood, state = model.step({"features": x}, state)
        got.append(mood[0, 0])
    assert np.abs(np.array(got)[-len(wanted) :] - wanted).max() < 1e-5


def test_training_never_reads_the_test_side(made, made_songs, trained, monkeypatch):
    from offline.training.systems import audio

    seen = set()
    real = audio.build_clips

    def watching(dataset, uids, *args, **kwargs):
        seen.update(uids)
        return real(dataset, uids, *args, **kwargs)

    monkeypatch.setattr(audio, "build_clips", watching)
    run = trained(tiny("chroma-lstm"), name="watched")
    assert seen == {*run.split.train, *run.split.validation}
    assert not seen & {*run.split.test}
    assert not seen & {s.uid for s in made_songs if is_test58(s)}


def test_songs_that_trained_a_run_cannot_be_its_test(trained, made_songs):
    run = trained(tiny("chroma-lstm"), name="watched")
    with pytest.raises(ValueError, match="used in training"):
        evaluate(run, made_songs, songs=[*run.split.test, run.split.train[0]], show=False)


def test_a_run_of_another_configuration_is_not_overwritten(trained):
    trained(tiny("chroma-lstm"), name="watched")
    with pytest.raises(UsageError, match="another configuration"):
        trained(tiny("chroma-lstm10"), name="watched")


def test_changes_are_read_and_never_changed():
    changes = {"network.options.mix": {"curve": 8}, "network.options.mix.curve": 9}
    assert load_recipe("live", changes=changes).network.options["mix"]["curve"] == 9
    assert changes["network.options.mix"] == {"curve": 8}
