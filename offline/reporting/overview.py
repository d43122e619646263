"""The report's first table, the commands behind its rows, and what differs from the papers."""

from collections.abc import Sequence

import numpy as np

from offline.evaluation.metrics import Interval, Scores
from offline.recipes.load import QUICK, load_recipe
from offline.recipes.recipe import Recipe
from offline.reporting.systems import System

__all__ = ["STILL", "commands", "dead", "deviation", "interval", "is_reduced", "overview"]

HEADER = [
    "system", "arousal: corrected", "original", "constant",
    "valence: corrected", "original", "constant",
    "published",
]  # fmt: skip


def interval(x: Interval, digits: int = 2) -> str:
    """Value and its interval, signed."""
    return f"{x.value:+.{digits}f} [{x.low:+.{digits}f}, {x.high:+.{digits}f}]"


def overview(systems: Sequence[System]) -> tuple[list[str], list[list[str]]]:
    """One row a system: RMSE per song in both modes, the constant's, the published figure.

    Returns
    -------
    header, rows
        Best arousal first, then those that give valence alone. A star marks a skill whose
        interval excludes 0.
    """
    by_name: dict[str, dict[str, System]] = {}
    for system in systems:
        by_name.setdefault(system.recipe.name, {})[system.recipe.mode] = system
    ranked = []
    for name, modes in by_name.items():
        cells = [name]
        order = [np.inf, np.inf]
        for at, axis in enumerate(("arousal", "valence")):
            scores = {mode: s.scores().get(axis) for mode, s in modes.items()}
            cells += [_cell(scores.get("corrected")), _cell(scores.get("original"))]
            own = scores.get("corrected") or scores.get("original")
            cells.append(f"{own.constant_song:.3f}" if own else "")
            if own:
                order[at] = own.rmse_song.value
        published = next(iter(modes.values())).recipe.published or "none"
        ranked.append((order, [*cells, published]))
    ranked.sort(key=lambda item: item[0])
    return HEADER, [cells for _, cells in ranked]


def _cell(s: Scores | None) -> str:
    if s is None:
        return ""
    star = " *" if s.skill_song.low > 0 else ""
    return f"{s.rmse_song.value:.3f} ({s.skill_song.value:+.2f}){star}"


STILL = 0.005
"""Spread of predictions below which a system predicts the same for every song."""


def dead(systems: Sequence[System]) -> list[str]:
    """Systems that predict one value for every song of a fold, and in how many folds."""
    out = []
    for system in systems:
        spread = np.array([np.concatenate(f.p).std(axis=0) for f in system.predictions])
        parts = []
        for k, axis in enumerate(("valence", "arousal")):
            if n := int((spread[:, k] < STILL).sum()):
                parts.append(axis if n == len(spread) else f"{axis} in {n} of {len(spread)} folds")
        if parts:
            out.append(f"{system.label}: {' and '.join(parts)}")
    return out


def deviation(system: System) -> str:
    """Say what differs from the published protocol, from the run's own configuration."""
    recipe, fitted = system.recipe, system.runs[0].fitted
    parts = []
    if system.runs[0].layout == "clips" and recipe.kind.example != "song":
        parts.append("10 s clips, not 45 s or full songs")
    if recipe.network.width != 1:
        parts.append(f"width {recipe.network.width:g}")
    if recipe.network.image is not None and recipe.kind.images:
        parts.append("image {}x{}".format(*recipe.network.image))
    if "steps" in fitted:
        steps = sorted({r.fitted["steps"] for r in system.runs})
        span = f"{steps[0]}-{steps[-1]}" if len(steps) > 1 else f"{steps[0]}"
        parts.append(f"{span} step{'s' if span != '1' else ''}")
    hop = {126: 128, 250: 256}.get(recipe.front_end.get("hop_length", 0))
    if hop:
        parts.append(f"hop {recipe.front_end['hop_length']}, not {hop}")
    if recipe.training.precision != "32" and recipe.kind.reported:
        parts.append(recipe.training.precision)
    parts.append(f"{len(system.runs)} of 5 folds, by {recipe.data.split}")
    if system.hash:
        parts.append(f"run {system.hash}")
    return "; ".join(parts)


def is_reduced(system: System) -> bool:
    """Whether a system was run smaller, or for fewer steps, than its recipe says."""
    recipe = system.recipe
    if not recipe.kind.reported:
        return False
    own = load_recipe(recipe.name, mode=recipe.mode, labels=recipe.data.labels)
    run, published = ((r.network.width, r.network.image, r.training.steps) for r in (recipe, own))
    return run != published


def commands(systems: Sequence[System]) -> str:
    """Commands that run these systems as they were run here, from the runs' configurations."""
    groups: dict[str, list[str]] = {}
    for system in systems:
        r = system.recipe
        groups.setdefault(_options(r, len(system.runs)), []).append(r.name)
    lines = []
    for options, names in groups.items():
        if not options:
            lines.append("python -m offline report --deam PATH --live RUN    # of `train live`")
            continue
        only = " ".join(f"--only {n}" for n in sorted(names))
        lines.append(f"python -m offline reproduce --deam PATH {options} {only}")
    return "\n".join(sorted(lines))


def _options(recipe: Recipe, folds: int) -> str:
    if not recipe.kind.reported:
        return ""
    training = recipe.training
    own = load_recipe(recipe.name, mode=recipe.mode, labels=recipe.data.labels)
    parts = [f"--modes {recipe.mode}", f"--labels {recipe.data.labels}"]
    quick = recipe.evaluation.n_boot == QUICK["evaluation.n_boot"]
    parts.append("--quick" if quick else f"--folds {folds}")
    if recipe.network.width != own.network.width and not quick:
        parts.append(f"--width {recipe.network.width:g}")
    if recipe.network.image is not None and recipe.network.image != own.network.image:
        parts.append("--image {} {}".format(*recipe.network.image))
    if training.steps != own.training.steps:
        parts.append(f"--steps {training.steps}")
    if training.precision != own.training.precision:
        parts.append(f"--precision {training.precision}")
    if recipe.evaluation.stride != own.evaluation.stride:
        parts.append(f"--stride {recipe.evaluation.stride}")
    return " ".join(parts)
