"""Every set that lies in one folder: DEAM, and 4Q and the MIREX-like set inside it."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from offline.datasets import Dataset, load_dataset
from offline.datasets.artists import artist_key
from offline.datasets.bimodal import quadrant_of
from offline.datasets.folds import (
    N_FOLDS,
    artist_folds,
    balanced_folds,
    components,
    is_test58,
    write_table,
)  # fmt: skip
from offline.datasets.mirex import is_mirex, load_mirex
from offline.datasets.panda4q import is_4q, load_4q
from offline.datasets.song import Clip, Song

__all__ = ["clips_of", "fold_lines", "kinds_of", "sets_of", "write_folds"]


def sets_of(root: Path) -> list[Dataset]:
    """Load the tables of every set that lies in a folder: DEAM, and 4Q and MIREX inside it.

    Raises
    ------
    InputError
        The folder holds no data set.
    """
    found = [load_dataset(root)]
    if is_4q(root / "4q"):
        found.append(load_4q(root / "4q"))
    if is_mirex(root / "mirex"):
        found.append(load_mirex(root / "mirex"))
    return found


def clips_of(sets: Sequence[Dataset]) -> list[tuple[Dataset, Song, Clip]]:
    """Return all clips of sets but the demo excerpts.

    These are the same seconds again, from another coding; they are kept for figures.
    """
    every = ((d, s, c) for d in sets for s in d for c in s.clips)
    return [(d, s, c) for d, s, c in every if c.path.parent.name != "demo"]


def kinds_of(song: Song) -> list[str]:
    """Return what folds are balanced over: set and year; of songs with audio, quadrant or cluster.

    The quadrant of a song of DEAM is that of its static labels.
    """
    if is_test58(song):
        return []
    kinds = [f"{song.dataset} {song.group}" if song.dataset == "deam" else song.dataset]
    if not song.clips:
        return kinds
    quadrant = quadrant_of(song)
    kinds.append(f"{song.dataset} with audio")
    if quadrant:
        kinds.append(f"{song.dataset} {quadrant}")
    elif song.group.startswith("cluster"):
        kinds.append(f"{song.dataset} {song.group}")
    return kinds


def write_folds(sets: Sequence[Dataset]) -> None:
    """Balance the folds of sets anew, and write them down in the checkout."""
    songs = [s for d in sets for s in d if not is_test58(s)]
    write_table(songs, balanced_folds(songs, kinds_of))


def fold_lines(sets: Sequence[Dataset]) -> list[str]:
    """Describe the folds of sets: who is connected, sizes, what they are balanced over."""
    songs = [s for d in sets for s in d]
    groups = components(songs)
    folds = artist_folds(songs)
    members: dict[str, list[Song]] = {}
    for song, group in zip(songs, groups, strict=True):
        members.setdefault(group, []).append(song)
    merged = [m for m in members.values() if len({artist_key(s.artist) for s in m}) > 1]
    largest = max(members.values(), key=len)
    shared = sum(len({s.dataset for s in m}) > 1 for m in members.values())
    split = sum(len({folds[s.uid] for s in m}) > 1 for m in members.values())
    test58 = {g for s, g in zip(songs, groups, strict=True) if is_test58(s)}
    heard = [
        s for s, g in zip(songs, groups, strict=True) if g in test58 and not is_test58(s)
    ]  # fmt: skip
    lines = [
        f"folds over {', '.join(d.name for d in sets)}: {len(members)} groups of songs that share "
        f"artists, {len(merged)} of them ({sum(map(len, merged))} songs) by credits that differ, "
        f"{shared} in more than one set, {split} on both sides of a fold; the largest has "
        f"{len(largest)} songs ({_some(s.artist for s in largest)})",
    ]
    if test58:
        lines.append(
            f"the 58 songs of 2015 are in no fold; {len(heard)} other songs are of their artists"
        )
    count: dict[str, list[int]] = {}
    for song in songs:
        for kind in kinds_of(song):
            count.setdefault(kind, [0] * N_FOLDS)[folds[song.uid]] += 1
    width = max(map(len, count))
    lines += [
        f"  {kind:{width}}  " + "  ".join(f"{n:4}" for n in count[kind]) for kind in sorted(count)
    ]
    return lines


def _some(names: Iterable[str]) -> str:
    listed = list(dict.fromkeys(names))
    return ", ".join(listed[:3]) + (", …" if len(listed) > 3 else "")
