"""Synthetic data sets in the published layouts: sound whose loudness, tempo and mode follow VA.

Arousal makes a song louder, faster, brighter and noisier; valence moves its third from minor to
major and the register of its melody up. Nothing of it sounds like music, but the path from folder
to report is the real one, and a network that learns must beat the constant.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile

from offline.datasets.synthetic_midi import write_midi
from offline.datasets.synthetic_text import lyric, write_msd_parts
from offline.datasets.tables import write_rows
from offline.files import write_text
from streammer.errors import UsageError

__all__ = ["SynthSong", "make_dataset", "make_songs", "sound"]

SR = 22050


@dataclass(frozen=True)
class SynthSong:
    """One synthetic song: id, artist and its place in the plane.

    Attributes
    ----------
    valence, arousal : float
        Mean over the song; both drift slowly around it by `drift`.
    """

    id: int
    artist: str
    valence: float
    arousal: float
    seed: int
    drift: float = 0.06

    def at(self, t_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Valence and arousal at song times."""
        phase = np.random.default_rng(self.seed).uniform(0, 2 * np.pi, 2)
        wave = [np.sin(2 * np.pi * t_s / 30 + p) * self.drift for p in phase]
        return np.clip(self.valence + wave[0], -1, 1), np.clip(self.arousal + wave[1], -1, 1)


class Form(NamedTuple):
    """Suffix and sample rate of the audio files."""

    suffix: str
    sr: int

    def write(self, path: Path, song: SynthSong, start_s: float, seconds: float) -> None:
        """Write a song's sound from `start_s` on."""
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, sound(song, start_s, seconds, self.sr), self.sr)


