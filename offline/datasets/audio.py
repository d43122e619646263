"""Which audio files there are, and whether they can be read."""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import soundfile

from offline.datasets.song import Clip, Findings
from streammer.audio.block import SourceEnd
from streammer.audio.level import clean, downmix
from streammer.clock import SystemClock
from streammer.errors import InputError
from streammer.sources.open import open_source

__all__ = ["AUDIO_SUFFIXES", "check_audio", "duration_s", "find_audio", "read_mono"]

AUDIO_SUFFIXES = (".mp3", ".wav", ".flac", ".ogg", ".opus")
_SEGMENT = re.compile(r"^(?P<song>.+)_(?P<start>\d+(?:\.\d+)?)s$")


def find_audio(
    folder: Path, offset_s: float = 0.0, *, segments: bool = False, nested: bool = False
) -> dict[str, list]:
    """Audio files of a folder by song id (the stem), sorted.

    Parameters
    ----------
    folder : Path
        May be absent: then nothing is found.
    offset_s : float
        Song time of each file's first sample [s].
    segments : bool
        Stems are ``<song>_<start>s``; the start replaces `offset_s`.
    nested : bool
        Look into the folders of the folder too.
    """
    found: dict[str, list[Clip]] = {}
    if not folder.is_dir():
        return found
    for path in sorted(folder.rglob("*") if nested else folder.iterdir()):
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
    """Decode a whole file through the live core: its reader, its read size, its down-mix.

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
    source = open_source(str(path), clock=SystemClock())
    parts = []
    try:
        info = source.open()
        while not isinstance(item := source.read(1.0), SourceEnd):
            if item is not None:
                parts.append(downmix(clean(item.samples)[0]))
    except InputError as error:
        raise InputError(f"{path}: no readable audio ({_reason(error)})") from error
    finally:
        source.close()
    if not parts:
        why = _reason(item.detail) if item.detail else "it is empty"
        raise InputError(f"{path}: no readable audio ({why})")
    return np.concatenate(parts), info.sr


def _reason(error: BaseException | str) -> str:
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
