"""Echo Nest's analysis in the HDF5 files of the Million Song Dataset: one song a file, or many.

A song's file lies under the letters of its track id (``A/B/C/TRABC….h5``) or
flat. Any other ``.h5`` directly in the folder is an aggregate of many songs.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from offline.datasets.song import Segments
from streammer.errors import InputError

__all__ = ["EchoNest"]

_ARRAYS = ("segments_start", "segments_timbre", "segments_pitches", "segments_loudness_max")
_COLUMNS = ("track_id", "duration", "loudness", "tempo")


class _Place(NamedTuple):
    path: Path
    row: int


class EchoNest:
    """Analyses of the songs that are wanted, each read when it is asked for.

    Parameters
    ----------
    root : Path
        Folder of HDF5 files.
    wanted : iterable of str
        Track ids; the full set has a million files, so that only these are looked for.

    Raises
    ------
    InputError
        There is no such folder, or a file in it lacks the fields of the Million Song Dataset.
    """

    def __init__(self, root: Path, wanted: Iterable[str]) -> None:
        if not root.is_dir():
            raise InputError(f"{root}: no such folder; expected the HDF5 files of the MSD")
        self._places: dict[str, _Place] = {}
        ids = list(wanted)
        for path in sorted(p for p in root.glob("*.h5") if not p.stem.startswith("TR")):
            for row, track in enumerate(_track_ids(path)):
                self._places.setdefault(track, _Place(path, row))
        for track in ids:
            nested = Path(*track[2:5]) / f"{track}.h5"
            for path in (root / f"{track}.h5", root / nested, root / "data" / nested):
                if path.is_file():
                    self._places[track] = _Place(path, 0)
                    break
        self.ids = frozenset(track for track in ids if track in self._places)
        """Track ids that have an analysis."""
        if self.ids:  # a folder of something else is refused at once, not in the middle of a run
            self.read(min(self.ids))

    def read(self, track_id: str) -> Segments | None:
        """Read one song's analysis, None when there is none.

        Raises
        ------
        InputError
            The file cannot be read, lacks a field, or its arrays do not fit together.
        """
        if track_id not in self._places:
            return None
        path, row = self._places[track_id]
        with _open(path) as file:
            songs = _songs(file, path)
            missing = [name for name in _ARRAYS if name not in file["analysis"]]
            if missing:
                raise _lacks(path, missing)
            arrays = [_cut(file, songs, name, row, path) for name in _ARRAYS]
            duration, loudness, tempo = (float(songs[name][row]) for name in _COLUMNS[1:])
        start, timbre, pitches, loudest = arrays
        n = len(start)
        if timbre.shape != (n, 12) or pitches.shape != (n, 12) or loudest.shape != (n,):
            raise InputError(
                f"{path}: timbre {timbre.shape}, pitches {pitches.shape} for {n} segments; "
                "expected twelve values for each; fetch the file anew"
            )
        return Segments(
            start.astype(np.float64),
            timbre.astype(np.float32),
            pitches.astype(np.float32),
            loudest.astype(np.float32),
            duration,
            loudness,
            tempo,
        )


def _open(path: Path) -> Any:
    import h5py

    try:
        return h5py.File(path, "r")
    except OSError as error:
        raise InputError(
            f"{path}: no readable HDF5 ({' '.join(str(error).split())}); fetch the file anew"
        ) from error


def _songs(file: Any, path: Path) -> Any:
    """Return the table of songs, its columns checked."""
    if "analysis" not in file or "songs" not in file["analysis"]:
        raise _lacks(path, ["songs"])
    songs = file["analysis"]["songs"]
    names = songs.dtype.names or ()
    if missing := [name for name in _COLUMNS if name not in names]:
        raise _lacks(path, [f"songs.{name}" for name in missing])
    return songs[:]


def _lacks(path: Path, fields: list[str]) -> InputError:
    return InputError(
        f"{path}: no field {', '.join(f'/analysis/{name}' for name in fields)}; expected a file of "
        "the Million Song Dataset (its summary file has no segments)"
    )


def _track_ids(path: Path) -> list[str]:
    with _open(path) as file:
        return [value.decode("ascii", "replace") for value in _songs(file, path)["track_id"]]


def _cut(file: Any, songs: Any, name: str, row: int, path: Path) -> np.ndarray:
    """Return one song's part of an array: from its index to the next song's."""
    array = file["analysis"][name]
    column = f"idx_{name}"
    if column not in (songs.dtype.names or ()):
        if len(songs) > 1:
            raise _lacks(path, [f"songs.{column}"])
        return np.asarray(array[:])
    starts = songs[column]
    end = int(starts[row + 1]) if row + 1 < len(starts) else len(array)
    return np.asarray(array[int(starts[row]) : end])
