"""`export` of the live model: the fitted parts of every fold put together, and what ships."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from models.live.ensemble import OUTPUTS, LiveEnsemble
from models.live.mood import LiveModel
from offline.batches.live.data import FRONT_ENDS, LiveData
from offline.export.onnx import export_model
from offline.progress import say
from offline.recipes.live import LivePlan, plan_of
from offline.training.live.members import EVERY, Member, load_member
from offline.training.live.run import (
    artefact_of,
    load_kernel,
    load_perceptrons,
    members_of,
    recipe_of_run,
)

__all__ = ["export_live"]

LICENCE = (
    "weights: for research, as the licences of the training data ask (DEAM: CC BY-NC; 4Q: research "
    "use); code: MIT"
)


def export_live(
    run: Path, data: LiveData, to: Path, *, name: str, version: str, sections: Mapping[str, str]
) -> Path:
    """Export each fold's and seed's artefact into the run, and the one that ships into `to`.

    The one that ships is made of parts that have heard every fold (the first seed of each).
    """
    recipe = recipe_of_run(run)
    plan = plan_of(recipe)
    text = (run / "recipe.toml").read_text(encoding="utf-8")
    for member in members_of(plan):
        path = artefact_of(run, member)
        if path.exists():
            continue
        folds = [f for f in range(plan.folds) if f != member.fold]
        note = {k: f"Held out: fold {member.fold}. Kept for evaluation only." for k in
                ("Data", "Splits", "Known failures")}  # fmt: skip
        module = _module(run, data, plan, member.fold, member.seed, folds)
        _export(data, plan, module, folds, path.parent, path.stem, "0", text, note)
        say(f"{path}: exported")
    everything = list(range(plan.folds))
    module = _module(run, data, plan, None, 0, everything)
    return _export(data, plan, module, everything, to, name, version, text, sections)


def _module(
    run: Path, data: LiveData, plan: LivePlan, fold: int | None, seed: int, folds: Sequence[int]
) -> LiveModel:
    """Put the parts together that have not heard a fold."""
    network = Member(EVERY if fold is None else fold, min(seed, plan.network_seeds - 1))
    spread = data.prior(folds)[1]
    return LiveModel(
        load_kernel(run, plan, fold, seed),
        LiveEnsemble([load_member(run, plan, network)]) if plan.has_networks else None,
        plan.share,
        plan.smoothing_s,
        (float(spread[0]), float(spread[1])),
        perceptrons=load_perceptrons(run, plan, fold, seed) if plan.has_perceptrons else None,
        perceptron_share=plan.perceptron_share,
    )


def _export(
    data: LiveData,
    plan: LivePlan,
    module: LiveModel,
    folds: Sequence[int],
    to: Path,
    name: str,
    version: str,
    recipe_text: str,
    sections: Mapping[str, str],
) -> Path:
    mean, spread = data.prior(folds)
    learned = plan.has_networks or plan.has_perceptrons
    counts = {
        kind: len({data.clips[i].song for i in data.where(kind, tuple(folds))})
        for kind in ("curve", "quadrant", "cluster")
    }
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
        "trained_on": f"DEAM ({counts['curve']} songs), 4Q ({counts['quadrant']} clips)"
        + (f", MIREX-like ({counts['cluster']} clips)" if learned else ""),
        "recipe": recipe_text,
        "data_hash": data.data_hash(),
    }
    to.mkdir(parents=True, exist_ok=True)
    return export_model(module, FRONT_ENDS, meta, to, sections)
