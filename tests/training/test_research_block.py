"""The research block of the README, line by line, on a small synthetic DEAM folder."""

import json
import re
import shutil
from pathlib import Path

import pytest

from offline.cli import main
from offline.evaluation.live import baselines, sounds
from streammer.inference.artefact import read_metadata
from streammer.inference.model import load_model

ROOT = Path(__file__).parents[2]
# The default live recipe, as small as it still has all of its parts.
SMALL = [
    f"--set=network.options.{name}"
    for name in (
        "net.channels=[4, 4, 6, 8]", "net.embedding=12", "net.statistics=12", "net.hidden=16",
        "mix.curve=8", "mix.quadrant=4", "mix.cluster=2", "mix.sound=2", "sounds=6", "folds=3",
    )
] + ["--epochs=1", "--set=training.distil_seeds=1"]  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Folder with a data set as `data make` writes it: bare DEAM, 45 s excerpts, no 4Q."""
    root = tmp_path_factory.mktemp("research")
    assert main(["data", "make", str(root / "DEAM"), "--songs", "26"]) == 0
    return root


@pytest.fixture
def here(place, monkeypatch):
    monkeypatch.chdir(place)
    monkeypatch.delenv("STREAMMER_DATA", raising=False)
    return place


@pytest.fixture(scope="module")
def trained(place):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        assert main(["features", "live", "--data", "DEAM"]) == 0
        assert main(["train", "live", "--data", "DEAM", *SMALL]) == 0
    return place / "runs" / "live"


def test_features_of_the_live_recipe_are_computed_for_every_clip(here, trained, capsys):
    assert main(["features", "live", "--data", "DEAM"]) == 0
    assert "26 of 26 files have features" in capsys.readouterr().out
    kept = [p for p in (here / "cache" / "features").glob("*/*.npy")
            if not p.parent.name.endswith("synthetic")]  # fmt: skip
    assert len(kept) == 2 * 26


def test_the_live_model_trains_on_a_bare_deam_folder(here, trained, capsys):
    assert main(["train", "live", "--data", "DEAM", *SMALL]) == 0  # finished: nothing to do
    assert "signs of valence and arousal" in capsys.readouterr().err
    assert len(list((trained / "networks").glob("fold*/calibration.json"))) == 3


def test_evaluate_comes_before_or_after_export_and_fills_the_card(
    here, trained, capsys, monkeypatch
):
    monkeypatch.setattr(sounds, "SONGS_CHANGED", 1)
    monkeypatch.setitem(baselines._SETTINGS, "max_iter", 3)
    docs = {p: p.stat().st_mtime_ns for p in (ROOT / "docs").rglob("*") if p.is_file()}
    assert main(["export", "runs/live", "--to", "early", "--name", "mine"]) == 0
    assert "no figures yet" in capsys.readouterr().err
    assert read_metadata(Path("early/mine.onnx")).metrics == {}
    shutil.rmtree(trained / "artefacts")  # as where nothing was exported yet
    assert main(["evaluate", "live"]) == 0
    assert "skill arousal" in capsys.readouterr().out
    assert (trained / "page" / "live.md").exists()
    assert main(["export", "runs/live", "--to", "my-models", "--name", "mine"]) == 0
    meta = read_metadata(Path("my-models/mine.onnx"))
    assert any("58 songs" in name for name in meta.metrics)
    assert "DEAM" in meta.trained_on
    assert "4Q" not in meta.trained_on
    card = Path("my-models/mine.md").read_text()
    assert "skill_arousal" in card
    assert "Trained without a teacher" in card  # no tagger's weights lie in this folder
    assert load_model(Path("my-models/mine.onnx")).outputs[:2] == ("valence", "arousal")
    after = {p: p.stat().st_mtime_ns for p in (ROOT / "docs").rglob("*") if p.is_file()}
    assert after == docs  # nothing tracked was written
    scores = trained / "scores.json"
    body = json.loads(scores.read_text())
    own, other = list(body["folds"])[:2]
    for name in (own, other):
        body["folds"][name]["movement"] = 99.0
    body["folds"][other]["of"] = "0" * 64  # of an artefact that is no longer there
    scores.write_text(json.dumps(body))
    assert main(["evaluate", "live"]) == 0
    again = json.loads(scores.read_text())["folds"]
    assert again[own]["movement"] == 99.0
    assert again[other]["movement"] < 9.0
    capsys.readouterr()


def test_reproduce_writes_its_report_beside_the_runs(here, capsys):
    docs = {p: p.stat().st_mtime_ns for p in (ROOT / "docs").rglob("*") if p.is_file()}
    line = ["reproduce", "--data", "DEAM", "--quick", "--only", "classical-svr", "--workers", "1"]
    assert main(line) == 0
    assert (here / "runs" / "report" / "report.md").exists()
    assert {p: p.stat().st_mtime_ns for p in (ROOT / "docs").rglob("*") if p.is_file()} == docs
    capsys.readouterr()


@pytest.mark.parametrize(
    "line",
    ["features live", "train window-m2", "reproduce --quick", "report", "data explain exchange"],
)
def test_without_a_data_set_one_line_says_how_to_name_one(here, line, capsys):
    assert main(line.split()) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1
    assert "--data" in error[0]
    assert "STREAMMER_DATA" in error[0]


def test_the_environment_names_the_data_set(here, monkeypatch, capsys):
    monkeypatch.setenv("STREAMMER_DATA", "nowhere")
    assert main(["features", "live"]) == 3
    assert "nowhere: no such folder" in capsys.readouterr().err
    assert main(["features", "live", "--data", "DEAM"]) == 0  # the option wins
    capsys.readouterr()


def test_no_command_has_a_data_folder_of_its_own():
    for path in (ROOT / "offline").rglob("*.py"):
        assert not re.search(r"shared/data|\.\./", path.read_text()), path


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["live", "--width", "0.5"], "network.width"),
        (["live", "--fold", "1"], "data.fold"),
        (["live", "--devices", "2"], "training.devices"),
        (["live", "--set", "evaluation.stride=2"], "evaluation.stride"),
        (["live", "--mode", "original"], "one form only"),
        (["classical-svr", "--epochs", "3"], "training.epochs"),
        (["window-m2", "--image", "64", "64"], "network.image"),
        (["chroma-lstm", "--width", "0.5"], "network.width"),
        (["window-m2", "--set", "mode=original"], "--mode"),
        (["window-m2", "--set", "data.labels=static"], "--labels"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(here, args, says, capsys):
    assert main(["train", *args, "--data", "DEAM"]) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1
    assert says in error[0]


def test_a_live_run_is_not_gone_on_with_under_other_settings(here, trained, capsys):
    changed = ["train", "live", "--data", "DEAM", *SMALL, "--set=training.lr=0.001"]
    assert main(changed) == 2
    assert "another configuration" in capsys.readouterr().err


def test_options_of_the_live_evaluation_that_do_nothing_are_refused(here, trained, capsys):
    assert main(["evaluate", "runs/live", "--on", "test58"]) == 2
    assert "--on test58" in capsys.readouterr().err
