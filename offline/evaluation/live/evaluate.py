"""`evaluate` of the live model: every figure of the table of aims, from the artefacts themselves.

Fold rows come from each fold's and seed's own artefact, stepped through the live model class on
features of the live front end. What ships was fitted on every fold: it is scored on the 58 songs of
MediaEval 2015 only, and on sounds that are no music.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.live.texture import Texture
from offline.batches.live.data import SPAN, TEST58, LiveData
from offline.batches.live.statistics import fit_change, make_rows, textures
from offline.evaluation.alike import alike
from offline.evaluation.ledger import config_hash, readings, record_reading
from offline.evaluation.live.baselines import fit_boosting, predict_boosting, score_boosting
from offline.evaluation.live.predict import Steps, run_clips
from offline.evaluation.live.scores import (
    FROM,
    all_outputs,
    constant_of,
    labels_of,
    over_seeds,
    score_fold,
    scored_clips,
)
from offline.evaluation.live.sigma import calibration
from offline.evaluation.live.sounds import demo, not_music_of, robustness
from offline.files import write_json
from offline.progress import say
from offline.recipes.mood import MoodPlan, mood_plan
from offline.runs import recipe_of_run
from offline.training.live.run import (
    artefact_of,
    members_of,
    shipped_of,
)
from streammer.errors import InputError
from streammer.inference.artefact import graph_hash
from streammer.inference.model import load_model

__all__ = ["evaluate_live", "metrics_of"]


def evaluate_live(run: Path, data: LiveData) -> dict[str, Any]:
    """Score everything that is not scored yet; keep it in ``scores.json`` and return it.

    Of a run of selection only its inner fold is there to be scored.
    """
    recipe = recipe_of_run(run)
    plan = mood_plan(recipe)
    path = run / "scores.json"
    body: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    folds = body.setdefault("folds", {})
    raws = run / "raw"
    raws.mkdir(exist_ok=True)
    for member in members_of(recipe):
        artefact = artefact_of(run, member)
        if not artefact.exists():
            raise InputError(f"{artefact}: not exported yet; run `export` first")
        model = load_model(artefact)
        of = graph_hash(model.data)
        if folds.get(member.name, {}).get("of") == of:
            continue
        constant = constant_of(data, [f for f in range(plan.folds) if f != member.fold])
        if recipe.data.inner is None:
            record_reading(
                run.parent, member.fold, system=recipe.name, run=run.name,
                config=config_hash(recipe.to_dict()), artefact=of,
            )  # fmt: skip
        scores, raw = score_fold(model, data, member.fold, constant)
        np.savez_compressed(raws / f"{member.name}.npz", **raw)
        for key in ("robustness", "demo"):  # of the artefacts of folds as well
            body.pop(key, None)
        folds[member.name] = {"fold": member.fold, "seed": member.seed, "of": of, **scores}
        write_json(path, body)
        say(f"{member.name}: skill V {scores['skill_valence']:.3f} A {scores['skill_arousal']:.3f}")
    if "robustness" not in body:
        body["robustness"] = robustness(run, data)
        write_json(path, body)
    if recipe.data.inner is not None:
        body["selection"] = {"outer": recipe.data.fold, "inner": recipe.data.inner}
        write_json(path, body)
        return body
    body["readings"] = {
        str(f): str(readings(run.parent, f, recipe.name)) for f in range(plan.folds)
    }
    if "boosting" not in body:
        body["boosting"] = _boosting(run, data)
        write_json(path, body)
    if "demo" not in body:
        body["demo"] = demo(run, data)
        write_json(path, body)
    model = load_model(shipped_of(run))
    shipped = graph_hash(model.data)
    if body.get("shipped", {}).get("artefact_hash") != shipped:
        body["shipped"] = {
            "artefact_hash": shipped,
            "test58": test58(model, data, run),
            "not_music": not_music_of(model, data),
        }
        write_json(path, body)
    return body


def metrics_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Figures for the artefact and its card: folds (not this artefact's own) and the 58 songs."""
    keys = sorted(
        {k for s in body["folds"].values() for k in s if not k.startswith("confusion")}
        - {"fold", "seed", "of"}
    )
    folds = {k: dict(zip(("mean", "sd"), over_seeds(body["folds"], k), strict=True)) for k in keys}
    return {
        "folds, artefacts fitted without the fold": folds,
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
    plan = mood_plan(recipe_of_run(run))
    out: dict[str, Any] = {}
    for fold in range(plan.folds):
        train = [f for f in range(plan.folds) if f != fold]
        texture = _texture(data, plan, train)
        fitted = fit_boosting(*make_rows(data, texture), fold)
        out[f"fold{fold}"] = score_boosting(fitted, data, texture, fold, constant_of(data, train))
        say(f"boosting without fold {fold}: skill V {out[f'fold{fold}']['skill_valence']:.3f}")
    songs = scored_clips(data, TEST58)
    if songs:
        texture = _texture(data, plan, range(plan.folds))
        fitted = fit_boosting(*make_rows(data, texture), None)
        p = predict_boosting(fitted, _features58(data, texture, songs))
        out["test58"] = _per_song(labels_of(data, songs), p)
    return out


def _texture(data: LiveData, plan: MoodPlan, folds: Sequence[int]) -> Texture:
    """Statistics as the network has them, what counts as a change fitted on training folds."""
    config = plan.config()
    texture = Texture(config.memory_s, threshold=config.threshold)
    songs = [i for i in data.first_clips(tuple(folds)) if len(data.mel[i]) >= SPAN]
    fit_change(texture, data, songs[:400])
    return texture


def _features58(data: LiveData, texture: Texture, songs: Sequence[int]) -> np.ndarray:
    import torch

    mel, chroma = (torch.stack([x[i][:20] for i in songs]) for x in (data.mel, data.chroma))
    return textures(texture, mel, chroma)[:, FROM:]


def _per_song(y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    rmse = np.sqrt(np.mean((p[..., :2] - y) ** 2, axis=1)).mean(0)
    return {"rmse_valence": float(rmse[0]), "rmse_arousal": float(rmse[1])}


def test58(model: Steps, data: LiveData, run: Path) -> dict[str, float]:
    """Per-song RMSE on the 58 songs beside the constants', r of song means; calibration there."""
    songs = scored_clips(data, TEST58)
    if not songs:
        return {}
    y = labels_of(data, songs)
    moods = all_outputs(model, run_clips(model, data, songs, 20))[:, FROM:]
    np.savez_compressed(run / "raw" / "test58.npz", y=y, mood=moods)
    constant = constant_of(data, range(5))
    out: dict[str, float] = {"songs": len(songs)}
    for k, axis in enumerate(("valence", "arousal")):
        of = alike(list(y[..., k]), list(moods[..., k]), float(constant[k]))
        out |= {f"rmse_{axis}": of.rmse, f"constant_{axis}": of.constant, f"r_{axis}": of.r,
                f"hindsight_{axis}": of.hindsight}  # fmt: skip
    return out | calibration(y, moods)
