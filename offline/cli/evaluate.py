"""`evaluate`: predict the test songs of a trained run and score them."""

import sys
from pathlib import Path
from typing import Literal

from offline.cli.options import run_folder
from offline.progress import say
from streammer.errors import UsageError

__all__ = ["evaluate"]


def evaluate(
    run: Path,
    *,
    on: Literal["test", "test58"] | None = None,
    out: Path | None = None,
    workers: int = 2,
) -> None:
    """Predict the test songs of a trained run and score them.

    Parameters
    ----------
    run
        Folder that `train` printed, or its name in runs/.
    on
        The split's test songs (default), or the 58 songs of 2015. The live model is scored on
        both.
    out
        Folder of the live model's page and figures; the run's own by default.
    workers
        Processes for missing features.

    Examples
    --------
    python -m offline evaluate runs/live
    python -m offline evaluate runs/crnn-gru3-dynamic-corrected-artist0 --on test58
    """
    from offline.training.live.run import is_live_run

    folder = run_folder(run)
    if is_live_run(folder):
        if on is not None:
            raise UsageError(f"--on {on}: the live model is scored on its folds and the 58 songs")
        lines = _evaluate_live(folder, out or folder, workers)
    elif out is not None:
        raise UsageError("--out: only the live model has a page; expected a run of `train live`")
    else:
        lines = _evaluate_run(folder, on or "test", workers)
    for line in lines:
        print(line)


def _evaluate_run(folder: Path, on: str, workers: int) -> list[str]:
    from offline.datasets.folds import is_test58
    from offline.evaluation.evaluate import evaluate as evaluate_run
    from offline.evaluation.evaluate import summary
    from offline.runs import open_run

    opened = open_run(folder)
    dataset = opened.dataset()
    songs = [s.uid for s in dataset if is_test58(s)] if on == "test58" else None
    scores = evaluate_run(
        opened, dataset, songs=songs, name=on, workers=workers, show=sys.stderr.isatty()
    )
    return summary(scores)


def _evaluate_live(run: Path, out: Path, workers: int) -> list[str]:
    from offline.evaluation.live.evaluate import evaluate_live, metrics_of
    from offline.export.live import export_folds, export_shipped
    from offline.export.onnx import attach_metrics
    from offline.reporting.live.page import write_page
    from offline.reporting.live.table import table_lines
    from offline.training.live.run import open_data, shipped_of

    data = open_data(run, workers=workers)
    export_folds(run, data)
    shipped = shipped_of(run)
    if not shipped.exists():
        export_shipped(run, data, run)
    body = evaluate_live(run, data)
    attach_metrics(shipped, metrics_of(body))
    say(f"{write_page(run, body, data, out)}: written")
    return table_lines(body)
