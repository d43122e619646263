"""How much is at hand of each part of a set, and which songs stand twice."""

from collections.abc import Sequence

from offline.datasets.artists import artist_key, title_key
from offline.datasets.song import Dataset, Song

__all__ = ["coverage_lines", "duplicate_lines", "figures_from_parts"]

_ORDER = ("train", "validation", "test")
_KINDS = ("audio", "segments", "lyrics", "bag")


def coverage_lines(dataset: Dataset) -> list[str]:
    """Say how much is at hand, per part of each released split: ``audio 812 of 11,267``."""
    groups: dict[str, list[Song]] = {"all songs": list(dataset)}
    for song in dataset:
        for name, part in song.official.items():
            groups.setdefault(f"{name} {part}", []).append(song)
    lines = []
    for name, songs in sorted(groups.items(), key=lambda group: _place(group[0])):
        kinds = [
            f"{kind} {sum(kind in s.modalities for s in songs):,} of {len(songs):,}"
            for kind in _KINDS
            if any(kind in s.modalities for s in dataset) or kind in ("audio", "lyrics")
        ]
        both = sum({"audio", "lyrics"} <= s.modalities for s in songs)
        lines.append(f"{name}: {', '.join(kinds)}, audio and lyrics {both:,}")
    return lines


def _place(name: str) -> tuple[bool, str, int]:
    """Order: all songs, then by split, its sides as they are used."""
    split, _, part = name.rpartition(" ")
    return name != "all songs", split, _ORDER.index(part) if part in _ORDER else 0


def duplicate_lines(dataset: Dataset) -> list[str]:
    """Name every group of songs of one artist and title, with the parts they stand in."""
    groups: dict[tuple[str, str], list[Song]] = {}
    for song in dataset:
        key = artist_key(song.artist), title_key(song.title)
        if all(key):
            groups.setdefault(key, []).append(song)
    lines = []
    across = 0
    for songs in (group for group in groups.values() if len(group) > 1):
        sides = {tuple(sorted(s.official.items())) for s in songs}
        across += len(sides) > 1
        names = ", ".join(
            f"{s.id}{f' ({part})' if (part := ', '.join(s.official.values())) else ''}"
            for s in songs
        )
        lines.append(f"{songs[0].artist} / {songs[0].title}: {names}")
    return [
        f"{len(lines)} recordings stand more than once (same artist and title), {across} of them "
        "on two sides of a released split",
        *lines,
    ]


def figures_from_parts(songs: Sequence[Song]) -> list[str]:
    """Say which systems of audio, lyrics and both can be computed, and what the others need."""
    labelled = [
        s for s in songs if s.has_static or s.quadrant or {"valence", "cluster"} & set(s.raw)
    ]
    released = any("valence" in s.raw and not s.has_static for s in labelled)
    if not released and not any(s.parts for s in labelled):
        return []
    needs = {
        "lyrics systems": ({"lyrics"}, "needs lyrics"),
        "audio systems on files": ({"audio"}, "needs audio"),
        "fusion of audio and lyrics": ({"audio", "lyrics"}, "needs audio and lyrics"),
        "audio systems on Echo Nest's segments": ({"segments"}, "needs MSD HDF5 files"),
        "bag-of-words systems": ({"bag"}, "needs musiXmatch's bags of words"),
    }
    lines = []
    for what, (parts, lacking) in needs.items():
        n = sum(parts <= s.modalities for s in labelled)
        lines.append(
            f"can compute {what}: {n:,} songs" if n >= 10 else f"cannot compute {what}: {lacking}"
        )
    return lines
