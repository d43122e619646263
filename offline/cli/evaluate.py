"""`evaluate`: predict the test songs of a trained run and score them."""

from pathlib import Path
from typing import Literal

from offline.cli.options import (
    DEFAULT_CACHE,
    DEFAULT_RUNS,
    Cache,
    DataPath,
    data_folder,
    run_folder,
)
from streammer.errors import UsageError

__all__ = ["evaluate"]


def evaluate(
    run: Path,
    *,
    on: Literal["test", "test58"] | None = None,
    out: Path | None = None,
    workers: int = 2,
    fold: list[int] | None = None,
    data: DataPath = None,
    cache: Cache = DEFAULT_CACHE,
) -> None:
    """Predict the test songs of a trained run and score them.

    Parameters
    ----------
    run
        Folder that `train` printed, or its name in runs/; or an artefact (.onnx), which is scored
        on folds of --data by all figures that its outputs allow.
    on
        The split's test songs (default), or the 58 songs of 2015. The live model is scored on
        both.
    out
        Folder of the live model's page and figures; ``page`` in the run by default.
    workers
        Processes for missing features.
    fold
        Folds that an artefact is scored on, all five by default; what it was fitted on is said.

    Examples
    --------
    python -m offline evaluate runs/live
    python -m offline evaluate runs/crnn-gru3-dynamic-corrected-artist0 --on test58
    python -m offline evaluate models/zoo/default.onnx --fold 0 --data ~/data
    """
    from offline.runs import recipe_of_run

    if run.suffix == ".onnx":
        if on is not None or out is not None:
            raise UsageError("--on, --out: an artefact has no run; it is scored on --fold")
        lines = _evaluate_artefact(run, fold, data_folder(data), cache, workers)
    elif fold is not None:
        raise UsageError("--fold: a run is scored on its own; it chooses folds of an artefact")
    else:
        folder = run_folder(run)
        lines = recipe_of_run(folder).kind.verb("evaluate")(folder, on, out, workers)
    for line in lines:
        print(line)


def _evaluate_artefact(
    artefact: Path, folds: list[int] | None, root: Path, cache: Path, workers: int
) -> list[str]:
    from offline.batches.live.load import load_live
    from offline.datasets.nested import Folds
    from offline.evaluation.live.one import score_artefact
    from offline.features.cache import FeatureCache
    from offline.reporting.live.table import table_lines

    chosen = tuple(dict.fromkeys(folds)) if folds else Folds(None).train
    for fold in chosen:
        Folds(fold)  # refuses what is none
    data = load_live(root, FeatureCache(cache), workers=workers)
    return table_lines(score_artefact(artefact, data, chosen, DEFAULT_RUNS))
