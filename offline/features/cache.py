"""Features of whole files, through the live front end, computed once and kept.

A file's features are kept under the hash of its bytes and of the spec, so that neither a moved
file nor a changed option can bring back the wrong numbers. Files are written beside and renamed:
a killed run leaves nothing half-written and the next one goes on where it was.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from offline.datasets.audio import read_mono
from offline.files import json_hash, write_json, write_with
from offline.progress import progress_bar
from streammer.audio.resample import resample
from streammer.errors import InputError
from streammer.frontend import FrontEnd, FrontEndSpec

__all__ = ["FeatureCache", "Missed", "compute", "content_hash", "frames_of", "spec_hash"]

VERSION = 1
"""Of the path from file to frames; part of every key."""


@lru_cache(maxsize=16384)
def _hash_of(path: Path, size: int, mtime_ns: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:24]


def content_hash(path: Path) -> str:
    """Hash of a file's bytes.

    Raises
    ------
    InputError
        The file is missing or unreadable.
    """
    try:
        stat = path.stat()
        return _hash_of(path, stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def spec_hash(spec: FrontEndSpec) -> str:
    """Hash of everything between file and frames."""
    return json_hash({"version": VERSION, **spec.to_dict()})


def compute(path: Path, spec: FrontEndSpec) -> np.ndarray:
    """Features of one file as the live engine computes them: primed, streamed, resampled.

    Parameters
    ----------
    path : Path
    spec : FrontEndSpec

    Returns
    -------
    np.ndarray [shape=(frames, bins)], float32
        Frame k ends at sample (k + 1) * hop_length of the resampled signal.
    """
    return frames_of(*read_mono(path), spec)


def frames_of(y: np.ndarray, sr: int, spec: FrontEndSpec) -> np.ndarray:
    """Features of mono sound at any rate, as the live engine computes them."""
    return _frames(resample(y, sr, spec.sr), spec)


@lru_cache(maxsize=8)
def _front_end(spec: FrontEndSpec) -> FrontEnd:
    """Build a front end once: its filters take longer than a clip of ten seconds."""
    return FrontEnd(spec)


def _frames(y: np.ndarray, spec: FrontEndSpec) -> np.ndarray:
    front_end = _front_end(spec)
    front_end.prime()
    return np.asarray(front_end.push(y), np.float32)


@dataclass
class Missed:
    """Files that gave no features, with the reason."""

    reasons: dict[Path, str] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """One line a file."""
        return [reason for _, reason in sorted(self.reasons.items())]


class FeatureCache:
    """Features on disk, by content and spec.

    Parameters
    ----------
    root : Path
        Created when needed. Safe to share between processes: files appear whole.

    Examples
    --------
    >>> cache = FeatureCache(Path('cache'))                      # doctest: +SKIP
    >>> missed = cache.fill(paths, spec, workers=2)              # doctest: +SKIP
    >>> x = cache.get(paths[0], spec)                            # doctest: +SKIP
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def path_of(self, audio: Path, spec: FrontEndSpec) -> Path:
        """Where the features of a file belong."""
        return self.root / spec_hash(spec) / f"{content_hash(audio)}.npy"

    def has(self, audio: Path, spec: FrontEndSpec) -> bool:
        """Whether they are there."""
        return self.path_of(audio, spec).exists()

    def get(self, audio: Path, spec: FrontEndSpec, *, mmap: bool = False) -> np.ndarray:
        """Features of a file, computed and kept if they are not there yet.

        Returns
        -------
        np.ndarray [shape=(frames, bins)], float32
            Read-only and lazily read when `mmap`.

        Raises
        ------
        InputError
            The audio cannot be read.
        """
        target = self.path_of(audio, spec)
        found = _read(target, mmap=mmap)
        if found is None:
            self._write(target, compute(audio, spec))
            found = np.load(target, mmap_mode="r" if mmap else None)
        return found

    def synthetic(
        self,
        name: str,
        source: Path,
        specs: Sequence[FrontEndSpec],
        make: Callable[[], np.ndarray],
    ) -> list[np.ndarray]:
        """Return features of a sound that code makes, computed and kept if not there yet.

        Parameters
        ----------
        name : str
            Names all that decides the sound besides the code.
        source : Path
            File of that code; features of what an earlier version made are not used.
        specs : sequence of FrontEndSpec
        make : callable
            Makes the sound [shape=(n,)], float32, at the sampling rate of the specs.

        Returns
        -------
        list of np.ndarray [shape=(frames, bins)], float32
            One a spec.
        """
        file = f"{json_hash({'name': name, 'source': content_hash(source)})}.npy"
        targets = [self.root / f"{spec_hash(spec)}-synthetic" / file for spec in specs]
        found = [_read(target) for target in targets]
        if all(x is not None for x in found):
            return [x for x in found if x is not None]
        y = make()
        made = [_frames(y, spec) for spec in specs]
        for target, x in zip(targets, made, strict=True):
            self._write(target, x)
        return made

    def derived_path(self, audio: Path, spec: FrontEndSpec, kind: str) -> Path:
        """Where what is made of a file's features belongs."""
        return self.root / f"{spec_hash(spec)}-{kind}" / f"{content_hash(audio)}.npy"

    def derived(
        self,
        audio: Path,
        spec: FrontEndSpec,
        kind: str,
        make: Callable[[], np.ndarray],
    ) -> np.ndarray:
        """Return what was made of a file's features, made and kept if it is not there yet.

        Parameters
        ----------
        audio : Path
        spec : FrontEndSpec
        kind : str
            Names all that decides the result besides the features.
        make : callable

        Returns
        -------
        np.ndarray
            Read-only and lazily read.
        """
        target = self.derived_path(audio, spec, kind)
        found = _read(target, mmap=True)
        if found is None:
            self._write(target, make())
            found = np.load(target, mmap_mode="r")
        return found

    def fill(
        self,
        audio: Iterable[Path],
        spec: FrontEndSpec,
        *,
        workers: int = 1,
        device: str | None = None,
        show: bool = True,
    ) -> Missed:
        """Compute what is not there yet, in parallel, with a progress bar on stderr.

        Parameters
        ----------
        audio : iterable of Path
        workers : int
            Processes; 1 computes here. With a device, threads that read files for it.
        device : str, optional
            Compute many files at a time with torchaudio on this device, in this process.

        Returns
        -------
        Missed
            Files that could not be read, each with its reason. The others are there.
        """
        missed = Missed()
        todo: list[Path] = []
        for path in dict.fromkeys(audio):
            try:
                if not self.has(path, spec):
                    todo.append(path)
            except InputError as error:
                missed.reasons[path] = str(error)
        self._describe(spec)
        if not todo:
            return missed
        with progress_bar(f"features {spec.kind}", len(todo), show=show) as advance:
            for path, reason in self._run(todo, spec, workers, device):
                if reason:
                    missed.reasons[path] = reason
                advance()
        return missed

    def _run(
        self, todo: Sequence[Path], spec: FrontEndSpec, workers: int, device: str | None
    ) -> Iterable[tuple[Path, str]]:
        if device is not None:
            from offline.features.gpu import batches_of_files

            for path, found in batches_of_files(todo, spec, device, workers):
                if isinstance(found, str):
                    yield path, found
                else:
                    self._write(self.path_of(path, spec), found)
                    yield path, ""
            return
        one = partial(_one, self.root, spec)
        if workers <= 1:
            yield from map(one, todo)
            return
        with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
            for done in as_completed([pool.submit(one, path) for path in todo]):
                yield done.result()

    def _describe(self, spec: FrontEndSpec) -> None:
        note = self.root / spec_hash(spec) / "spec.json"
        if not note.exists():
            write_json(note, {"version": VERSION, "spec": spec.to_dict()})

    @staticmethod
    def _write(target: Path, x: np.ndarray) -> None:
        def save(part: Path) -> None:
            with part.open("wb") as file:
                np.save(file, x)

        write_with(target, save)


def _read(path: Path, *, mmap: bool = False) -> np.ndarray | None:
    """Return what is kept under a path; None where nothing is, or it is damaged."""
    try:
        kept: np.ndarray = np.load(path, mmap_mode="r" if mmap else None)
    except (FileNotFoundError, ValueError, EOFError):
        return None
    return kept


def _one(root: Path, spec: FrontEndSpec, path: Path) -> tuple[Path, str]:
    cache = FeatureCache(root)
    try:
        target = cache.path_of(path, spec)
        if not target.exists():
            cache._write(target, compute(path, spec))
    except InputError as error:
        return path, str(error)
    return path, ""
