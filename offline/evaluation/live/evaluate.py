"""`evaluate` of the live model: every figure of the table of aims, from the artefacts themselves.

Fold rows come from each fold's and seed's own artefact, stepped through the live model class on
features of the live front end. What ships has heard every fold: it is scored on the 58 songs of
MediaEval 2015 only, and on sounds that are no music.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.live.texture import Texture
from offline.batches.live.data import SR, TEST58, LiveData
from offline.batches.live.statistics import make_rows, textures
from offline.datasets import load_dataset
from offline.datasets.audio import read_mono
from offline.evaluation.live.baselines import fit_boosting, predict_boosting, score_boosting
from offline.evaluation.live.predict import Steps, run_clips, run_sound
from offline.evaluation.live.scores import FROM, constant_of, labels_of, score_fold
from offline.export.onnx import attach_metrics
from offline.features.corruptions import CHANGES
from offline.files import write_json
from offline.progress import say
from offline.recipes.live import plan_of
from offline.reporting.live.page import write_page
from offline.reporting.live.table import over_seeds, table_lines
from offline.training.live.build import (
    artefact_of,
    load_kernel,
    members_of,
    recipe_of_run,
)
from offline.training.live.members import Member
from streammer.audio.resample import resample
from streammer.errors import InputError
from streammer.inference.model import load_model

__all__ = ["evaluate_live", "shipped_of"]

DOCS = Path(__file__).resolve().parents[3] / "docs"
DEFAULT = "live"
"""Recipe whose figures are the documentation's; those of others stay in their run."""
SONGS_CHANGED = 30
"""Songs of each fold whose sound is changed."""


def shipped_of(run: Path) -> Path:
    """Return the artefact of a run that ships.

    Raises
    ------
    InputError
        There is none: `export` has not run.
    """
    for path in sorted(run.glob("*.onnx")):
        return path
    raise InputError(f"{run}: no exported artefact; run `python -m offline export {run}` first")


def evaluate_live(run: Path, data: LiveData) -> list[str]:
    """Score everything that is not scored yet, write ``scores.json``; lines of the table."""
    recipe = recipe_of_run(run)
    plan = plan_of(recipe)
    path = run / "scores.json"
    body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    folds = body.setdefault("folds", {})
    raws = run / "raw"
    raws.mkdir(exist_ok=True)
    for member in members_of(plan):
        if member.name in folds:
            continue
        artefact = artefact_of(run, member)
        if not artefact.exists():
            raise InputError(f"{artefact}: not exported yet; run `export` first")
        constant = constant_of(data, [f for f in range(plan.folds) if f != member.fold])
        scores, raw = score_fold(load_model(artefact), data, member.fold, constant)
        np.savez_compressed(raws / f"{member.name}.npz", **raw)
        folds[member.name] = {"fold": member.fold, "seed": member.seed, **scores}
        write_json(path, body)
        say(f"{member.name}: skill V {scores['skill_valence']:.3f} A {scores['skill_arousal']:.3f}")
    if "boosting" not in body:
        body["boosting"] = _boosting(run, data)
        write_json(path, body)
    if "robustness" not in body:
        body["robustness"] = _robustness(run, data)
        write_json(path, body)
    if "demo" not in body:
        body["demo"] = _demo(run, data)
        write_json(path, body)
    shipped = shipped_of(run)
    model = load_model(shipped)
    if "shipped" not in body:
        body["shipped"] = {
            "test58": test58(model, data, run), "not_music": not_music_of(model, data)
        }  # fmt: skip
        write_json(path, body)
    attach_metrics(shipped, metrics_of(body))
    page = write_page(run, body, data, DOCS if recipe.name == DEFAULT else run)
    say(f"{page}: written")
    return table_lines(body)


