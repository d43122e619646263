"""`features`: compute and keep what a recipe's networks take as input."""

import sys

from offline.cli.options import DEFAULT_CACHE, Cache, DataPath, data_folder
from offline.progress import say
from streammer.errors import InputError

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
    paths, specs = chosen.kind.verb("features")(chosen, folder)
    kept, missed = FeatureCache(cache), {}
    for spec in specs:
        found = kept.fill(paths, spec, workers=workers, device=device, show=sys.stderr.isatty())
        missed |= found.reasons
    for _, line in sorted(missed.items()):
        say(line)
    if len(missed) == len(paths):
        raise InputError(f"{folder}: no audio that can be read, {len(paths)} files tried")
    print(f"{len(paths) - len(missed)} of {len(paths)} files have features")
