"""Sets labelled with classes: 4Q (quadrants) and the MIREX-like set (five mood clusters)."""

from pathlib import Path

from offline.datasets.artists import artist_key, title_key
from offline.datasets.audio import find_audio
from offline.datasets.song import Clip, Dataset, Findings, Song
from offline.datasets.tables import first_line, number, read_rows

__all__ = ["is_4q", "is_mirex", "load_4q", "load_mirex"]

_QUAD_FILE = "panda_dataset_taffc_annotations.csv"
_META_FILE = "panda_dataset_taffc_metadata.csv"


def _no_curve(song_id: str) -> None:
    return None


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
    for folder in ("audio", "Q1", "Q2", "Q3", "Q4"):
        clips.update(find_audio(root / folder))
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
            )
        )
        if song not in clips:
            findings.count("songs with labels but no audio", song)
    for song in clips:
        if song not in quadrants:
            findings.count("audio without labels", song)
    _count_twice(songs, findings)
    return Dataset("4q", "4q", root, songs, _no_curve, findings=findings)


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
                raw={"cluster": number(row["cluster"], path, f"song {song}, cluster")},
            )
        )
        if song not in clips:
            findings.count("songs with labels but no audio", song)
        if not artist_key(row["artist"]):
            findings.count("songs without an artist", song)
    _count_twice(songs, findings)
    return Dataset("mirex", "mirex", root, songs, _no_curve, findings=findings)


def _count_twice(songs: list[Song], findings: Findings) -> None:
    seen: dict[tuple[str, str], str] = {}
    for song in songs:
        key = artist_key(song.artist), title_key(song.title)
        if not all(key):
            continue
        if key in seen:
            findings.count(
                "songs that stand twice (same artist and title)", f"{seen[key]}={song.id}"
            )
        seen.setdefault(key, song.id)