def metrics_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Figures for the artefact and its card: folds (not this artefact's own) and the 58 songs."""
    keys = sorted({k for s in body["folds"].values() for k in s} - {"fold", "seed"})
    folds = {k: dict(zip(("mean", "sd"), over_seeds(body["folds"], k), strict=True)) for k in keys}
    return {
        "folds, artefacts that have not heard the fold": folds,
        "58 songs of 2015, this artefact": {
            k: {"value": v} for k, v in body["shipped"]["test58"].items()
        },
        "changed sound, mean change": body.get("robustness", {}),
        "boosting on the same statistics, fold means": {
            k: {
                "mean": float(np.mean([s[k] for n, s in body["boosting"].items() if n != "test58"]))
            }
            for k in ("skill_valence", "skill_arousal", "auc_positive", "auc_energetic")
            if len(body["boosting"]) > 1
            and all(k in s for n, s in body["boosting"].items() if n != "test58")
        },
    }


def _boosting(run: Path, data: LiveData) -> dict[str, Any]:
    plan = plan_of(recipe_of_run(run))
    kernel = load_kernel(run, plan, 0, 0)
    rows = make_rows(data, kernel.texture, plan.copied, copies=0.0)
    out: dict[str, Any] = {}
    for fold in range(plan.folds):
        constant = constant_of(data, [f for f in range(plan.folds) if f != fold])
        fitted = fit_boosting(*rows, fold)
        out[f"fold{fold}"] = score_boosting(fitted, data, kernel.texture, fold, constant)
        say(f"boosting without fold {fold}: skill V {out[f'fold{fold}']['skill_valence']:.3f}")
    songs = _test58(data)
    if songs:
        fitted = fit_boosting(*rows, None)
        p = predict_boosting(fitted, _features58(data, kernel.texture, songs))
        out["test58"] = _per_song(labels_of(data, songs), p)
    return out


def _features58(data: LiveData, texture: Texture, songs: Sequence[int]) -> np.ndarray:
    import torch

    mel, chroma = (torch.stack([x[i][:20] for i in songs]) for x in (data.mel, data.chroma))
    return textures(texture, mel, chroma)[:, FROM:]


def _test58(data: LiveData) -> list[int]:
    return [
        i for i in data.first_clips((TEST58,))
        if len(data.mel[i]) >= 20 and np.isfinite(data.clips[i].labels[FROM:20]).all()
    ]  # fmt: skip


def _per_song(y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    rmse = np.sqrt(np.mean((p[..., :2] - y) ** 2, axis=1)).mean(0)
    return {"rmse_valence": float(rmse[0]), "rmse_arousal": float(rmse[1])}


def test58(model: Steps, data: LiveData, run: Path) -> dict[str, float]:
    """Per-song RMSE on the 58 songs beside the constant's; calibration there."""
    songs = _test58(data)
    if not songs:
        return {}
    y = labels_of(data, songs)
    moods = run_clips(model, data, songs, 20)[:, FROM:]
    np.savez_compressed(run / "raw" / "test58.npz", y=y, mood=moods)
    constant = constant_of(data, range(5))
    flat = _per_song(y, np.broadcast_to(constant, y.shape))
    inside = np.abs(moods[..., :2] - y) / moods[..., 2:4]
    return {
        **_per_song(y, moods),
        "constant_valence": flat["rmse_valence"],
        "constant_arousal": flat["rmse_arousal"],
        "r_valence": float(np.corrcoef(y[..., 0].mean(1), moods[..., 0].mean(1))[0, 1]),
        "r_arousal": float(np.corrcoef(y[..., 1].mean(1), moods[..., 1].mean(1))[0, 1]),
        "inside1_valence": float((inside[..., 0] < 1).mean()),
        "inside1_arousal": float((inside[..., 1] < 1).mean()),
        "inside2_valence": float((inside[..., 0] < 2).mean()),
        "inside2_arousal": float((inside[..., 1] < 2).mean()),
        "songs": len(songs),
    }


def _robustness(run: Path, data: LiveData) -> dict[str, dict[str, float]]:
    """Mean change of valence and arousal when the sound is changed, over all folds."""
    plan = plan_of(recipe_of_run(run))
    moved: dict[str, list[np.ndarray]] = {name: [] for name in CHANGES}
    for member in members_of(plan)[: plan.folds]:
        model = load_model(artefact_of(run, member))
        songs = data.first_clips((member.fold,))
        chosen = np.random.default_rng(3).permutation(songs)[:SONGS_CHANGED]
        for i in chosen:
            path = data.clips[int(i)].path
            if path is None:
                continue
            y = resample(*_native(path))
            plain = run_sound(model, y)[FROM:, :2]
            for name, change in CHANGES.items():
                moved[name].append(np.abs(run_sound(model, change(y))[FROM:20, :2] - plain))
    return {
        name: {axis: float(np.mean([m[:, k].mean() for m in all_]))
               for k, axis in enumerate(("valence", "arousal"))}
        for name, all_ in moved.items() if all_
    }  # fmt: skip


def _demo(run: Path, data: LiveData) -> dict[str, float]:
    """Run the full 45 s excerpts, each through the artefact that has not heard its fold.

    Root mean square error of blocks of the excerpt; curves go to ``raw/demo.npz``.
    """
    plan = plan_of(recipe_of_run(run))
    root = Path(json.loads((run / "live.json").read_text(encoding="utf-8"))["data"])
    dataset = load_dataset(root)
    fold_of = {c.song: c.fold for c in data.clips}
    curves: dict[str, np.ndarray] = {}
    for song in dataset:
        files = [c for c in song.clips if c.path.parent.name == "demo"]
        labels = dataset.labels(song.id)
        fold = fold_of.get(song.uid, -1)
        if not files or labels is None or not 0 <= fold < plan.folds:
            continue
        model = load_model(artefact_of(run, Member(fold, 0)))
        mood = run_sound(model, resample(*_native(files[0].path)))
        t = 0.5 * np.arange(1, len(mood) + 1)
        true = np.stack([np.interp(t, labels.t_s, x, left=np.nan, right=np.nan)
                         for x in (labels.valence, labels.arousal)], 1)  # fmt: skip
        curves[song.id] = np.concatenate((true, mood[:, :4]), 1)[:88]
    if not curves:
        return {}
    np.savez_compressed(run / "raw" / "demo.npz", **curves)
    stacked = np.stack([c for c in curves.values() if len(c) == 88])
    out: dict[str, float] = {"songs": len(curves)}
    for first, last in ((30, 44), (44, 60), (60, 74), (74, 88)):
        part = stacked[:, first:last]
        for k, axis in enumerate(("valence", "arousal")):
            error = np.sqrt(np.nanmean((part[..., k] - part[..., 2 + k]) ** 2))
            out[f"rmse_{axis}_{first / 2:g}_{last / 2:g}s"] = float(error)
    return out


def _native(path: Path) -> tuple[np.ndarray, int, int]:
    y, sr = read_mono(path)
    return y, sr, SR


def not_music_of(model: Any, data: LiveData) -> dict[str, Any]:
    """Score sounds that are no music: largest |V|, |A| after 2 s, sigma over the prior's.

    White noise, hum and a tone are made here with other seeds than in training; recorded speech
    and noise come from the folder ``not_music`` of the data, if there.
    """
    rng = np.random.default_rng(99)
    n = 12 * SR
    t = np.arange(n) / SR
    sounds: dict[str, np.ndarray] = {
        "white noise": 0.1 * rng.standard_normal(n),
        "hum 50 Hz": sum(0.1 / k * np.sin(2 * np.pi * 50 * k * t) for k in (1, 2, 3, 5))
        + 0.001 * rng.standard_normal(n),
        "tone 440 Hz": 0.1 * np.sin(2 * np.pi * 440 * t),
    }
    for path in sorted({c.path.parents[2] for c in data.clips if c.path}, key=str):
        for file in sorted((path / "not_music").glob("*.opus")):
            sounds[file.stem] = resample(*_native(file))
    prior = [model.prior[a].sd for a in ("valence", "arousal")]
    out = {}
    for name, y in sounds.items():
        mood = run_sound(model, np.asarray(y, np.float32))
        late = mood[min(4, len(mood) - 1) :]
        out[name] = {
            "valence": float(np.abs(late[:, 0]).max()),
            "arousal": float(np.abs(late[:, 1]).max()),
            "sigma_valence": float(late[:, 2].mean() / prior[0]),
            "sigma_arousal": float(late[:, 3].mean() / prior[1]),
        }
    return out
