"""One artefact, whoever made it, scored on a fold: every figure that its outputs allow."""

import re
from pathlib import Path
from typing import Any

from offline.batches.live.data import FRONT_ENDS, LiveData
from offline.datasets.nested import Folds
from offline.evaluation.ledger import readings, record_reading
from offline.evaluation.live.scores import constant_of, score_fold
from offline.evaluation.live.sounds import mean_change, moved_by_changes
from offline.files import json_hash
from streammer.errors import InputError
from streammer.inference.artefact import graph_hash
from streammer.inference.model import Model, load_model

__all__ = ["held_out", "score_artefact"]


def held_out(model: Model, data: LiveData, fold: int) -> str:
    """Say why a fold was, or cannot be taken to have been, held out of an artefact.

    Returns
    -------
    str
        Empty where the artefact's name says ``-fold<k>`` and the hash of its data, which covers
        the folds, is that of `data`.
    """
    named = re.search(r"-fold(\d+)(?:-|$)", model.meta.name)
    if named is None:
        return "its name says of no fold that it was held out"
    if int(named[1]) != fold:
        return f"it was fitted without fold {named[1]}"
    if model.meta.data_hash != data.data_hash():
        return "it was fitted on other data or folds than these"
    return ""


def score_artefact(
    path: Path | str, data: LiveData, folds: tuple[int, ...], ledger: Path
) -> dict[str, Any]:
    """Score an artefact on folds; as ``scores.json`` of a run, so that the same tables show it.

    What the artefact was trained on is said beside the figures, in ``in_sample``.

    Parameters
    ----------
    path : Path or str
        A file, or a name of the zoo.
    data : LiveData
    folds : tuple of int
    ledger : Path
        Folder of runs: a reading of a fold that was held out is written down there.

    Raises
    ------
    InputError
        The artefact takes other features than the live front end's.
    """
    model = load_model(path)
    if {name: spec for name, spec in model.front_ends.items()} != FRONT_ENDS:
        raise InputError(
            f"{path}: takes {', '.join(model.front_ends)} of its own; expected the live front end "
            f"({', '.join(FRONT_ENDS)}); score it by its run"
        )
    system = re.sub(r"-fold\d+.*", "", model.meta.name)
    body: dict[str, Any] = {"folds": {}, "in_sample": {}, "artefact_hash": graph_hash(model.data)}
    moved = []
    for fold in folds:
        why = held_out(model, data, fold)
        body["in_sample"][str(fold)] = why
        if not why:
            record_reading(
                ledger, fold, system=system, run=model.meta.name,
                config=json_hash(model.meta.recipe), artefact=body["artefact_hash"],
            )  # fmt: skip
        scores, _ = score_fold(model, data, fold, constant_of(data, Folds(fold).train))
        body["folds"][f"fold{fold}"] = {"fold": fold, "seed": 0, **scores}
        moved.append(moved_by_changes(model, data, fold))
    body["readings"] = {
        str(f): str(readings(ledger, f, system)) for f in folds if not body["in_sample"][str(f)]
    }
    body["robustness"] = mean_change(moved)
    return body
