"""`data check`: what a data set holds, what is missing, which figures follow from it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from offline.datasets import Dataset, Song, load_dataset
from offline.datasets.artists import artist_key
from offline.datasets.audio import check_audio, duration_s
from offline.datasets.coverage import coverage_lines, figures_from_parts
from offline.datasets.folds import is_test58
from streammer.errors import InputError

__all__ = ["check_dataset", "check_lines", "figures_from"]


def check_dataset(path: Path, layout: str | None = None) -> list[str]:
    """Lines that describe a data set, its findings and what can be computed from it.

    Raises
    ------
    InputError
        Wrong folder, missing or damaged tables.
    """
    return check_lines(load_dataset(path, layout))


def check_lines(dataset: Dataset) -> list[str]:
    """Describe a data set that is loaded: as `check_dataset`."""
    songs = dataset.songs
    with_audio = [s for s in songs if s.clips]
    curves = [c for s in songs if (c := dataset.labels(s.id)) is not None]
    static = [s for s in songs if s.has_static]
    artists = {artist_key(s.artist) for s in songs} - {""}
    files = [c.path for s in songs for c in s.clips]
    check_audio(files, dataset.findings, 45.5 if dataset.layout == "deam" else None)
    _check_segments(dataset)
    lines = [
        f"{dataset.root}: {dataset.name} in the layout '{dataset.layout}'",
        f"songs {len(songs)}, with audio {len(with_audio)} ({len(files)} files), with dynamic "
        f"labels {len(curves)}, with static labels {len(static)}, artists {len(artists)}",
    ]
    groups: dict[str, int] = {}
    for song in songs:
        key = song.group or song.quadrant
        if key:
            groups[key] = groups.get(key, 0) + 1
    if groups:
        lines.append("groups: " + ", ".join(f"{k} {n}" for k, n in sorted(groups.items())))
    for split in sorted({k for s in songs for k in s.official}):
        sides = [s.official.get(split) for s in songs]
        named = dict.fromkeys(side for side in sides if side)
        lines.append(f"{split}: " + ", ".join(f"{side} {sides.count(side):,}" for side in named))
    if any(s.parts for s in songs):
        lines += coverage_lines(dataset)
    if curves:
        v, a = (np.concatenate([getattr(c, x) for c in curves]) for x in ("valence", "arousal"))
        lines.append(
            f"dynamic labels: {len(v)} frames from {min(c.t_s[0] for c in curves):g} s on, valence "
            f"{v.min():+.2f} .. {v.max():+.2f}, arousal {a.min():+.2f} .. {a.max():+.2f}"
        )
    lines += [f"- {line}" for line in dataset.findings.lines()]
    return [*lines, *figures_from(dataset)]


def figures_from(dataset: Dataset) -> list[str]:
    """Which figures of the report can be computed from a data set."""
    songs = dataset.songs
    curved = [s for s in songs if s.clips and dataset.labels(s.id) is not None]
    static = [s for s in songs if s.clips and s.has_static]
    lengths = _lengths(curved[:3])
    full = bool(lengths) and min(lengths) > 40 and curved[0].clips[0].offset_s == 0

    def line(what: str, can: bool, lacking: str) -> str:
        return f"{'can' if can else 'cannot'} compute {what}" + ("" if can else f": {lacking}")

    lines = [
        line("dynamic systems, artist-disjoint 5-fold", len(curved) >= 10, "needs audio with "
             "dynamic labels"),
        line("static systems", len(static) >= 10, "needs audio with static labels"),
        line("the 58 songs of MediaEval 2015", any(is_test58(s) for s in curved), "needs audio of "
             "ids 2001-2058"),
        line("constants and oracle song means",
             any(dataset.labels(s.id) is not None for s in songs), "needs dynamic labels"),
        line("the published protocols (45 s excerpts, full songs)", full, "needs full DEAM audio"),
    ]  # fmt: skip
    if any(s.quadrant for s in songs):
        lines.append("can compute quadrant accuracy and F1")
    if any("cluster" in s.raw for s in songs):
        lines.append("can compute cluster accuracy and F1")
    lines += figures_from_parts(songs)
    return lines


def _check_segments(dataset: Dataset) -> None:
    """Read every analysis; count those that cannot be read."""
    for song in dataset:
        if "segments" in song.parts:
            try:
                dataset.segments(song.id)
            except InputError:
                dataset.findings.count("HDF5 files that cannot be read", f"{song.id}.h5")


def _lengths(songs: Sequence[Song]) -> list[float]:
    found = []
    for song in songs:
        try:
            found.append(duration_s(song.clips[0].path))
        except InputError:
            continue  # counted by `check_audio`
    return found
