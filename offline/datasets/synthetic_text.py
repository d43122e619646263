"""Synthetic lyrics whose words follow valence, and the files of the Million Song Dataset."""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from offline.datasets.tables import write_rows
from offline.files import write_text, write_with

if TYPE_CHECKING:
    from offline.datasets.synthetic import SynthSong

__all__ = ["lyric", "write_analysis", "write_msd_parts", "write_musixmatch"]

_GLAD = ("happy", "love", "sunshine", "smile", "dance", "sweet", "laughing", "free", "joy", "kiss")
_SORRY = ("sad", "lonely", "cry", "death", "cold", "hate", "pain", "lost", "grave", "broken")
_PLAIN = ("the", "you", "and", "I", "in", "my", "night", "to", "it", "when", "road", "time")
_ARRAYS = {
    "segments_timbre": 12, "segments_pitches": 12, "segments_start": 0, "segments_loudness_max": 0,
}  # fmt: skip


def lyric(valence: float, seed: int, n_lines: int = 16, n_words: int = 6) -> str:
    """Lines of English words of which the moody ones follow valence, in [-1, 1]."""
    rng = np.random.default_rng(seed)
    lines = []
    for _ in range(n_lines):
        moody = _GLAD if rng.uniform(-1, 1) < valence else _SORRY
        words = [str(w) for w in rng.choice(_PLAIN, n_words - 1)]
        words.insert(int(rng.integers(n_words)), str(rng.choice(moody)))
        lines.append(" ".join(words))
    return "\n".join(lines) + "\n"


def write_msd_parts(root: Path, songs: "Sequence[SynthSong]") -> "dict[str, SynthSong]":
    """Write labels, lyrics, bags of words (SQLite) and analyses, as `load_msd` finds them.

    Artists fall into the parts of the split by turns: 3 train, 1 validates, 1 is tested.

    Returns
    -------
    dict
        Track id -> song.
    """
    tracks = {f"TRAAA{chr(65 + s.id % 26)}{s.id:012d}": s for s in songs}
    artists = list(dict.fromkeys(s.artist for s in songs))
    part_of = ("train", "train", "train", "validation", "test")
    parts: dict[str, list[list[object]]] = {name: [] for name in dict.fromkeys(part_of)}
    labels = np.array([(s.valence, s.arousal) for s in songs])
    mean, spread = labels.mean(axis=0), labels.std(axis=0)
    for track, s in tracks.items():
        v, a = (np.array((s.valence, s.arousal)) - mean) / spread
        parts[part_of[artists.index(s.artist) % len(part_of)]].append(
            [s.id, f"SO{s.id:016d}", track, f"{v:.12f}", f"{a:.12f}", s.artist, f"Song {s.id}"]
        )
    names = ("dzr_sng_id", "MSD_sng_id", "MSD_track_id", "valence", "arousal", "artist_name",
             "track_name")  # fmt: skip
    for part, rows in parts.items():
        write_rows(root / f"{part}.csv", names, rows)
    bags = {}
    for track, s in tracks.items():
        text = lyric(s.valence, s.seed)
        write_text(root / "lyrics" / f"{track}.txt", text)
        words = text.lower().split()
        bags[track] = {word: words.count(word) for word in sorted(set(words))}
        path = root / "hdf5" / Path(*track[2:5]) / f"{track}.h5"
        write_analysis(path, {track: _analysis(s)})
    write_musixmatch(root / "mxm_dataset.db", bags)
    return tracks


def _analysis(s: "SynthSong", n: int = 40) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(s.seed)
    timbre = rng.standard_normal((n, 12)) * 10
    timbre[:, 0] += 30 + 20 * s.arousal  # Echo Nest's first is loudness
    timbre[:, 1] += 60 * s.arousal
    pitches = rng.uniform(0, 0.4, (n, 12))
    pitches[:, 4] += (1 + s.valence) / 4
    pitches[:, 3] += (1 - s.valence) / 4
    return {
        "segments_start": np.arange(n) * 0.25,
        "segments_timbre": timbre,
        "segments_pitches": pitches,
        "segments_loudness_max": -30 + 20 * s.arousal + rng.standard_normal(n),
    }


def write_analysis(path: Path, songs: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Write an HDF5 file of the Million Song Dataset: one song, or an aggregate of many."""
    import h5py

    columns = [("track_id", "S32"), ("duration", "f8"), ("loudness", "f8"), ("tempo", "f8")]
    columns += [(f"idx_{name}", "i4") for name in _ARRAYS]
    table = np.zeros(len(songs), columns)
    at = dict.fromkeys(_ARRAYS, 0)
    for row, (track, arrays) in enumerate(songs.items()):
        loudness = float(np.mean(arrays["segments_loudness_max"]))
        table[row] = (track.encode(), len(arrays["segments_start"]) * 0.25, loudness, 120.0,
                      *at.values())  # fmt: skip
        at = {name: at[name] + len(arrays[name]) for name in _ARRAYS}

    def write(part: Path) -> None:
        with h5py.File(part, "w") as file:
            analysis = file.create_group("analysis")
            analysis["songs"] = table
            for name in _ARRAYS:
                analysis[name] = np.concatenate([arrays[name] for arrays in songs.values()])

    write_with(path, write)


def write_musixmatch(path: Path, bags: Mapping[str, Mapping[str, int]]) -> None:
    """Write bags of words in musiXmatch's SQLite form (``.db``) or text form."""
    words = sorted({word for bag in bags.values() for word in bag})
    if path.suffix != ".db":
        number = {word: k + 1 for k, word in enumerate(words)}
        lines = ["# made up", "%" + ",".join(words)]
        for k, (track, bag) in enumerate(bags.items()):
            lines.append(f"{track},{k}," + ",".join(f"{number[w]}:{n}" for w, n in bag.items()))
        write_text(path, "\n".join(lines) + "\n")
        return

    def write(part: Path) -> None:
        part.unlink(missing_ok=True)
        connection = sqlite3.connect(part)
        try:
            connection.execute("CREATE TABLE words (word TEXT PRIMARY KEY)")
            connection.execute(
                "CREATE TABLE lyrics (track_id, mxm_tid INT, word TEXT, count INT, is_test INT)"
            )
            connection.executemany("INSERT INTO words VALUES (?)", [(w,) for w in words])
            rows = [(track, 0, w, n, 0) for track, bag in bags.items() for w, n in bag.items()]
            connection.executemany("INSERT INTO lyrics VALUES (?, ?, ?, ?, ?)", rows)
            connection.commit()
        finally:
            connection.close()

    write_with(path, write)
