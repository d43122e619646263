"""A run: one recipe, one split, one folder that holds all that the next command needs."""

import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from offline.datasets import Dataset, load_dataset
from offline.datasets.splits import Split, known_split, make_split
from offline.features.cache import FeatureCache
from offline.files import empty_folder, write_json, write_text, write_with
from offline.recipes.load import load_recipe
from offline.recipes.recipe import Recipe, recipe_toml
from streammer.errors import InputError, UsageError

__all__ = [
    "CONFIG", "FITTED", "Predictions", "Run", "begin_run", "facts_of", "make_run", "open_run",
    "prior_of", "recipe_of_run", "split_for",
]  # fmt: skip

CONFIG, SPLIT, FITTED, RECIPE = "config.json", "split.json", "fitted.json", "recipe.toml"


@dataclass(frozen=True)
class Predictions:
    """Labels and predictions per song, as evaluated.

    Attributes
    ----------
    uids : list of str
    t_s, y, p : list of np.ndarray
        Song times [n], labels [n, 2], predictions [n, 2] (NaN for an axis not given).
    constant : np.ndarray [shape=(2,)]
        Mean of the training labels.
    of : str
        Hash of what predicted: of a run's weights, or of an artefact's graph.
    """

    uids: list[str]
    t_s: list[np.ndarray]
    y: list[np.ndarray]
    p: list[np.ndarray]
    constant: np.ndarray
    of: str = ""

    def write(self, path: Path) -> None:
        """Write as .npz, whole or not at all."""
        sizes = np.array([len(t) for t in self.t_s])

        def save(part: Path) -> None:
            with part.open("wb") as file:
                np.savez_compressed(
                    file,
                    uids=np.array(self.uids),
                    sizes=sizes,
                    t_s=np.concatenate(self.t_s),
                    y=np.concatenate(self.y),
                    p=np.concatenate(self.p),
                    constant=self.constant,
                    of=np.array(self.of),
                )

        write_with(path, save)

    @classmethod
    def read(cls, path: Path) -> "Predictions":
        """Read what `write` wrote."""
        with np.load(path, allow_pickle=False) as d:
            cuts = np.cumsum(d["sizes"])[:-1]
            return cls(
                d["uids"].tolist(),
                np.split(d["t_s"], cuts),
                np.split(d["y"], cuts),
                np.split(d["p"], cuts),
                d["constant"],
                str(d["of"]) if "of" in d else "",
            )


@dataclass(frozen=True)
class Run:
    """An opened run folder."""

    path: Path
    recipe: Recipe
    data: Path
    layout: str
    cache: FeatureCache
    split: Split

    @property
    def fitted(self) -> dict[str, Any]:
        """What training found out; empty while it has not ended."""
        path = self.path / FITTED
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}

    @property
    def hash(self) -> str:
        """Hash of what was fitted; empty while training has not ended."""
        return str(self.fitted.get("hash", ""))

    def dataset(self) -> Dataset:
        """Load the data set of the run."""
        return load_dataset(self.data, self.layout)


def split_for(dataset: Dataset, recipe: Recipe) -> Split:
    """Return the split that a recipe asks for.

    Raises
    ------
    UsageError
        There is no such fold or split, or a published split is asked for an inner fold.
    """
    if recipe.data.split in ("artist", "song"):
        return make_split(
            dataset.songs, recipe.data.fold, by=recipe.data.split, inner=recipe.data.inner
        )
    if recipe.data.inner is not None:
        raise UsageError(
            f"data.inner: split {recipe.data.split} is a published one and has no inner folds; "
            "expected data.split artist or song"
        )
    return known_split(dataset.songs, recipe.data.split)


def make_run(
    recipe: Recipe,
    data: Path,
    dataset: Dataset,
    cache: Path,
    root: Path,
    *,
    fresh: bool = False,
    name: str = "",
) -> Run:
    """Create a run folder, or open the one that a killed run left.

    Raises
    ------
    UsageError
        The folder holds a run of another configuration, or of other songs on a side.
    """
    path = root / (name or recipe.slug)
    split = split_for(dataset, recipe)  # before anything is thrown away
    begin_run(path, recipe, data, cache, layout=dataset.layout, fresh=fresh)
    if not (path / SPLIT).exists():
        split.write(path / SPLIT)
    if Split.read(path / SPLIT) != split:
        raise UsageError(_another(path, "split of the songs"))
    return Run(path, recipe, data, dataset.layout, FeatureCache(cache), split)


def begin_run(
    path: Path, recipe: Recipe, data: Path, cache: Path, *, layout: str = "", fresh: bool = False
) -> None:
    """Write what the next commands need into a folder, or find it there.

    Parameters
    ----------
    path : Path
    recipe : Recipe
        Kept as the artefacts will carry it, with all that was set.
    data, cache : Path
    layout : str
        Of the data set, where there is one only.
    fresh : bool
        Throw a run that is there away.

    Raises
    ------
    UsageError
        The folder holds a run of another recipe or data set.
    """
    config = path / CONFIG
    body = {"layout": layout, "data": str(data.resolve())}
    if config.exists() and fresh:
        empty_folder(path)
    if config.exists():
        there = facts_of(path)
        if recipe_of_run(path) != recipe:
            raise UsageError(_another(path, "configuration"))
        if {key: there[key] for key in body} != body:
            raise UsageError(_another(path, f"data set, {there['data']}"))
        return
    write_text(path / RECIPE, recipe_toml(recipe))
    write_json(config, {**body, "cache": str(cache.resolve()), "host": platform.machine()})


def _another(path: Path, what: str) -> str:
    return (
        f"{path}: holds a run of another {what}; choose another --name or start anew with --fresh"
    )


def facts_of(path: Path) -> dict[str, str]:
    """Return what a run was made on: ``data``, ``cache``, ``layout``, ``host``.

    Raises
    ------
    InputError
        The folder holds no run.
    """
    config = path / CONFIG
    if not config.is_file():
        raise InputError(f"{path}: no run in this folder; expected {CONFIG} as `train` writes it")
    facts: dict[str, str] = json.loads(config.read_text(encoding="utf-8"))
    return facts


def open_run(path: Path) -> Run:
    """Open a run folder.

    Raises
    ------
    InputError
        It is none.
    """
    body = facts_of(path)
    return Run(
        path,
        recipe_of_run(path),
        Path(body["data"]),
        body["layout"],
        FeatureCache(Path(body["cache"])),
        Split.read(path / SPLIT),
    )


def recipe_of_run(path: Path, changes: Mapping[str, Any] | None = None) -> Recipe:
    """Return the recipe that a run of any kind keeps, with all that was set.

    Parameters
    ----------
    path : Path
    changes : mapping of str to object, optional
        Dotted names to change in it.

    Raises
    ------
    InputError
        The folder holds no run.
    """
    kept = path / RECIPE
    if not kept.is_file():
        raise InputError(f"{path}: no run in this folder; expected {RECIPE} as `train` writes it")
    return load_recipe(str(kept), changes=changes)


def prior_of(y: np.ndarray, outputs: Sequence[str]) -> dict[str, dict[str, float]]:
    """Mean and spread of the training labels per axis, as an artefact carries them."""
    return {
        axis: {
            "mean": round(float(y[:, column].mean()), 6),
            "sd": round(max(float(y[:, column].std()), 1e-3), 6),
        }
        for column, axis in enumerate(("valence", "arousal"))
        if axis in outputs
    }
