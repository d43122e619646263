"""Runs that are killed, spread over processes, refused, reported: the real commands."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from offline.cli import main
from offline.datasets.synthetic import make_dataset
from offline.evaluation.evaluate import is_scored
from offline.evaluation.ledger import LEDGER
from offline.recipes.load import load_recipe, load_text
from offline.recipes.recipe import recipe_toml
from offline.runs import Predictions, open_run
from streammer.inference.artefact import graph_hash, read_metadata

ROOT = Path(__file__).parents[2]
TINY = ["--width", "0.0625", "--image", "129", "96", "--no-progress", "--workers", "1"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("runs") / "data"
    make_dataset(root, "clips", n_songs=30, sr=11025)
    return root


@pytest.fixture(scope="module")
def cache(data):
    return data.parent / "cache"


def _train(data, cache, runs, recipe, *more):
    return ["train", recipe, "--data", str(data), "--cache", str(cache), "--runs", str(runs),
            "--split", "song", *more]  # fmt: skip


def _weights(run):
    best = torch.load(run / "checkpoints" / "best.ckpt", weights_only=False)["state_dict"]
    return {k: v.numpy() for k, v in best.items()}


def test_training_killed_and_resumed_gives_the_same_weights(data, cache, tmp_path):
    args = ["crnn-gru3", *TINY, "--epochs", "6", "--set", "training.patience=0"]
    assert main(_train(data, cache, tmp_path / "whole", *args)) == 0
    whole = next((tmp_path / "whole").iterdir())
    command = [sys.executable, "-m", "offline", *_train(data, cache, tmp_path / "cut", *args)]
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, stderr=subprocess.PIPE)
    last = tmp_path / "cut" / whole.name / "checkpoints" / "last.ckpt"
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and not last.exists():
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()
    cut = tmp_path / "cut" / whole.name
    assert not (cut / "fitted.json").exists(), "it ended before it could be killed"
    assert main(_train(data, cache, tmp_path / "cut", *args)) == 0
    fitted = json.loads((cut / "fitted.json").read_text())
    assert fitted["resumed"] is True
    assert fitted["epochs"] == 6
    a, b = _weights(whole), _weights(cut)
    assert all(np.array_equal(a[k], b[k]) for k in a)


def test_two_processes_train_one_network(data, cache, tmp_path):
    args = _train(data, cache, tmp_path, "chroma-lstm", "--no-progress", "--workers", "1",
                  "--epochs", "3", "--devices", "2", "--accelerator", "cpu")  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "offline", *args], cwd=ROOT, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("chroma-lstm-dynamic-corrected-song0") == 1  # one process speaks
    run = next(tmp_path.iterdir())
    fitted = json.loads((run / "fitted.json").read_text())
    assert fitted["epochs"] == 3
    assert fitted["rank"] == 0
    state = torch.load(run / "checkpoints" / "last.ckpt", weights_only=False)
    batches = state["loops"]["fit_loop"]["epoch_loop.batch_progress"]["total"]["completed"]
    assert batches == 3  # half of the songs each: one batch an epoch and process


def test_train_evaluate_export_need_nothing_else(data, cache, tmp_path, capsys):
    args = ["window-m2", "--width", "0.25", "--epochs", "2", "--no-progress", "--workers", "1"]
    assert main(_train(data, cache, tmp_path, *args)) == 0
    run = capsys.readouterr().out.strip()
    assert main(["evaluate", run, "--workers", "1"]) == 0
    assert "skill" in capsys.readouterr().out
    assert main(["export", run]) == 0
    path = Path(capsys.readouterr().out.strip())
    assert path.name == "window-m2.onnx"
    assert path.with_suffix(".md").exists()
    assert list(Path(run).glob("tensorboard/events*"))
    assert open_run(Path(run)).recipe.training.epochs == 2
    assert load_text(read_metadata(path).recipe, "artefact") == open_run(Path(run)).recipe


def test_training_takes_as_many_steps_as_were_asked_for(data, cache, tmp_path):
    args = ["window-m2", "--width", "0.125", "--steps", "5", "--no-progress", "--workers", "1",
            "--set", "training.batch=16"]  # fmt: skip
    assert main(_train(data, cache, tmp_path, *args)) == 0
    fitted = json.loads((next(tmp_path.iterdir()) / "fitted.json").read_text())
    assert fitted["steps"] == 5


def test_early_stopping_looks_at_validation_alone(data, cache, tmp_path):
    args = ["chroma-lstm", "--epochs", "3000", "--no-progress", "--workers", "1",
            "--set", "training.patience=2", "--set", "training.lr=0.2"]  # fmt: skip
    assert main(_train(data, cache, tmp_path, *args)) == 0
    fitted = json.loads((next(tmp_path.iterdir()) / "fitted.json").read_text())
    assert fitted["epochs"] < 3000


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        (["train", "nosuch"], 2, "no recipe or .toml file is called 'nosuch'"),
        (["train", "window-m2", "--data", "/nosuch"], 3, "no such folder"),
        (["train", "window-m2", "--labels", "static"], 2, "no static form"),
        (["train", "window-m2", "--set", "training.lr"], 2, "name=value"),
        (["train", "window-m2", "--set", "training.pace=3"], 2, "pace"),
        (["train", "window-m2", "--set", "training.optimiser=magic"], 2, "magic"),
        (["train", "window-m2", "--fold", "9"], 2, "fold 9"),
        (["train", "window-m2", "--split", "random"], 2, "random"),
        (["evaluate", "/nosuch"], 3, "no run in this folder"),
        (["export", "/nosuch"], 3, "no run in this folder"),
        (["data", "get", "nosuch"], 2, "nosuch"),
        (["data", "explain", "nosuch"], 2, "nosuch"),
        (["reproduce", "--only", "nosuch"], 2, "nosuch"),
        (["report", "--runs", "/nosuch"], 3, "no finished run"),
        (["train", "window-m2", "--nosuch", "1"], 2, "nosuch"),
    ],
)
def test_errors_are_one_line_with_their_exit_code(args, code, says, data, tmp_path, capsys,
                                                  monkeypatch):  # fmt: skip
    monkeypatch.chdir(tmp_path)
    if "--data" not in args and args[0] == "train":
        args = [*args, "--data", str(data)]
    if args[0] in ("reproduce", "report"):
        args = [*args, "--deam", str(data)]
    assert main(args) == code
    err = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error")]
    assert len(err) == 1
    assert says in err[0]
    assert not list(tmp_path.rglob("*.ckpt"))
    assert not list(tmp_path.rglob("fitted.json"))


def test_labels_without_audio_leave_nothing_half_written(tmp_path, capsys):
    make_dataset(tmp_path / "data", "clips", n_songs=12, sr=11025)
    for path in (tmp_path / "data" / "audio_30_40s").iterdir():
        path.unlink()
    runs = tmp_path / "runs"
    args = _train(tmp_path / "data", tmp_path / "cache", runs, "window-m2", "--no-progress")
    assert main(args) == 3
    assert "has audio and labels" in capsys.readouterr().err
    assert not list(runs.rglob("fitted.json"))
    assert not list(runs.rglob("*.ckpt"))


def test_an_untrained_run_is_neither_evaluated_nor_exported(data, cache, tmp_path, capsys):
    args = ["chroma-lstm", "--epochs", "1", "--no-progress", "--workers", "1"]
    assert main(_train(data, cache, tmp_path, *args)) == 0
    run = next(tmp_path.iterdir())
    (run / "fitted.json").unlink()
    assert main(["evaluate", str(run)]) == 3
    assert main(["export", str(run)]) == 3
    assert "not trained yet" in capsys.readouterr().err
    assert not list(run.glob("*.onnx"))


def test_reproduce_writes_a_report_and_goes_on_where_it_was(data, cache, tmp_path, capsys):
    args = ["reproduce", "--deam", str(data), "--cache", str(cache), "--runs",
            str(tmp_path / "runs"), "--out", str(tmp_path / "out"), "--quick", "--workers", "1",
            "--only", "chroma-lstm", "--only", "window-m2", "--only", "classical-svr",
            "--image", "129", "96"]  # fmt: skip
    assert main(args) == 0
    runs = sorted(p.parent for p in (tmp_path / "runs").glob("*/fitted.json"))
    before = {r.name: (r / "fitted.json").stat().st_mtime_ns for r in runs}
    text = (tmp_path / "out" / "report.md").read_text()
    page = (tmp_path / "out" / "report.html").read_text()
    for wanted in ("window-m2 | corrected", "window-m2 | original", "chroma-lstm", "10 s clips",
                   "What the literature's figures mean", "classical-svr", "constant"):  # fmt: skip
        assert wanted in text
    assert "<table>" in page
    assert str(tmp_path) not in text + page
    pictures = list((tmp_path / "out" / "report").glob("*.png"))
    assert pictures
    assert all(p.stat().st_size < 300_000 for p in pictures)
    assert main(args) == 0
    assert {r.name: (r / "fitted.json").stat().st_mtime_ns for r in runs} == before
    assert (tmp_path / "out" / "report.md").read_text() == text
    capsys.readouterr()


def test_the_live_models_folds_are_scored_beside_the_others(data, cache, tmp_path, capsys):
    from streammer.inference.artefact import DEFAULT_MODEL, find_artefact

    artefacts = tmp_path / "live" / "artefacts"
    artefacts.mkdir(parents=True)
    model = find_artefact(DEFAULT_MODEL)
    (tmp_path / "live" / "recipe.toml").write_text(recipe_toml(load_recipe("live")))
    for fold in (0, 1):
        (artefacts / f"live-fold{fold}-seed0.onnx").write_bytes(model.read_bytes())
    runs = ["--cache", str(cache), "--runs", str(tmp_path / "runs")]
    assert main(["reproduce", "--deam", str(data), *runs, "--quick", "--workers", "1",
                 "--only", "chroma-lstm", "--no-report"]) == 0  # fmt: skip
    args = ["report", "--deam", str(data), *runs, "--out", str(tmp_path / "out")]
    assert main([*args, "--live", str(tmp_path)]) == 3
    assert "no artefact of a fold" in capsys.readouterr().err
    assert main([*args, "--live", str(tmp_path / "live")]) == 0
    text = (tmp_path / "out" / "report.md").read_text()
    assert "| live | corrected |" in text
    assert "within 1 sigma" in text
    assert (tmp_path / "out" / "report" / "calibration.png").exists()
    run = next((tmp_path / "runs").glob("live-*0"))
    carried = load_text(read_metadata(model).recipe, "model", changes={"evaluation.stride": 1})
    assert open_run(run).recipe == carried
    kept = Predictions.read(run / "predictions-test.npz")
    assert kept.of == graph_hash(model.read_bytes())
    for other in (kept.of, "0" * 64):  # the same artefact's are kept, another's are not
        fitted = json.loads((run / "fitted.json").read_text()) | {"hash": other}
        (run / "fitted.json").write_text(json.dumps(fitted))
        replace(kept, p=[0 * p for p in kept.p], of=other).write(run / "predictions-test.npz")
        assert main([*args, "--live", str(tmp_path / "live")]) == 0
        now = Predictions.read(run / "predictions-test.npz")
        assert bool(np.any(now.p[0])) is (other != kept.of)
    assert now.of == kept.of
    capsys.readouterr()


def test_a_run_of_other_songs_is_not_gone_on_with_and_a_wrong_fold_loses_nothing(
    data, cache, tmp_path, capsys
):
    args = ["chroma-lstm", "--steps", "1", "--no-progress", "--workers", "1", "--name", "run"]
    assert main(_train(data, cache, tmp_path, *args)) == 0
    fitted = (tmp_path / "run" / "fitted.json").read_bytes()
    assert main([*_train(data, cache, tmp_path, *args), "--fresh", "--fold", "9"]) == 2
    assert (tmp_path / "run" / "fitted.json").read_bytes() == fitted
    split = json.loads((tmp_path / "run" / "split.json").read_text())
    moved = {**split, "train": split["train"][1:], "test": [*split["test"], split["train"][0]]}
    (tmp_path / "run" / "split.json").write_text(json.dumps(moved))
    assert main(_train(data, cache, tmp_path, *args)) == 2
    assert "another split of the songs" in capsys.readouterr().err


def test_scores_of_other_weights_are_not_taken_for_a_runs_own(data, cache, tmp_path):
    args = ["chroma-lstm", "--epochs", "1", "--no-progress", "--workers", "1", "--name", "run"]
    assert main(_train(data, cache, tmp_path, *args)) == 0
    assert main(["evaluate", str(tmp_path / "run"), "--workers", "1"]) == 0
    run = open_run(tmp_path / "run")
    assert is_scored(run)
    assert Predictions.read(run.path / "predictions-test.npz").of == run.hash
    assert main(_train(data, cache, tmp_path, *args, "--fresh", "--seed", "5")) == 0
    assert not is_scored(run)
    assert main(["evaluate", str(tmp_path / "run"), "--workers", "1"]) == 0
    fitted = json.loads((run.path / "fitted.json").read_text()) | {"hash": "0" * 64}
    (run.path / "fitted.json").write_text(json.dumps(fitted))
    assert not is_scored(run)


def test_figures_of_the_literature_follow_from_the_labels(data, capsys):
    for topic in ("exchange", "constants", "generator", "joint-split"):
        assert main(["data", "explain", topic, str(data)]) == 0
    out = capsys.readouterr().out
    assert "EXCHANGED" in out
    assert "oracle song mean" in out
    assert "not computed" in out  # the ids of the joint split are not in a synthetic set


def test_selection_never_reads_the_outer_fold_and_a_test_is_written_down(
    data, cache, tmp_path, capsys
):
    args = ["conv", *TINY, "--epochs", "1", "--fold", "1"]
    assert main(_train(data, cache, tmp_path, *args, "--inner", "3")) == 0
    (inner,) = tmp_path.iterdir()
    assert inner.name.endswith("song1-inner3")
    assert main(["evaluate", str(inner)]) == 0
    assert "selection: inner fold 3 of outer fold 1" in capsys.readouterr().out
    assert not (tmp_path / LEDGER).exists()

    assert main(_train(data, cache, tmp_path, *args)) == 0
    outer = next(p for p in tmp_path.iterdir() if p != inner)
    assert main(["evaluate", str(outer)]) == 0
    assert "outer fold 1 was read 1 x, 1 artefact, 1 configuration" in capsys.readouterr().out
    assert main(["evaluate", str(outer)]) == 0
    assert "outer fold 1 was read 2 x, 1 artefact, 1 configuration" in capsys.readouterr().out
    sides = [json.loads((run / "split.json").read_text()) for run in (inner, outer)]
    unseen = {*sides[1]["test"]}
    assert unseen
    assert not unseen & {uid for k in ("train", "validation", "test") for uid in sides[0][k]}

    assert main(_train(data, cache, tmp_path, *args, "--inner", "1")) == 2
    assert "the outer fold chooses nothing" in capsys.readouterr().err
