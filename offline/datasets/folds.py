"""Folds: songs that share an artist, directly or by way of others, are in one fold in every set.

Songs are connected by the artists of their credits (`offline.datasets.artists.artists_of`), by
recordings that stand twice, and, where a song has no artist, by its title. The artists of DEAM, 4Q
and the MIREX-like set have their folds written down in ``folds.csv``, balanced over the sizes of
the sets, quadrants and clusters, so that a song has one fold whichever sets are loaded. Every other
component of artists falls where the hash of its name puts it.
"""

import csv
import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from offline.datasets.artists import artist_key, artists_of, title_key
from offline.datasets.song import Song
from offline.files import write_text

__all__ = [
    "N_FOLDS", "SEED", "TABLE", "artist_folds", "balanced_folds", "components", "is_test58",
    "song_folds", "write_table",
]  # fmt: skip

N_FOLDS = 5
SEED = 0
TABLE = Path(__file__).with_name("folds.csv")
"""Fold of every credit of the three sets; songs without an artist stand under their own id."""


def is_test58(song: Song) -> bool:
    """Whether a song is one of the 58 full songs of MediaEval 2015 (ids 2001-2058)."""
    return song.dataset == "deam" and song.group == "2015"


def _hash_fold(key: str, n_folds: int, seed: int) -> int:
    digest = hashlib.sha256(f"{seed}:{key}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % n_folds


def _name(song: Song) -> str:
    """Return what a song is listed under: its credit, or its own id without one."""
    artist = artist_key(song.artist)
    return f"artist {artist}" if artist else f"song {min((song.uid, *song.same_as))}"


def components(songs: Sequence[Song]) -> list[str]:
    """Name of the connected component of each song, over shared artists and recordings.

    Returns
    -------
    list of str [len(songs)]
        The least of the names in it, so that the order of the songs does not matter.
    """
    parent: dict[str, str] = {}

    def root(node: str) -> str:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    titles = {title_key(s.title) for s in songs if not artist_key(s.artist)} - {""}
    for song in songs:
        nodes = [f"recording {uid}" for uid in (song.uid, *song.same_as)]
        nodes += [f"artist {key}" for key in artists_of(song.artist, song.title)]
        if (title := title_key(song.title)) in titles:
            nodes.append(f"title {title}")
        for node in nodes[1:]:
            parent[root(node)] = root(nodes[0])
    roots = [root(f"recording {s.uid}") for s in songs]
    least: dict[str, str] = {}
    for song, at in zip(songs, roots, strict=True):
        least[at] = min(least.get(at, _name(song)), _name(song))
    return [least[at] for at in roots]


def artist_folds(songs: Iterable[Song], n_folds: int = N_FOLDS, seed: int = SEED) -> dict[str, int]:
    """Fold of every song (by global id), artist-disjoint within and across data sets.

    Parameters
    ----------
    songs : iterable of Song
        Of one or several sets.
    n_folds, seed : int
        The written folds are those of the defaults.

    Returns
    -------
    dict
        ``'deam:2' -> 0 .. n_folds - 1``.
    """
    listed = list(songs)
    groups = components(listed)
    written = _table() if (n_folds, seed) == (N_FOLDS, SEED) else {}
    votes: dict[str, Counter[int]] = defaultdict(Counter)
    for song, group in zip(listed, groups, strict=True):
        if (fold := written.get(_name(song))) is not None:
            votes[group][fold] += 1
    fold_of = {
        # A credit of a new set may join artists of two written folds: then most songs decide.
        group: max(votes[group], key=lambda f: (votes[group][f], -f))
        if votes[group]
        else _hash_fold(group, n_folds, seed)
        for group in set(groups)
    }
    return {s.uid: fold_of[g] for s, g in zip(listed, groups, strict=True)}


def song_folds(songs: Iterable[Song], n_folds: int = N_FOLDS, seed: int = SEED) -> dict[str, int]:
    """Fold of every song by song alone: artists may stand on both sides (name it so)."""
    ordered = sorted(
        (s.uid for s in songs), key=lambda u: hashlib.sha256(f"{seed}:{u}".encode()).digest()
    )
    return {uid: at % n_folds for at, uid in enumerate(ordered)}


def balanced_folds(
    songs: Sequence[Song], kinds: Callable[[Song], Iterable[str]], n_folds: int = N_FOLDS
) -> dict[str, int]:
    """Fold of each component such that every kind of song is spread evenly.

    The largest components are placed first, each where the counts of its kinds grow least out of
    balance; then single components are moved until no move improves the balance.

    Parameters
    ----------
    songs : sequence of Song
    kinds : callable
        Kinds of a song to be balanced ('4q Q2', …), of no influence on which songs go together.
    """
    groups = components(songs)
    names = sorted({kind for s in songs for kind in kinds(s)})
    column = {kind: k for k, kind in enumerate(names)}
    size: dict[str, np.ndarray] = {g: np.zeros(len(names)) for g in sorted(set(groups))}
    for song, group in zip(songs, groups, strict=True):
        for kind in kinds(song):
            size[group][column[kind]] += 1
    total = sum(size.values(), np.zeros(len(names)))
    scale = 1 / np.sqrt(np.maximum(total / n_folds, 1))
    load = np.zeros((n_folds, len(names)))
    fold_of: dict[str, int] = {}
    order = sorted(size, key=lambda g: (-float((size[g] * scale).sum()), g))
    for _ in range(20):
        before = dict(fold_of)
        for group in order:
            own = size[group] * scale
            if group in fold_of:
                load[fold_of[group]] -= own
            # Among equal sums of squares grows least the one whose product with what is added is.
            fold_of[group] = int(np.argmin(np.round(load @ own, 9)))
            load[fold_of[group]] += own
        if fold_of == before:
            break
    return fold_of


def write_table(songs: Sequence[Song], fold_of: dict[str, int], path: Path = TABLE) -> None:
    """Write the fold of every credit of the songs down, sorted."""
    rows = sorted({(_name(s), fold_of[g]) for s, g in zip(songs, components(songs), strict=True)})
    write_text(path, "name,fold\n" + "".join(f'"{name}",{fold}\n' for name, fold in rows))
    _table.cache_clear()


@lru_cache(maxsize=1)
def _table() -> dict[str, int]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {row["name"]: int(row["fold"]) for row in csv.DictReader(file)}
