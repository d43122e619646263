"""`export` of the live model: the fitted parts of every fold put together, and what ships."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from models.live.mood_step import OUTPUTS, MoodStep
from offline.batches.live.data import FRONT_ENDS, LiveData
from offline.evaluation.live.evaluate import metrics_of
from offline.export.card import REQUIRED
from offline.export.live_card import sections_of, write_prose
from offline.export.onnx import attach_metrics, export_model
from offline.progress import say
from offline.recipes.mood import MoodPlan, mood_plan
from offline.runs import recipe_of_run
from offline.training.live.run import (
    EVERY,
    Member,
    artefact_of,
    is_taught,
    load_step,
    members_of,
)
from streammer.errors import UsageError
from streammer.inference.artefact import graph_hash

__all__ = ["export_folds", "export_shipped"]

LICENCE = (
    "weights: for research, as the licences of the training data ask (DEAM: CC BY-NC; 4Q: research "
    "use); code: MIT"
)


def export_folds(run: Path, data: LiveData) -> None:
    """Export the artefact of every fold and seed that is not in the run yet, for evaluation."""
    recipe = recipe_of_run(run)
    plan = mood_plan(recipe)
    for member in members_of(recipe):
        path = artefact_of(run, member)
        if path.exists():
            continue
        folds = [f for f in range(plan.folds) if f != member.fold]
        note = f"Held out: fold {member.fold}. Kept for evaluation only."
        sections = dict.fromkeys(REQUIRED, note)
        module = _module(run, data, plan, member, folds)
        _export(run, data, module, folds, path.parent, path.stem, "0", sections)
        say(f"{path}: exported")


def export_shipped(
    run: Path, data: LiveData, to: Path, *, name: str = "", version: str = "1"
) -> Path:
    """Export what ships, fitted on every fold, into a folder.

    Its card has the figures of `evaluate` where they belong to this graph, and the prose that
    stands about it in docs/cards.

    Returns
    -------
    Path
        Of the artefact.

    Raises
    ------
    UsageError
        The run is one of selection: no network of it was trained on all folds.
    """
    recipe = recipe_of_run(run)
    if recipe.data.inner is not None:
        raise UsageError(
            f"{run}: a run of selection ships nothing; train the recipe without --inner, then "
            "export that run"
        )
    plan = mood_plan(recipe)
    folds = list(range(plan.folds))
    module = _module(run, data, plan, Member(EVERY, 0), folds)
    sections = sections_of(data, plan, taught=is_taught(run))
    path = _export(run, data, module, folds, to, name or recipe.name, version, sections)
    artefact_hash = graph_hash(path.read_bytes())
    write_prose(path)
    scores = run / "scores.json"
    body = json.loads(scores.read_text(encoding="utf-8")) if scores.exists() else {}
    if body.get("shipped", {}).get("artefact_hash") == artefact_hash:
        attach_metrics(path, metrics_of(body))
    return path


def _module(
    run: Path, data: LiveData, plan: MoodPlan, member: Member, folds: Sequence[int]
) -> MoodStep:
    """Read the network that was fitted without a fold; its largest sigma is the prior's."""
    spread = data.prior(folds)[1]
    return load_step(run, plan, member, (float(spread[0]), float(spread[1])))


def _export(
    run: Path,
    data: LiveData,
    module: MoodStep,
    folds: Sequence[int],
    to: Path,
    name: str,
    version: str,
    sections: Mapping[str, str],
) -> Path:
    mean, spread = data.prior(folds)
    meta = {
        "name": name,
        "version": version,
        "step_s": 0.5,
        "outputs": list(OUTPUTS),
        "warmup_s": 3.0,
        "prior": {
            axis: {"mean": round(float(mean[k]), 6), "sd": round(float(spread[k]), 6)}
            for k, axis in enumerate(("valence", "arousal"))
        },
        "licence": LICENCE,
        "trained_on": _trained_on(run, data, folds),
        "recipe": (run / "recipe.toml").read_text(encoding="utf-8"),
        "data_hash": data.data_hash(),
    }
    to.mkdir(parents=True, exist_ok=True)
    return export_model(module, FRONT_ENDS, meta, to, sections)


def _trained_on(run: Path, data: LiveData, folds: Sequence[int]) -> str:
    weights = recipe_of_run(run).training.weights
    counts = {
        kind: len({data.clips[i].song for i in data.where(kind, tuple(folds))})
        for kind in ("curve", "quadrant", "cluster", "deezer")
    }
    parts = [f"DEAM ({counts['curve']} songs)"]
    if data.half_planes_from == "4Q":
        parts.append(f"4Q ({counts['quadrant']} clips)")
    if counts["cluster"] and (weights.get("cluster") or weights.get("rank_cluster")):
        parts.append(f"MIREX-like ({counts['cluster']} clips)")
    if counts["deezer"] and weights.get("deezer"):
        parts.append(f"Deezer's labels ({counts['deezer']} clips)")
    taught = "; soft targets of musicnn" if is_taught(run) else ""
    return ", ".join(parts) + taught
