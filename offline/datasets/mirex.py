"""The MIREX-like mood set (Panda et al. 2013): clips and lyrics in five clusters."""

from pathlib import Path

from offline.datasets.artists import artist_key, count_twice
from offline.datasets.audio import find_audio
from offline.datasets.lyrics import read_folder
from offline.datasets.song import Dataset, Findings, Song, no_curve
from offline.datasets.tables import first_line, number, read_rows

__all__ = ["NORMS", "RANKS", "is_mirex", "load_mirex"]

NORMS = {1: (0.26, 0.10), 2: (0.68, -0.06), 3: (-0.13, -0.23), 4: (0.49, 0.0), 5: (-0.23, 0.21)}
"""Valence and arousal, [-1, 1], of each cluster: mean norms of its words (Warriner et al. 2013).

1 rousing, 2 cheerful, 3 wistful, 4 humorous, 5 aggressive. So from low to high valence: aggressive,
wistful, rousing, humorous, cheerful; arousal: wistful, cheerful, humorous, rousing, aggressive."""

RANKS = {1: (1, 2), 2: (2, 1), 3: (0, 0), 4: (2, 1), 5: (0, 2)}
"""Ranks of the clusters in valence and arousal; equal where their norms say hardly an order."""

_SAME = {"043": ("mirex:080",), "080": ("mirex:043",)}
"""One recording under two numbers, the second without artist and title; found in the audio."""


def is_mirex(root: Path) -> bool:
    """Whether a folder holds the index of the MIREX-like mood set."""
    return "cluster" in first_line(root / "index.csv")


def load_mirex(root: Path) -> Dataset:
    """Load the MIREX-like set (Panda et al. 2013): five clusters, 28 categories, lyrics.

    Where ``msd_va.csv`` names songs of the Deezer mood set, ``raw`` has its valence and arousal
    (centred and reduced) and ``official`` their part of its split.

    Raises
    ------
    InputError
        A table is missing or damaged.
    """
    findings = Findings()
    path = root / "index.csv"
    clips = find_audio(root / "audio")
    lyrics = read_folder(root / "lyrics", findings)
    deezer = _deezer(root / "msd_va.csv")
    songs = []
    for row in read_rows(path, ["id", "cluster", "category", "artist", "title"]):
        song = row["id"]
        songs.append(
            Song(
                id=song,
                dataset="mirex",
                clips=tuple(clips.get(song, ())),
                artist=row["artist"],
                title=row["title"],
                group=f"cluster {row['cluster']}",
                same_as=_SAME.get(song, ()),
                category=row["category"],
                raw={
                    "cluster": number(row["cluster"], path, f"song {song}, cluster"),
                    **deezer.get(song, ("", {}))[1],
                },
                official={"deezer": deezer[song][0]} if song in deezer else {},
                parts=frozenset({"lyrics"} if song in lyrics else ()),
            )
        )
        if song not in lyrics:
            findings.count("songs with labels but no lyrics", song)
        if song not in clips:
            findings.count("songs with labels but no audio", song)
        if not artist_key(row["artist"]):
            findings.count("songs without an artist", song)
    count_twice(songs, findings)
    return Dataset("mirex", "mirex", root, songs, no_curve, findings=findings, lyrics_of=lyrics.get)


def _deezer(path: Path) -> dict[str, tuple[str, dict[str, float]]]:
    """Part of the Deezer set's split and labels, by id; empty without the table."""
    if not path.is_file():
        return {}
    names = ("valence", "arousal")
    return {
        row["id"]: (row["split"], {k: number(row[k], path, f"{row['id']}, {k}") for k in names})
        for row in read_rows(path, ["id", "split", *names])
    }
