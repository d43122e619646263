"""4Q (Panda et al. 2018): clips labelled with a quadrant; lyrics if at hand."""

from pathlib import Path

from offline.datasets.artists import count_twice
from offline.datasets.audio import find_audio
from offline.datasets.lyrics import lyrics_beside
from offline.datasets.song import Clip, Dataset, Findings, Song, no_curve
from offline.datasets.tables import read_rows

__all__ = ["is_4q", "load_4q"]

_QUAD_FILE = "panda_dataset_taffc_annotations.csv"
_META_FILE = "panda_dataset_taffc_metadata.csv"


def is_4q(root: Path) -> bool:
    """Whether a folder holds the tables of the 4Q set (Panda et al. 2018)."""
    return (root / _QUAD_FILE).exists()


def load_4q(root: Path) -> Dataset:
    """Load 4Q: one quadrant a clip; audio in ``audio/`` or, as distributed, ``Q1/`` .. ``Q4/``."""
    findings = Findings()
    quadrants = {
        r["Song"]: r["Quadrant"] for r in read_rows(root / _QUAD_FILE, ["Song", "Quadrant"])
    }
    meta = {}
    if (root / _META_FILE).exists():
        meta = {r["Song"]: r for r in read_rows(root / _META_FILE, ["Song", "Artist", "Title"])}
    else:
        findings.note(f"{_META_FILE} is missing: no artists, every clip counts as its own")
    clips: dict[str, list[Clip]] = {}
    for folder in ("audio", "chorus", "Q1", "Q2", "Q3", "Q4"):
        clips.update(find_audio(root / folder))
    lyrics = lyrics_beside(root, "4Q", ["Song", "song_id_from_src"], findings)
    songs = []
    for song, quadrant in quadrants.items():
        own = meta.get(song, {})
        if quadrant not in ("Q1", "Q2", "Q3", "Q4"):
            findings.count("songs without a quadrant", song)
            quadrant = ""
        songs.append(
            Song(
                id=song,
                dataset="4q",
                clips=tuple(clips.get(song, ())),
                artist=own.get("Artist", ""),
                title=own.get("Title", ""),
                genre=own.get("GenresStr", ""),
                quadrant=quadrant,
                parts=frozenset({"lyrics"} if song in lyrics else ()),
            )
        )
        if song not in clips:
            findings.count("songs with labels but no audio", song)
    for song in clips:
        if song not in quadrants:
            findings.count("audio without labels", song)
    count_twice(songs, findings)
    return Dataset("4q", "4q", root, songs, no_curve, findings=findings, lyrics_of=lyrics.get)