def make_songs(n: int, seed: int = 0) -> list[SynthSong]:
    """Make songs in DEAM's three blocks of ids (2 : 2 : 1), all over the plane."""
    rng = np.random.default_rng(seed)
    late = min(n, max(6, n // 5))
    early = min((2 * n) // 5, n - late)
    ids = [
        *range(2, 2 + early),
        *range(1001, 1001 + n - early - late),
        *range(2001, 2001 + late),
    ]
    # a shuffled grid, so that few songs already cover the plane
    v = (rng.permutation(n) + 0.5) / n * 1.6 - 0.8
    a = (rng.permutation(n) + 0.5) / n * 1.6 - 0.8
    return [
        SynthSong(song, f"Group {song if song > 2000 else k // 2}", float(v[k]), float(a[k]),
                  seed * 1000 + song)
        for k, song in enumerate(ids)
    ]  # fmt: skip


def sound(song: SynthSong, start_s: float, seconds: float, sr: int = SR) -> np.ndarray:
    """Sound of a song from `start_s` on.

    Returns
    -------
    np.ndarray [shape=(seconds * sr,)], float32
    """
    t = start_s + np.arange(round(seconds * sr)) / sr
    v, a = song.at(t)
    major = (v + 1) / 2
    bright = 0.15 + 0.35 * (a + 1) / 2
    y = np.zeros_like(t)
    for root, minor_third, major_third, fifth in reversed(_chord(start_s, len(t), sr)):
        third = (1 - major) * minor_third + major * major_third
        y = bright * y + root + third + 0.8 * fifth
    melody = 2 * np.pi * np.cumsum(300.0 * 2 ** (1.75 * (v + 1))) / sr
    for k in range(1, 4):
        y += 1.8 / k**0.5 * np.sin(k * melody)
    beats = np.cumsum((1.0 + 1.5 * (a + 1) / 2) / sr)
    y *= 0.35 + 0.65 * np.exp(-6 * (beats % 1.0))
    rng = np.random.default_rng(song.seed)
    y += 0.02 * 4.0**a * rng.standard_normal(len(t))
    gain = 10 ** ((-32 + 22 * (a + 1) / 2) / 20)
    return (0.3 * gain * y).clip(-1, 1).astype(np.float32)


@lru_cache(maxsize=1)
def _chord(start_s: float, n: int, sr: int) -> list[list[np.ndarray]]:
    """Harmonics 1 to 4 of root, minor third, major third and fifth: all songs have them."""
    t = start_s + np.arange(n) / sr
    f = [196.0 * 2 ** (semitones / 12) for semitones in (0, 3, 4, 7)]
    return [[np.sin(2 * np.pi * f_k * k * t) for f_k in f] for k in range(1, 5)]


def make_dataset(
    root: Path,
    layout: str = "deam",
    *,
    n_songs: int = 30,
    seconds: float = 20.0,
    seed: int = 0,
    suffix: str = ".wav",
    sr: int = SR,
) -> list[SynthSong]:
    """Write a data set in one of the published layouts.

    Parameters
    ----------
    root : Path
    layout : str
        ``deam``, ``clips``, ``emomusic``, ``pmemo``, ``4q``, ``mirex``, ``msd`` or ``vgmidi``
        (MIDI files, to be rendered). ``mirex`` and ``msd`` have lyrics, whose words follow valence.
    n_songs : int
    seconds : float
        Length of the songs; labels begin at 15 s. The clips of ``clips`` are 30-40 s always.
    suffix : str
        Of the audio files, e.g. ``.mp3``.
    sr : int
        Of the audio files [Hz].

    Returns
    -------
    list of SynthSong
    """
    makers: dict[str, Callable[[Path, list[SynthSong], float, Form], None]] = {
        "deam": _deam,
        "clips": _clips,
        "emomusic": _emomusic,
        "pmemo": _pmemo,
        "4q": _panda,
        "mirex": _mirex,
        "vgmidi": _vgmidi,
        "msd": _msd,
    }
    if layout not in makers:
        raise UsageError(f"layout {layout!r} is unknown; expected one of {', '.join(makers)}")
    songs = make_songs(n_songs, seed)
    makers[layout](root, songs, seconds, Form(suffix, sr))
    return songs


def _dynamic(folder: Path, songs: list[SynthSong], until_s: float, names: tuple[str, str]) -> None:
    times = np.arange(15.0, until_s, 0.5)
    header = ["song_id", *(f"sample_{round(1000 * t)}ms" for t in times)]
    curves = [s.at(times) for s in songs]
    for axis, name in enumerate(names):
        rows = [[s.id, *(f"{x:.6f}" for x in c[axis])] for s, c in zip(songs, curves, strict=True)]
        write_rows(folder / name, header, rows)


def _static_deam(folder: Path, songs: list[SynthSong]) -> None:
    """Both static files, with the exchange of the songs up to 1000 as published."""
    columns = ["song_id", "valence_mean", "valence_std", "arousal_mean", "arousal_std"]

    def row(s: SynthSong) -> list[object]:
        v, a = 5 + 4 * s.valence, 5 + 4 * s.arousal
        first, second = (a, v) if s.id <= 1000 else (v, a)
        return [s.id, f" {first:.2f}", " 1.00", f" {second:.2f}", " 1.00"]

    early = [row(s) for s in songs if s.id <= 2000]
    write_rows(folder / "static_annotations_averaged_songs_1_2000.csv", columns, early, " ")
    late = [row(s) for s in songs if s.id > 2000]
    write_rows(folder / "static_annotations_averaged_songs_2000_2058.csv", columns, late, " ")


def _metadata(folder: Path, songs: list[SynthSong]) -> None:
    for year, first, last in ((2013, 1, 1000), (2014, 1001, 2000), (2015, 2001, 9999)):
        rows: list[list[object]] = [
            [s.id, s.artist, "album", f"Song {s.id}", "Rock"]
            for s in songs
            if first <= s.id <= last
        ]
        write_rows(
            folder / f"metadata_{year}.csv", ["song_id", "artist", "album", "title", "Genre"], rows
        )


def _deam(root: Path, songs: list[SynthSong], seconds: float, form: Form) -> None:
    averaged = root / "annotations" / "annotations averaged per song"
    _dynamic(
        averaged / "dynamic (per second annotations)",
        songs,
        seconds,
        ("valence.csv", "arousal.csv"),
    )
    _static_deam(averaged / "song_level", songs)
    _metadata(root / "metadata", songs)
    for s in songs:
        form.write(root / "MEMD_audio" / f"{s.id}{form.suffix}", s, 0.0, seconds)


def _clips(root: Path, songs: list[SynthSong], seconds: float, form: Form) -> None:
    _dynamic(root / "labels", songs, 45.0, ("valence.csv", "arousal.csv"))
    _static_deam(root / "labels", songs)
    _metadata(root / "meta", songs)
    for s in songs:
        form.write(root / "audio_30_40s" / f"{s.id}{form.suffix}", s, 30.0, 10.0)


def _emomusic(root: Path, songs: list[SynthSong], seconds: float, form: Form) -> None:
    songs = [s for s in songs if s.id <= 1000]
    names = ("valence_cont_average.csv", "arousal_cont_average.csv")
    _dynamic(root, songs, seconds, names)
    write_rows(
        root / "static_annotations.csv",
        ["song_id", "mean_arousal", "std_arousal", "mean_valence", "std_valence"],
        [[s.id, f"{5 + 4 * s.arousal:.2f}", 1, f"{5 + 4 * s.valence:.2f}", 1] for s in songs],
    )
    header = ["song_id", "file_name", "Artist", "Song title", "Genre", "Mediaeval 2013 set"]
    rows: list[list[object]] = [
        [s.id, f"\t{s.id}.mp3", f"{s.artist}\t", f"Song {s.id}", "Rock",
         "evaluation" if k % 4 == 0 else "development"]
        for k, s in enumerate(songs)
    ]  # fmt: skip
    write_rows(root / "songs_info.csv", header, rows)
    for s in songs:
        form.write(root / "clips_45sec" / f"{s.id}{form.suffix}", s, 0.0, seconds)


def _pmemo(root: Path, songs: list[SynthSong], seconds: float, form: Form) -> None:
    notes = root / "annotations"
    static: list[list[object]] = [
        [s.id, f"{(s.arousal + 1) / 2:.4f}", f"{(s.valence + 1) / 2:.4f}"] for s in songs
    ]
    write_rows(
        notes / "static_annotations.csv", ["musicId", "Arousal(mean)", "Valence(mean)"], static
    )
    times = np.arange(15.5, seconds + 0.25, 0.5)
    rows: list[list[object]] = []
    for s in songs:
        v, a = s.at(times)
        rows += [[s.id, t, (y + 1) / 2, (x + 1) / 2] for t, x, y in zip(times, v, a, strict=True)]
    header = ["musicId", "frameTime", "Arousal(mean)", "Valence(mean)"]
    write_rows(notes / "dynamic_annotations.csv", header, rows)
    write_rows(
        root / "metadata.csv",
        ["musicId", "fileName", "title", "artist"],
        [[s.id, f"{s.id}.mp3", f"Song {s.id}", s.artist] for s in songs],
    )
    for s in songs:
        form.write(root / "chorus" / f"{s.id}{form.suffix}", s, 0.0, seconds)


def _quadrant(s: SynthSong) -> int:
    return {(True, True): 1, (False, True): 2, (False, False): 3, (True, False): 4}[
        s.valence > 0, s.arousal > 0
    ]


def _panda(root: Path, songs: list[SynthSong], seconds: float, form: Form) -> None:
    names = {s.id: f"MT{s.id:010d}" for s in songs}
    write_rows(
        root / "panda_dataset_taffc_annotations.csv",
        ["Song", "Quadrant"],
        [[names[s.id], f"Q{_quadrant(s)}"] for s in songs],
    )
    write_rows(
        root / "panda_dataset_taffc_metadata.csv",
        ["Song", "Artist", "Title", "Quadrant"],
        [[names[s.id], s.artist, f"Song {s.id}", f"Q{_quadrant(s)}"] for s in songs],
    )
    for s in songs:
        folder = root / f"Q{_quadrant(s)}"
        form.write(folder / f"{names[s.id]}{form.suffix}", s, 15.0, min(seconds, 10.0))


def _mirex(root: Path, songs: list[SynthSong], seconds: float, form: Form) -> None:
    write_rows(
        root / "index.csv",
        ["id", "cluster", "category", "artist", "title", "lyrics"],
        [[f"{s.id:03d}", 1 + s.id % 5, "Made up", s.artist, f"Song {s.id}", 1] for s in songs],
    )
    for s in songs:
        write_text(root / "lyrics" / f"{s.id:03d}.txt", lyric(s.valence, s.seed))
        form.write(root / "audio" / f"{s.id:03d}{form.suffix}", s, 15.0, min(seconds, 10.0))


def _vgmidi(root: Path, songs: list[SynthSong], seconds: float, form: Form) -> None:
    write_rows(
        root / "vgmidi_labelled.csv",
        ["id", "series", "console", "game", "piece", "midi", "valence", "arousal"],
        [
            [
                *(s.id, s.artist, "None", "Made up", f"Song {s.id}", f"labelled/midi/{s.id}.mid"),
                *(1 if s.valence > 0 else -1, 1 if s.arousal > 0 else -1),
            ]
            for s in songs
        ],
    )
    for s in songs:
        write_midi(root / "labelled" / "midi" / f"{s.id}.mid", s.valence, s.arousal, seconds)


def _msd(root: Path, songs: list[SynthSong], seconds: float, form: Form) -> None:
    tracks = write_msd_parts(root, songs)
    for track, s in tracks.items():
        form.write(root / "audio" / f"{track}{form.suffix}", s, 0.0, min(seconds, 10.0))
