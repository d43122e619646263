"""EmoBank (Buechel and Hahn 2017): 10,062 sentences with valence, arousal and dominance."""

from pathlib import Path

from offline.datasets.lyrics import usable
from offline.datasets.song import Dataset, Findings, Lyrics, Scale, Song, no_curve
from offline.datasets.tables import first_line, number, read_rows

__all__ = ["is_emobank", "load_emobank"]

_FILE = "emobank.csv"
_SIDES = {"train": "train", "dev": "validation", "test": "test"}


def is_emobank(root: Path) -> bool:
    """Whether a folder holds EmoBank's table."""
    return "text" in first_line(root / _FILE)


def load_emobank(root: Path) -> Dataset:
    """Load EmoBank: each sentence a song with lyrics and no artist, from 1..5 to [-1, 1].

    Raises
    ------
    InputError
        The table is missing or damaged.
    """
    findings, scale, path = Findings(), Scale(1.0, 5.0), root / _FILE
    songs = []
    lyrics: dict[str, Lyrics] = {}
    for row in read_rows(path, ["id", "split", "V", "A", "D", "text"]):
        name = row["id"]
        raw = {k: number(row[k], path, f"{name}, {k}") for k in ("V", "A", "D")}
        if (text := usable(name, row.get("text", ""), findings, "en")) is not None:
            lyrics[name] = text
        songs.append(
            Song(
                id=name,
                dataset="emobank",
                official={"emobank": _SIDES.get(row["split"], row["split"])},
                valence=scale.to_unit(raw["V"]),
                arousal=scale.to_unit(raw["A"]),
                raw=raw,
                parts=frozenset({"lyrics"} if name in lyrics else ()),
            )
        )
    return Dataset(
        "emobank", "emobank", root, songs, no_curve, scale, None, findings, lyrics_of=lyrics.get
    )
