"""Clips of the live model from folders: DEAM's curves, 4Q's quadrants, MIREX-like clusters, Deezer.

One folder holds them side by side (DEAM alone is enough). Folds are by artist over all sets at
once, so that no artist of a held-out fold is trained on under another label either.
"""

import csv
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from offline.batches.live.data import FRONT_ENDS, SPAN, STEP_S, TEST58, LiveClip, LiveData
from offline.datasets import Dataset
from offline.datasets.collection import clips_of, sets_of
from offline.datasets.deezer import deezer_labels
from offline.datasets.folds import artist_folds, is_test58
from offline.datasets.song import Clip, Curve, Song
from offline.datasets.splits import make_split
from offline.features import nonmusic
from offline.features.cache import FeatureCache
from offline.progress import say
from offline.recipes.mood import GENRES
from streammer.errors import InputError

__all__ = ["check_labels", "load_live"]

_ALIASES = {
    "rap": "hip-hop", "r&b": "soul", "latin": "international", "reggae": "international",
    "avant-garde": "experimental", "new age": "experimental", "easy listening": "vocal",
    "stage": "vocal",
}  # fmt: skip


class Known(NamedTuple):
    """What is known of songs from outside their own set, by global id.

    Attributes
    ----------
    words, deezer : dict
        Valence and arousal of mood words; of the Deezer set.
    """

    words: dict[str, np.ndarray]
    deezer: dict[str, np.ndarray]


