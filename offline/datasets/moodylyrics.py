"""MoodyLyrics4Q (Çano and Morisio 2017): songs labelled with a quadrant, lyrics where at hand."""

from pathlib import Path

from offline.datasets.artists import count_twice
from offline.datasets.lyrics import WITH_LYRICS, lyrics_beside
from offline.datasets.song import Dataset, Findings, Song, no_curve
from offline.datasets.tables import first_line, read_rows

__all__ = ["MOODS", "is_moodylyrics", "load_moodylyrics"]

MOODS = {"happy": "Q1", "angry": "Q2", "sad": "Q3", "relaxed": "Q4"}
"""Quadrant of each of the set's four words."""
_NAME = "MoodyLyrics4Q"
_RELEASED = "MoodyLyrics4Q.csv"


def is_moodylyrics(root: Path) -> bool:
    """Whether a folder holds the released table, or the table of lyrics that has the set."""
    return "mood" in first_line(root / _RELEASED) or "emotion_4Q" in first_line(root / WITH_LYRICS)


def load_moodylyrics(root: Path) -> Dataset:
    """Load MoodyLyrics4Q; rows of other sets in the same table are counted and left to those.

    Raises
    ------
    InputError
        A table is damaged.
    """
    findings = Findings()
    songs = []
    lyrics = lyrics_beside(root, _NAME, ["index", "song_id_from_src"], findings)
    for song, artist, title, mood in _rows(root, findings):
        if mood not in MOODS:
            findings.count("songs of no known mood (left out)", f"{song} {mood!r}")
            continue
        if song not in lyrics:
            findings.count("songs with labels but no lyrics", song)
        parts = frozenset({"lyrics"} if song in lyrics else ())
        songs.append(
            Song(song, "moodylyrics", artist=artist, title=title, quadrant=MOODS[mood], parts=parts)
        )
    count_twice(songs, findings)
    return Dataset(
        "moodylyrics", "moodylyrics", root, songs, no_curve, findings=findings, lyrics_of=lyrics.get
    )


def _rows(root: Path, findings: Findings) -> list[tuple[str, str, str, str]]:
    """Id, artist, title and mood of each song."""
    released = root / _RELEASED
    if released.is_file():
        names = ("index", "artist", "title", "mood")
        table = read_rows(released, names)
        return [(r["index"], r["artist"], r["title"], r["mood"].lower()) for r in table]
    names = ("song_id_from_src", "artist", "title", "emotion_4Q")
    found = []
    for row in read_rows(root / WITH_LYRICS, [*names, "dataset", "lyrics"]):
        if row["dataset"] == _NAME:
            found.append(tuple(row[name] for name in names))
        else:
            findings.count(f"rows of {row['dataset']} (another set)")
    return found
