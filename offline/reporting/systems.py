"""Systems of a report: the finished runs of one recipe in one mode, folds joined."""

from dataclasses import dataclass, field
from pathlib import Path

from offline.evaluation.evaluate import score_predictions
from offline.evaluation.metrics import Scores
from offline.files import json_hash
from offline.recipes.recipe import Recipe
from offline.runs import Predictions, Run, open_run
from streammer.errors import InputError

__all__ = ["AXES", "System", "collect"]

AXES = ("arousal", "valence")
"""In the order of the report."""


@dataclass(frozen=True)
class System:
    """One recipe in one mode with one kind of labels, its finished folds together.

    Attributes
    ----------
    runs : list of Run
        In the order of the folds.
    predictions : list of Predictions
        Test songs of each fold.
    test58 : Predictions or None
        The first fold's on the 58 songs.
    kept : dict
        Scores, once they were asked for.
    """

    runs: list[Run]
    predictions: list[Predictions]
    test58: Predictions | None
    kept: dict[str, Scores] = field(default_factory=dict, compare=False)

    @property
    def recipe(self) -> Recipe:
        """Recipe of the first fold."""
        return self.runs[0].recipe

    @property
    def label(self) -> str:
        """Name and mode."""
        return f"{self.recipe.name} ({self.recipe.mode})"

    @property
    def hash(self) -> str:
        """Hash of what was fitted in all of its runs, short; empty where they have none."""
        hashes = [run.hash for run in self.runs]
        return json_hash(hashes, 8) if all(hashes) else ""

    def scores(self) -> dict[str, Scores]:
        """Scores over all folds' songs, each with its own fold's constant."""
        if not self.kept:  # a thousand draws over all songs: once is enough
            self.kept.update(score_predictions(self.predictions, self.recipe.outputs))
        return self.kept


def collect(runs: Path) -> list[System]:
    """Finished runs of a folder but those of selection, folds joined.

    Raises
    ------
    InputError
        There is none.
    """
    found: dict[tuple[str, ...], list[tuple[Run, Path]]] = {}
    for scores in sorted(runs.glob("*/predictions-test.npz")):
        run = open_run(scores.parent)
        r = run.recipe
        if r.data.inner is not None:
            continue
        key = (r.data.labels, r.name, r.mode, r.data.split)
        found.setdefault(key, []).append((run, scores.parent))
    if not found:
        raise InputError(f"{runs}: no finished run; start with `reproduce`")
    systems = []
    for held in found.values():
        held.sort(key=lambda item: item[0].recipe.data.fold)
        extra = held[0][1] / "predictions-test58.npz"
        systems.append(
            System(
                [run for run, _ in held],
                [Predictions.read(path / "predictions-test.npz") for _, path in held],
                Predictions.read(extra) if extra.exists() else None,
            )
        )
    return systems