def load_live(
    root: Path, cache: FeatureCache, *, sounds: int = 220, workers: int = 1, show: bool = False
) -> LiveData:
    """Load every set that lies in `root`, with features from the live front end.

    Parameters
    ----------
    root : Path
        DEAM in any of its layouts; 4Q and MIREX in folders ``4q`` and ``mirex`` of it, if there.
    cache : FeatureCache
    sounds : int
        Synthetic sounds that are no music.
    workers : int
        Processes for missing features.

    Raises
    ------
    InputError
        No audio, labels off the scale or not a number.
    UsageError
        A song or artist in two folds.
    """
    sets = sets_of(root)
    songs = [s for d in sets for s in d]
    folds = artist_folds(songs)
    make_split(songs, 0)  # refuses a song, recording or artist on two sides
    known = Known(_words_of(root), deezer_labels(root, songs))
    data = LiveData()
    wanted = clips_of(sets)
    lost = sum(not s.clips for s in songs)
    if lost:
        data.notes.append(f"{lost} of {len(songs)} songs have no audio and are left out")
    paths = [c.path for _, _, c in wanted]
    for spec in FRONT_ENDS.values():
        missed = cache.fill(paths, spec, workers=workers, show=show)
        for line in missed.lines():
            if line not in data.notes:
                data.notes.append(line)
        wanted = [w for w in wanted if w[2].path not in missed.reasons]
    for dataset, song, clip in wanted:
        fold = TEST58 if is_test58(song) else folds[song.uid]
        _add(data, dataset, song, clip, fold, cache, known)
    if not any(c.has_curve for c in data.clips):
        raise InputError(
            f"{root}: no audio with valence and arousal over time; expected DEAM there "
            "(`python -m offline data check` says what is missing)"
        )
    if not any(len(c.labels) >= SPAN and np.isfinite(c.labels[-1]).all() for c in data.clips):
        raise InputError(
            f"{root}: no song has {SPAN * STEP_S:g} s of sound with labels; expected DEAM's "
            "excerpts of 45 s or clips of 10 s"
        )
    if not any(c.quadrant for c in data.clips):
        _half_planes_from_curves(data)
    for k in range(sounds):
        mel, chroma = cache.synthetic(
            f"not music {k}", Path(nonmusic.__file__), [*FRONT_ENDS.values()],
            partial(nonmusic.not_music, k),
        )  # fmt: skip
        labels = np.full((len(mel) // 25, 2), np.nan, np.float32)
        data.add(LiveClip(f"sound:{k}", f"sound:{k}", -1, labels, music=False), mel, chroma)
    return data


def _add(
    data: LiveData,
    dataset: Dataset,
    song: Song,
    clip: Clip,
    fold: int,
    cache: FeatureCache,
    known: Known,
) -> None:
    mel, chroma = (cache.get(clip.path, spec) for spec in FRONT_ENDS.values())
    steps = min(len(mel) // 25, len(chroma) // 5)
    if steps < 8:
        data.notes.append(
            f"{clip.path.name}: {steps * STEP_S:g} s, expected at least 4 s; left out"
        )
        return
    curve = dataset.labels(song.id)
    if curve is not None and len(curve):
        check_labels(song.uid, curve.valence, curve.arousal)
    labels = _at_steps(curve, clip, steps)
    apart = dataset.deviations(song.id)
    deviation = None if apart is None else _at_steps(apart, clip, steps)
    cluster = song.raw.get("cluster")
    quadrant = song.quadrant
    for span in _spans(labels):
        start_s = clip.offset_s + STEP_S * span.start
        data.add(
            LiveClip(
                f"{song.uid}@{start_s:g}",
                song.uid,
                fold,
                labels[span],
                clip.path,
                (float(quadrant in ("Q1", "Q4")), float(quadrant in ("Q1", "Q2")))
                if quadrant
                else None,
                None if cluster is None else int(cluster) - 1,
                _genres(song.genre),
                known.words.get(song.uid),
                known.deezer.get(song.uid),
                None if deviation is None else deviation[span],
                start=span.start,
            ),
            mel[span.start * 25 :],
            chroma[span.start * 5 :],
        )


def _at_steps(curve: Curve | None, clip: Clip, steps: int) -> np.ndarray:
    """Values of a curve at the end of each step [shape=(steps, 2)]; NaN beyond its ends."""
    out = np.full((steps, 2), np.nan, np.float32)
    if curve is not None and len(curve):
        t = clip.offset_s + STEP_S * np.arange(1, steps + 1)
        for k, axis in enumerate((curve.valence, curve.arousal)):
            out[:, k] = np.interp(t, curve.t_s, axis, left=np.nan, right=np.nan)
    return out


def _spans(labels: np.ndarray) -> list[slice]:
    """Cut a long clip with labels over time into spans of `SPAN` steps that have them.

    DEAM's excerpts are 45 s long and labelled from 15 s on. A clip of one span, and one without
    such labels, stays whole.
    """
    steps, known = len(labels), np.flatnonzero(np.isfinite(labels).all(1))
    if not len(known) or steps <= SPAN or (known[0] == 0 and steps < 2 * SPAN):
        return [slice(0, steps)]
    first = min(int(known[0]), steps - SPAN)
    count = max(1, (int(known[-1]) + 1 - first) // SPAN)
    return [slice(first + SPAN * k, first + SPAN * (k + 1)) for k in range(count)]


def _half_planes_from_curves(data: LiveData) -> None:
    """Take half-plane labels from the signs of valence and arousal: nothing else has them."""
    data.half_planes_from = "the signs of DEAM's labels"
    data.notes.append(
        "no 4Q in this folder: p_positive and p_energetic are trained on the signs of valence and "
        "arousal"
    )
    for i, clip in enumerate(data.clips):
        if clip.has_curve:
            valence, arousal = np.nanmean(clip.labels, 0)
            quadrant = (float(valence > 0), float(arousal > 0))
            data.clips[i] = replace(clip, quadrant=quadrant)


def check_labels(uid: str, valence: np.ndarray, arousal: np.ndarray) -> None:
    """Refuse labels that are no numbers or not on [-1, 1].

    Raises
    ------
    InputError
        Names the song and the value.
    """
    for name, values in (("valence", valence), ("arousal", arousal)):
        bad = ~np.isfinite(values)
        if bad.any():
            raise InputError(f"{uid}: {name} has {int(bad.sum())} NaN; expected numbers in [-1, 1]")
        if np.abs(values).max() > 1:
            worst = float(values[np.abs(values).argmax()])
            raise InputError(
                f"{uid}: {name} is {worst:g}, expected [-1, 1]; labels on another scale (1 to 9?) "
                "must be mapped first"
            )


def _genres(text: str) -> np.ndarray | None:
    low = text.casefold().strip()
    for alias, name in _ALIASES.items():
        low = low.replace(alias, name)
    found = np.array([genre in low for genre in GENRES], np.float32)
    return found if found.any() else None


def _words_of(root: Path) -> dict[str, np.ndarray]:
    """Global id -> mean valence and arousal of its mood words (norms of Warriner et al. 2013)."""
    norms = root / "text" / "Ratings_Warriner_et_al.csv"
    if not norms.exists():
        return {}
    with norms.open(encoding="utf-8", newline="") as file:
        scale = {
            r["Word"].casefold(): (
                (float(r["V.Mean.Sum"]) - 5) / 4,
                (float(r["A.Mean.Sum"]) - 5) / 4,
            )
            for r in csv.DictReader(file)
        }
    found: dict[str, np.ndarray] = {}
    for name, table, key, column in (
        ("4q", root / "4q" / "panda_dataset_taffc_metadata.csv", "Song", "MoodsStrSplit"),
        ("mirex", root / "mirex" / "index.csv", "id", "category"),
    ):
        if not table.exists():
            continue
        with table.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                words = re.findall(r"[a-z]{3,}", row.get(column, "").casefold())
                values = [scale[w] for w in words if w in scale]
                if values:
                    found[f"{name}:{row[key]}"] = np.mean(values, 0).astype(np.float32)
    if found:
        say(f"{len(found)} songs have mood words with known valence and arousal")
    return found
