"""`evaluate`: predict the test songs of a trained run and score them."""

from pathlib import Path
from typing import Literal

from offline.cli.options import run_folder

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
    from offline.runs import recipe_of_run

    folder = run_folder(run)
    for line in recipe_of_run(folder).kind.verb("evaluate")(folder, on, out, workers):
        print(line)
