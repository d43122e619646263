"""Which audio files there are, and whether they can be read."""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile

from offline.datasets.song import Clip, Findings
from streammer.errors import InputError

__all__ = ["AUDIO_SUFFIXES", "check_audio", "duration_s", "find_audio", "read_mono"]

AUDIO_SUFFIXES = (".mp3", ".wav", ".flac", ".ogg", ".opus")
_SEGMENT = re.compile(r"^(?P<song>.+)_(?P<start>\d+(?:\.\d+)?)s$")


def find_audio(folder: Path, offset_s: float = 0.0, *, segments: bool = False) -> dict[str, list]:
    """Audio files of a folder by song id (the stem), sorted.

    Parameters
    ----------
    folder : Path
        May be absent: then nothing is found.
    offset_s : float
        Song time of each file's first sample [s].
    segments : bool
        Stems are ``<song>_<start>s``; the start replaces `offset_s`.
    """
    found: dict[str, list[Clip]] = {}
    if not folder.is_dir():
        return found
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in AUDIO_SUFFIXES:
            continue
        song, start = path.stem, offset_s
        if segments:
            match = _SEGMENT.match(path.stem)
            if not match:
                continue
            song, start = match["song"], float(match["start"])
        found.setdefault(song, []).append(Clip(path, start))
    return found


def duration_s(path: Path) -> float:
    """Length of a file from its header [s].

    Raises
    ------
    InputError
        The file cannot be opened as audio.
    """
    try:
        with soundfile.SoundFile(path) as file:
            return file.frames / file.samplerate
    except (soundfile.LibsndfileError, OSError, RuntimeError) as error:
        raise InputError(f"{path}: no readable audio ({_reason(error)})") from error


def read_mono(path: Path) -> tuple[np.ndarray, int]:
    """Decode a whole file as the live engine would: NaN and Inf to zero, mean of the channels.

    Returns
    -------
    y : np.ndarray [shape=(n,)], float32
    sr : int
        Native sample rate [Hz].

    Raises
    ------
    InputError
        The file cannot be decoded or holds nothing.
    """
    try:
        y, sr = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError, RuntimeError) as error:
        raise InputError(f"{path}: no readable audio ({_reason(error)})") from error
    if not len(y):
        raise InputError(f"{path}: holds no audio")
    mono = np.nan_to_num(y, nan=0.0, posinf=0.0, neginf=0.0).mean(axis=1, dtype=np.float32)
    return np.ascontiguousarray(mono, np.float32), int(sr)


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def check_audio(paths: Iterable[Path], findings: Findings, longest_s: float | None = None) -> None:
    """Open every file's header; count the broken and the overlong ones."""
    for path in paths:
        try:
            length = duration_s(path)
        except InputError:
            findings.count("audio files that cannot be read", path.name)
            continue
        if longest_s is not None and length > longest_s + 0.5:
            findings.count(
                f"audio files longer than {longest_s:g} s", f"{path.name} {length:.0f} s"
            )
