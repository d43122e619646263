"""Valence and arousal of the Deezer mood set (Delbouys et al. 2018), matched by artist and title.

Its labels come from the words that listeners tagged songs with, centred and reduced: 0 is the mean
of the set and 1 one standard deviation of its songs, on an axis that is not DEAM's. `unit_map` is
the affine map that takes them to it. The set's own test songs are left out, so that what is trained
here can be judged on them.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from offline.datasets.artists import artist_key, title_key
from offline.datasets.song import Song
from offline.datasets.tables import number, read_rows

__all__ = ["deezer_labels", "unit_map"]

_PARTS = ("train", "validation")


def deezer_labels(root: Path, songs: Iterable[Song]) -> dict[str, np.ndarray]:
    """Labels of the songs that the Deezer set has too.

    Parameters
    ----------
    root : Path
        ``msd/train.csv`` and ``msd/validation.csv`` are matched by artist and title with every
        song; ``mirex/msd_va.csv`` names songs of the MIREX-like set. Missing files match nothing.
    songs : iterable of Song

    Returns
    -------
    dict
        Global id -> (valence, arousal), centred and reduced; the mean where the set has a song
        more than once.
    """
    by_name: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for part in _PARTS:
        path = root / "msd" / f"{part}.csv"
        for row in _rows(path, ["artist_name", "track_name"]):
            key = artist_key(row["artist_name"]), title_key(row["track_name"])
            by_name.setdefault(key, []).append(_pair(row, path))
    path = root / "mirex" / "msd_va.csv"
    found = {
        f"mirex:{row['id']}": np.array(_pair(row, path), np.float32)
        for row in _rows(path, ["id", "split"])
        if row["split"] in _PARTS
    }
    unseen = {f"mirex:{row['id']}" for row in _rows(path, ["id", "split"])} - set(found)
    for song in songs:
        key = artist_key(song.artist), title_key(song.title)
        if all(key) and key in by_name and song.uid not in unseen:
            found.setdefault(song.uid, np.mean(by_name[key], 0).astype(np.float32))
    return found


def _rows(path: Path, needed: Sequence[str]) -> list[dict[str, str]]:
    return read_rows(path, [*needed, "valence", "arousal"]) if path.is_file() else []


def _pair(row: dict[str, str], path: Path) -> tuple[float, float]:
    valence, arousal = (number(row[k], path, f"{k} of a row") for k in ("valence", "arousal"))
    return valence, arousal


def unit_map(means: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Affine map from centred and reduced labels to [-1, 1], by equal moments.

    y = shift + scale * z, with the mean and the standard deviation of DEAM's song means. No song
    has labels of both kinds, so that there is nothing to regress on; the map says that an average
    song of either set is equally moody, and that they are spread alike.

    Parameters
    ----------
    means : np.ndarray [shape=(songs, 2)]
        Mean valence and arousal of songs with curves, of TRAINING folds alone.

    Returns
    -------
    shift, scale : np.ndarray [shape=(2,)]
    """
    return means.mean(0), means.std(0)
