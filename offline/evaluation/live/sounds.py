"""Artefacts on whole sounds: changed recordings, long excerpts, sounds that are no music."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from offline.batches.live.data import SPAN, SR, STEP_S, LiveData
from offline.datasets import load_dataset
from offline.datasets.audio import read_mono
from offline.evaluation.live.predict import Steps, run_sound
from offline.evaluation.live.scores import FROM, all_outputs
from offline.features.corruptions import CHANGES
from offline.recipes.mood import mood_plan
from offline.runs import facts_of, recipe_of_run
from offline.training.live.run import Member, artefact_of, members_of
from streammer.audio.resample import resample
from streammer.inference.model import load_model

__all__ = ["demo", "mean_change", "moved_by_changes", "not_music_of", "robustness"]

SONGS_CHANGED = 30
"""Songs of each fold whose sound is changed."""


def robustness(run: Path, data: LiveData) -> dict[str, dict[str, float]]:
    """Mean change of valence and arousal when the sound is changed, over all folds."""
    members = [m for m in members_of(recipe_of_run(run)) if m.seed == 0]
    return mean_change(
        [moved_by_changes(load_model(artefact_of(run, m)), data, m.fold) for m in members]
    )


def moved_by_changes(model: Steps, data: LiveData, fold: int) -> dict[str, list[np.ndarray]]:
    """Change of valence and arousal of songs of a fold when their sound is changed.

    Returns
    -------
    dict
        Name of the change -> one array [shape=(steps, 2)] a song.
    """
    moved: dict[str, list[np.ndarray]] = {name: [] for name in CHANGES}
    songs = data.first_clips((fold,))
    for i in np.random.default_rng(3).permutation(songs)[:SONGS_CHANGED]:
        path = data.clips[int(i)].path
        if path is None:
            continue
        y = resample(*_native(path))[: round(SPAN * STEP_S * SR)]
        plain = all_outputs(model, run_sound(model, y))[FROM:, :2]
        for name, change in CHANGES.items():
            mood = all_outputs(model, run_sound(model, change(y)))
            moved[name].append(np.abs(mood[FROM:SPAN, :2] - plain))
    return moved


def mean_change(folds: Sequence[dict[str, list[np.ndarray]]]) -> dict[str, dict[str, float]]:
    """Mean over songs of all folds, per change and axis."""
    out: dict[str, dict[str, float]] = {}
    for name in CHANGES:
        songs = [m for fold in folds for m in fold[name]]
        if songs:
            mean = np.mean([m.mean(0) for m in songs], 0)
            out[name] = {"valence": float(mean[0]), "arousal": float(mean[1])}
    return out


def demo(run: Path, data: LiveData) -> dict[str, float]:
    """Run the full 45 s excerpts, each through the artefact fitted without its fold.

    Root mean square error of blocks of the excerpt; curves go to ``raw/demo.npz``.
    """
    plan = mood_plan(recipe_of_run(run))
    root = Path(facts_of(run)["data"])
    dataset = load_dataset(root)
    fold_of = {c.song: c.fold for c in data.clips}
    curves: dict[str, np.ndarray] = {}
    for song in dataset:
        files = [c for c in song.clips if c.path.parent.name == "demo"]
        labels = dataset.labels(song.id)
        fold = fold_of.get(song.uid, -1)
        if not files or labels is None or not 0 <= fold < plan.folds:
            continue
        model = load_model(artefact_of(run, Member(fold, 0)))
        mood = run_sound(model, resample(*_native(files[0].path)))
        t = 0.5 * np.arange(1, len(mood) + 1)
        true = np.stack([np.interp(t, labels.t_s, x, left=np.nan, right=np.nan)
                         for x in (labels.valence, labels.arousal)], 1)  # fmt: skip
        curves[song.id] = np.concatenate((true, mood[:, :4]), 1)[:88]
    whole = [c for c in curves.values() if len(c) == 88]
    if not whole:
        return {}
    np.savez_compressed(run / "raw" / "demo.npz", **curves)
    stacked = np.stack(whole)
    out: dict[str, float] = {"songs": len(curves)}
    for first, last in ((30, 44), (44, 60), (60, 74), (74, 88)):
        part = stacked[:, first:last]
        for k, axis in enumerate(("valence", "arousal")):
            error = np.sqrt(np.nanmean((part[..., k] - part[..., 2 + k]) ** 2))
            out[f"rmse_{axis}_{first / 2:g}_{last / 2:g}s"] = float(error)
    return out


def _native(path: Path) -> tuple[np.ndarray, int, int]:
    y, sr = read_mono(path)
    return y, sr, SR


def not_music_of(model: Any, data: LiveData) -> dict[str, Any]:
    """Score sounds that are no music: largest |V|, |A| after 2 s, sigma over the prior's.

    White noise, hum and a tone are made here with other seeds than in training; recorded speech
    and noise come from the folder ``not_music`` of the data, if there.
    """
    rng = np.random.default_rng(99)
    n = 12 * SR
    t = np.arange(n) / SR
    sounds: dict[str, np.ndarray] = {
        "white noise": 0.1 * rng.standard_normal(n),
        "hum 50 Hz": sum(0.1 / k * np.sin(2 * np.pi * 50 * k * t) for k in (1, 2, 3, 5))
        + 0.001 * rng.standard_normal(n),
        "tone 440 Hz": 0.1 * np.sin(2 * np.pi * 440 * t),
    }
    for path in sorted({c.path.parents[2] for c in data.clips if c.path}, key=str):
        for file in sorted((path / "not_music").glob("*.opus")):
            sounds[file.stem] = resample(*_native(file))
    prior = [model.prior[a].sd for a in ("valence", "arousal")]
    out = {}
    for name, y in sounds.items():
        mood = run_sound(model, np.asarray(y, np.float32))
        late = mood[min(4, len(mood) - 1) :]
        out[name] = {
            "valence": float(np.abs(late[:, 0]).max()),
            "arousal": float(np.abs(late[:, 1]).max()),
            "sigma_valence": float(late[:, 2].mean() / prior[0]),
            "sigma_arousal": float(late[:, 3].mean() / prior[1]),
        }
    return out
