"""The MIREX-like mood set (Panda et al. 2013): clips in five clusters."""

from pathlib import Path

from offline.datasets.artists import artist_key, count_twice
from offline.datasets.audio import find_audio
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
    """Load the MIREX-like set (Panda et al. 2013): five clusters, no valence or arousal."""
    findings = Findings()
    path = root / "index.csv"
    clips = find_audio(root / "audio")
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
                raw={"cluster": number(row["cluster"], path, f"song {song}, cluster")},
            )
        )
        if song not in clips:
            findings.count("songs with labels but no audio", song)
        if not artist_key(row["artist"]):
            findings.count("songs without an artist", song)
    count_twice(songs, findings)
    return Dataset("mirex", "mirex", root, songs, no_curve, findings=findings)
