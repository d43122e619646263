"""The Deezer mood set (Delbouys et al. 2018): 18,644 songs of the Million Song Dataset.

Its tables hold labels and ids alone. What a user has of the songs is joined by id, and how much
that is is said for each part of the released split. Labels are centred and reduced (`Song.raw`), on
an axis that is not DEAM's: `valence` and `arousal` on [-1, 1] are not known.

Where things lie is a convention, or said in a ``sources.toml`` beside the tables, with paths from
there::

    audio = "previews"                # <track id>.mp3, nested or not; or <Deezer id>.mp3
    hdf5 = "/data/MillionSongSubset"  # A/B/C/TRABC….h5, flat files or an aggregate
    musixmatch = "mxm_dataset.db"     # or the folder of mxm_dataset_train.txt and _test.txt
    lyrics = "lyrics.csv"             # or a folder of <track id>.txt
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TypeVar

from offline.datasets.artists import artist_key, artists_of, count_twice
from offline.datasets.audio import find_audio
from offline.datasets.echonest import EchoNest
from offline.datasets.lyrics import lyrics_from
from offline.datasets.musixmatch import Musixmatch
from offline.datasets.song import Clip, Dataset, Findings, Lyrics, Song, no_curve
from offline.datasets.tables import first_line, number, read_rows
from streammer.errors import InputError

__all__ = ["PARTS", "SPLIT", "Sources", "is_msd", "load_msd", "read_labels"]

T = TypeVar("T")
PARTS = ("train", "validation", "test")
SPLIT = "deezer"
"""Name of the released split in `Song.official`."""
_NEEDS = {
    "audio": "needs MSD audio (audio/<track id>.mp3)",
    "hdf5": "needs MSD HDF5 files (hdf5/A/B/C/TRABC….h5)",
    "musixmatch": "needs musiXmatch's bags of words (mxm_dataset.db)",
    "lyrics": "needs lyrics (lyrics/<track id>.txt)",
}
_COLUMNS = ("dzr_sng_id", "MSD_track_id", "valence", "arousal", "artist_name", "track_name")
_KEYS = ("MSD_track_id", "track_id", "id", "dzr_sng_id")


@dataclass(frozen=True)
class Sources:
    """Where a user's parts of the songs lie; None for what is not at hand.

    Attributes
    ----------
    audio, hdf5, musixmatch, lyrics : Path or None
    """

    audio: Path | None = None
    hdf5: Path | None = None
    musixmatch: Path | None = None
    lyrics: Path | None = None

    @classmethod
    def find(cls, root: Path) -> "Sources":
        """Find the parts by ``sources.toml``, else by convention.

        Raises
        ------
        InputError
            The file cannot be read, has another key, or names a place that is not there.
        """
        usual = {
            "audio": (root / "audio",),
            "hdf5": (root / "hdf5", root / "MillionSongSubset"),
            "musixmatch": (root / "mxm_dataset.db", root / "musixmatch"),
            "lyrics": (
                root / "lyrics",
                root / "lyrics.csv",
                root.parent / "text" / "lyrics_x_msd_va.csv",
            ),
        }
        found = {k: next((p for p in v if p.exists()), None) for k, v in usual.items()}
        return cls(**{**found, **_said(root / "sources.toml")})


def _said(path: Path) -> dict[str, Path]:
    if not path.is_file():
        return {}
    names = [f.name for f in fields(Sources)]
    try:
        body = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); expected {' = …, '.join(names)} = …"
        ) from error
    said = {}
    for key, value in body.items():
        if key not in names or not isinstance(value, str):
            raise InputError(f"{path}: {key} = {value!r}; expected a path for {', '.join(names)}")
        said[key] = (path.parent / Path(value).expanduser()).resolve()
        if not said[key].exists():
            raise InputError(f"{path}: {key} = {value!r}: there is no {said[key]}")
    return said


def is_msd(root: Path) -> bool:
    """Whether a folder holds the tables of the Deezer mood set."""
    return "MSD_track_id" in first_line(root / "train.csv")


def read_labels(root: Path) -> list[Song]:
    """Read the released tables: one song a row, its part of the split in ``official``.

    Raises
    ------
    InputError
        A table is missing or damaged, or an id stands twice.
    """
    songs: dict[str, Song] = {}
    for part in PARTS:
        path = root / f"{part}.csv"
        for row in read_rows(path, _COLUMNS):
            track = row["MSD_track_id"]
            if track in songs:
                raise InputError(f"{path}: {track} stands twice; restore the published file")
            raw = {k: number(row.get(k), path, f"{track}, {k}") for k in ("valence", "arousal")}
            if any(value != value for value in raw.values()):
                raise InputError(f"{path}: {track} lacks a label; restore the published file")
            songs[track] = Song(
                id=track,
                dataset="msd",
                artist=row["artist_name"],
                title=row["track_name"],
                official={SPLIT: part},
                raw={**raw, "dzr_sng_id": number(row["dzr_sng_id"], path, "dzr_sng_id")},
            )
    return list(songs.values())


def load_msd(root: Path, sources: Sources | None = None) -> Dataset:
    """Load the Deezer mood set, joined to what is at hand of its songs.

    Parameters
    ----------
    root : Path
        Holds ``train.csv``, ``validation.csv``, ``test.csv``.
    sources : Sources, optional
        By default what `Sources.find` finds.

    Raises
    ------
    InputError
        A table or a source is damaged, or a source has another form.
    """
    findings = Findings()
    sources = sources or Sources.find(root)
    songs = read_labels(root)
    ids = [song.id for song in songs]
    clips = _by_track(find_audio(sources.audio, nested=True), songs) if sources.audio else {}
    texts = _by_track(lyrics_from(sources.lyrics, _KEYS, findings), songs) if sources.lyrics else {}
    segments = EchoNest(sources.hdf5, ids) if sources.hdf5 else None
    bags = Musixmatch(sources.musixmatch, ids) if sources.musixmatch else None

    def joined(song: Song) -> Song:
        parts = {
            "lyrics": song.id in texts,
            "bag": bags is not None and song.id in bags.ids,
            "segments": segments is not None and song.id in segments.ids,
        }
        found: tuple[Clip, ...] = tuple(clips.get(song.id, ()))
        return replace(song, clips=found, parts=frozenset(k for k, v in parts.items() if v))

    def lyrics_of(track: str) -> Lyrics | None:
        bag = bags.read(track) if bags else None
        text = texts.get(track)
        return replace(text or Lyrics(), bag=bag or {}) if text or bag else None

    songs = [joined(song) for song in songs]
    for name in ("audio", "hdf5", "musixmatch", "lyrics"):
        if getattr(sources, name) is None:
            findings.note(
                f"{_NEEDS[name]}: put it into {root}, or say in sources.toml where it lies"
            )
    _count_artists(songs, findings)
    count_twice(songs, findings)
    dataset = Dataset("msd", "msd", root, songs, no_curve, findings=findings)
    dataset.lyrics_of = lyrics_of
    if segments is not None:
        dataset.segments_of = segments.read
    return dataset


def _by_track(found: Mapping[str, T], songs: list[Song]) -> dict[str, T]:
    """Key what is found by track id, where it is named by Deezer's id too."""
    out = {}
    for song in songs:
        deezer = str(int(song.raw["dzr_sng_id"]))
        key = song.id if song.id in found else deezer
        if key in found:
            out[song.id] = found[key]
    return out


def _count_artists(songs: list[Song], findings: Findings) -> None:
    """Count test artists that stand in training too: the released split stays as it is."""
    theirs = {
        name
        for song in songs
        if song.official[SPLIT] == "train"
        for name in artists_of(song.artist, song.title)
    }
    shared: dict[str, str] = {}
    for song in songs:
        if song.official[SPLIT] == "test" and artist_key(song.artist) in theirs:
            shared.setdefault(artist_key(song.artist), song.artist)
    for artist in shared.values():
        findings.count("test artists that some training song credits too, as released", artist)
