"""`features`: compute and keep what a recipe's networks take as input."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from offline.cli.options import DEFAULT_CACHE, Cache, DataPath, data_folder
from offline.progress import say
from streammer.errors import InputError, UsageError

if TYPE_CHECKING:
    from offline.recipes.recipe import Recipe
    from streammer.frontend import FrontEndSpec

__all__ = ["features"]


def features(
    recipe: str,
    *,
    data: DataPath = None,
    cache: Cache = DEFAULT_CACHE,
    workers: int = 2,
    device: str | None = None,
) -> None:
    """Compute and keep the features of a recipe; a killed run goes on where it was.

    Parameters
    ----------
    recipe
        Name or .toml file.
    workers
        Processes.
    device
        Compute in batches with torchaudio on this device, e.g. cuda.

    Examples
    --------
    python -m offline features crnn-gru3 --data ~/DEAM --workers 8
    """
    from offline.features.cache import FeatureCache
    from offline.recipes.load import load_recipe

    chosen, folder = load_recipe(recipe), data_folder(data)
    paths, specs = _wanted(chosen, folder)
    kept, missed = FeatureCache(cache), {}
    for spec in specs:
        found = kept.fill(paths, spec, workers=workers, device=device, show=sys.stderr.isatty())
        missed |= found.reasons
    for _, line in sorted(missed.items()):
        say(line)
    if len(missed) == len(paths):
        raise InputError(f"{folder}: no audio that can be read, {len(paths)} files tried")
    print(f"{len(paths) - len(missed)} of {len(paths)} files have features")


def _wanted(recipe: "Recipe", folder: Path) -> "tuple[list[Path], list[FrontEndSpec]]":
    """Return the files that a recipe takes features of, and the front ends."""
    from offline.datasets import load_dataset

    if recipe.family == "live":
        from offline.batches.live.data import FRONT_ENDS
        from offline.datasets.collection import clips_of, sets_of

        return [clip.path for _, _, clip in clips_of(sets_of(folder))], [*FRONT_ENDS.values()]
    dataset = load_dataset(folder)
    paths = [clip.path for song in dataset for clip in song.clips]
    if recipe.family == "classical":
        from offline.training.classical import SPEC, find_table

        table = find_table(dataset.root, recipe.data.features)
        if table is not None:
            raise UsageError(f"{recipe.name}: reads {table}; there is nothing to compute")
        return paths, [SPEC]
    return paths, [recipe.spec]
