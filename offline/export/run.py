"""`export`: a trained run -> an artefact of contract 1 in the run folder, with its card."""

import tempfile
from pathlib import Path
from typing import Any

from offline.evaluation.evaluate import read_scores
from offline.export.metadata import with_metadata
from offline.export.onnx import attach_metrics, export_model
from offline.files import write_with
from offline.progress import say
from offline.recipes.recipe import Recipe
from offline.runs import Run, open_run
from streammer.errors import InputError
from streammer.inference.artefact import PROPERTY, card_path, read_artefact, read_metadata

__all__ = ["artefact_name", "export_folder", "export_run", "is_causal"]

LICENCE = "weights: for research, as the licences of the training data ask; code: MIT"


def is_causal(recipe: Recipe) -> bool:
    """Whether a recipe's network could run live."""
    return recipe.causal and recipe.data.labels == "dynamic"


def artefact_name(recipe: Recipe) -> str:
    """Name of the artefact: the system's, with the form when it is not the usual one."""
    parts = [recipe.name]
    if recipe.data.labels == "static":
        parts.append("static")
    if recipe.mode == "original":
        parts.append("original")
    return "-".join(parts)


def export_run(run: Run, out: Path | None = None, *, name: str = "", version: str = "1") -> Path:
    """Export a trained run.

    Parameters
    ----------
    run : Run
    out : Path, optional
        Folder; the run's own by default.

    Returns
    -------
    Path
        Of the artefact. One of a system that cannot run live is marked ``causal: false`` and
        refused by the live core.

    Raises
    ------
    InputError
        The run is not trained yet.
    UsageError
        The system fits no artefact.
    """
    recipe, fitted = run.recipe, run.fitted
    if not fitted:
        raise InputError(f"{run.path}: not trained yet; run `train` again to finish it")
    stepping = recipe.kind.make(recipe).stepping(run)
    module, front_ends, step_s = stepping.module, stepping.front_ends, stepping.step_s
    causal = is_causal(recipe)
    source = {"clips": "DEAM (10 s clips)", "deam": "DEAM"}.get(run.layout, run.layout)
    text = (run.path / "recipe.toml").read_text(encoding="utf-8")
    meta = {
        "name": name or artefact_name(recipe),
        "version": version,
        "step_s": step_s,
        "outputs": list(recipe.outputs),
        "warmup_s": max(recipe.data.window_s, 2.0) if causal else step_s,
        "prior": fitted["prior"],
        "licence": LICENCE,
        "trained_on": f"{fitted['n_train']} songs of {source}, {run.split.name}",
        "recipe": text or recipe.name,
        "data_hash": fitted["data_hash"],
    }
    target = out or run.path
    if causal:
        path = export_model(module, front_ends, meta, target, _sections(run, fitted))
        _attach(run, path)
        return path
    with tempfile.TemporaryDirectory() as folder:
        made = export_model(module, front_ends, meta, Path(folder), _sections(run, fitted))
        _attach(run, made)
        return _marked(made, target)


def export_folder(run: Path, to: Path | None, name: str, version: str) -> Path:
    """Export the run in a folder; say so where the artefact cannot run live."""
    opened = open_run(run)
    path = export_run(opened, to, name=name, version=version)
    if not is_causal(opened.recipe):
        say(f"{opened.recipe.name} is not causal: the artefact is marked and refused live")
    return path


def _attach(run: Run, path: Path) -> None:
    scores = {
        name.stem.removeprefix("scores-"): {
            axis: {
                "rmse_song": s["rmse_song"]["value"],
                "constant_song": s["constant_song"],
                "rmse_pooled": s["rmse_pooled"]["value"],
                "constant_pooled": s["constant_pooled"],
                "skill": s["skill_song"]["value"],
                "r_pooled": s["r_pooled"],
                "n_songs": s["n_songs"],
            }
            for axis, s in read_scores(name).items()
        }
        for name in sorted(run.path.glob("scores-*.json"))
    }
    if scores:
        attach_metrics(path, scores)


def _marked(made: Path, target: Path) -> Path:
    """Mark an artefact as not causal and move it, with its card, to where it belongs."""
    import msgspec

    meta = msgspec.structs.replace(read_metadata(made), causal=False)
    data = with_metadata(read_artefact(made), {PROPERTY: msgspec.json.encode(meta).decode()})
    card = card_path(made).read_text(encoding="utf-8")
    note = "\n**Not causal: it needs the whole sequence first and is refused live.**\n"
    head, rest = card.split("\n", 1)
    path = target / made.name

    def save_card(part: Path) -> None:
        part.write_text(f"{head}\n{note}{rest}", encoding="utf-8")

    def save(part: Path) -> None:
        part.write_bytes(data)

    write_with(card_path(path), save_card)
    write_with(path, save)
    return path


def _sections(run: Run, fitted: dict[str, Any]) -> dict[str, str]:
    recipe = run.recipe
    lines = [recipe.about, recipe.definition]
    if recipe.mode == "original":
        lines.append("Original mode: " + "; ".join(recipe.faults) + ".")
    if recipe.network.width != 1:
        lines.append(f"Width factor {recipe.network.width:g}.")
    lines += recipe.kind.make(recipe).notes()
    disjoint = f"{'' if run.split.artist_disjoint else 'not '}artist-disjoint"
    return {
        "Summary": " ".join(filter(None, lines)),
        "Data": f"{fitted['n_train']} training and {fitted['n_validation']} validation songs; "
        f"labels: {recipe.data.labels}.",
        "Splits": "; ".join([run.split.name, disjoint, *run.split.notes]) + ".",
        "Known failures": "Trained on short clips of one collection: figures hold for it alone. "
        "Absolute loudness decides; a quiet recording is predicted as calm.",
    }
