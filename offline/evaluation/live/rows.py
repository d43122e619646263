"""The live model in the report: the artefacts of its folds, stepped, scored like all others.

`train live` leaves one artefact a fold that was fitted without that fold's artists. Each is stepped
over its held-out songs from a fresh start, as `streammer listen` steps it, and its output is
kept as a run of the report's protocol.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from offline.batches.clips import LabelledClip, scored
from offline.datasets import Dataset
from offline.datasets.folds import is_test58
from offline.datasets.splits import make_split
from offline.features.cache import FeatureCache
from offline.files import write_json, write_with
from offline.recipes.load import load_text
from offline.recipes.recipe import Recipe
from offline.runs import FITTED, Predictions, Run, make_run, recipe_of_run
from streammer.errors import InputError
from streammer.inference.artefact import graph_hash
from streammer.inference.model import Model, load_model

__all__ = ["SIGMA", "adopt_live"]

SIGMA = "sigma-test.npz"
BATCH = 64


def adopt_live(
    live: Path, dataset: Dataset, deam: Path, cache: Path, runs: Path, stride: int
) -> list[Run]:
    """Make runs of the report from the artefacts of a live run's folds; keep what is there.

    A run has the recipe that its artefact carries. What is there is kept if it was predicted by the
    same artefact, by the hash of its graph.

    Parameters
    ----------
    live : Path
        Folder of `train live` after `export`: ``artefacts/<name>-fold<k>-….onnx``.
    stride : int
        Score every n-th label, as the other runs of the report.

    Raises
    ------
    InputError
        There is no artefact of a fold.
    """
    found: dict[int, Path] = {}
    for path in sorted((live / "artefacts").glob("*.onnx")):
        if match := re.search(r"-fold(\d+)(?:-|\.|$)", path.name):
            found.setdefault(int(match[1]), path)
    if not found:
        raise InputError(f"{live}: no artefact of a fold in artefacts/; run `export` on it first")
    out, name = [], recipe_of_run(live).name
    for fold, path in sorted(found.items()):
        model = load_model(path)
        of = graph_hash(model.data)
        changes = {"name": name, "data.fold": fold, "evaluation.stride": stride}
        recipe = load_text(model.meta.recipe, path.stem, changes=changes)
        # What is kept there was predicted by the artefact whose hash it carries: another artefact,
        # or a recipe that has changed since, cannot pass for it.
        kept = runs / recipe.slug / FITTED
        fresh = kept.exists() and json.loads(kept.read_text(encoding="utf-8")).get("hash") != of
        run = make_run(recipe, deam, dataset, cache, runs, fresh=fresh)
        if not (run.path / "predictions-test.npz").exists():
            _score(run, model, of, dataset)
        out.append(run)
    return out


def _score(run: Run, model: Model, of: str, dataset: Dataset) -> None:
    split = make_split(dataset.songs, run.recipe.data.fold)
    trained = {*split.train, *split.validation}
    curves = [dataset.labels(s.id) for s in dataset if s.uid in trained and s.clips]
    labels = np.concatenate(
        [np.stack([c.valence, c.arousal], axis=1) for c in curves if c is not None]
    )
    constant = labels.mean(axis=0).astype(float)
    write_json(
        run.path / FITTED,
        {
            "n_train": len(curves),
            "constant": constant.tolist(),
            "data_hash": model.meta.data_hash,
            "hash": of,
            "best": "",
            "sizes": [0, 0],
        },
    )
    if run.recipe.data.fold == 0:
        test58 = [s.uid for s in dataset if is_test58(s)]
        held, _ = predict_artefact(model, dataset, test58, run.recipe, run.cache, constant)
        if held.uids:
            replace(held, of=of).write(run.path / "predictions-test58.npz")
    held, sigma = predict_artefact(model, dataset, split.test, run.recipe, run.cache, constant)
    if sigma is not None:
        _save(run.path / SIGMA, np.concatenate(held.y), np.concatenate(held.p), sigma)
    replace(held, of=of).write(run.path / "predictions-test.npz")


def _save(path: Path, y: np.ndarray, p: np.ndarray, sigma: np.ndarray) -> None:
    def save(part: Path) -> None:
        with part.open("wb") as file:
            np.savez_compressed(file, y=y, p=p, sigma=sigma)

    write_with(path, save)


def predict_artefact(
    model: Model,
    dataset: Dataset,
    uids: Sequence[str],
    recipe: Recipe,
    cache: FeatureCache,
    constant: np.ndarray,
) -> tuple[Predictions, np.ndarray | None]:
    """Step an artefact over songs from a fresh start.

    Returns
    -------
    Predictions
    np.ndarray [shape=(n, 2)] or None
        Sigma of every prediction, valence first; None when the model gives none.
    """
    wanted = set(uids)
    songs = [s for s in dataset if s.uid in wanted and s.clips and dataset.labels(s.id) is not None]
    for spec in model.front_ends.values():
        cache.fill([s.clips[0].path for s in songs], spec, show=False)
    names = list(model.outputs)
    columns = [names.index(axis) for axis in ("valence", "arousal")]
    spread = [n for n in ("sigma_valence", "sigma_arousal") if n in names]
    out, sigma = Predictions([], [], [], [], constant), []
    for at in range(0, len(songs), BATCH):
        group = songs[at : at + BATCH]
        moods = _stepped(model, [s.clips[0].path for s in group], cache)
        for song, mood in zip(group, moods, strict=True):
            offset = song.clips[0].offset_s
            t_s = offset + (np.arange(len(mood)) + 1) * model.step_s
            curve = dataset.labels(song.id)
            assert curve is not None
            y = curve.at(np.round(t_s * 2) / 2)
            labelled = LabelledClip(song.uid, mood, offset, np.arange(len(mood)), t_s, y, y)
            chosen = np.flatnonzero(scored(labelled, recipe))
            if len(chosen):
                out.uids.append(song.uid)
                out.t_s.append(t_s[chosen])
                out.y.append(y[chosen])
                out.p.append(mood[chosen][:, columns])
                if len(spread) == 2:
                    sigma.append(mood[chosen][:, [names.index(n) for n in spread]])
    return out, np.concatenate(sigma) if sigma else None


def _stepped(model: Model, paths: Sequence[Path], cache: FeatureCache) -> list[np.ndarray]:
    """Moods of clips [shape=(steps, outputs)], stepped side by side; the short ones end early."""
    sizes = {name: s.frames_per_step(model.step_s) for name, s in model.front_ends.items()}
    inputs = [
        {name: cache.get(path, spec) for name, spec in model.front_ends.items()} for path in paths
    ]
    steps = [min(len(x[name]) // n for name, n in sizes.items()) for x in inputs]
    moods = []
    state = model.zero_state(len(paths))
    for k in range(max(steps)):
        features = {}
        for name, n in sizes.items():
            parts = [x[name][k * n : (k + 1) * n] for x in inputs]
            parts = [p if len(p) == n else np.zeros((n, p.shape[1]), np.float32) for p in parts]
            features[name] = np.stack(parts)
        mood, state = model.step(features, state)
        moods.append(mood)
    whole = np.stack(moods, axis=1)
    return [m[:n] for m, n in zip(whole, steps, strict=True)]
