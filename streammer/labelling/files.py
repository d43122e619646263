"""The audio files that are named, or lie in the folders that are named."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from streammer.errors import InputError
from streammer.labelling.rows import FileResult, shown_path

__all__ = ["AUDIO_SUFFIXES", "Found", "find_audio"]

AUDIO_SUFFIXES = frozenset(
    (
        *(".3gp", ".aac", ".ac3", ".aif", ".aifc", ".aiff", ".amr", ".ape", ".au", ".caf", ".dsf"),
        *(".eac3", ".flac", ".m4a", ".m4b", ".mka", ".mkv", ".mp1", ".mp2", ".mp3", ".mp4"),
        *(".mpa", ".mpc", ".mpga", ".oga", ".ogg", ".opus", ".rf64", ".snd", ".spx", ".tta"),
        *(".w64", ".wav", ".weba", ".webm", ".wma", ".wv"),
    )
)
"""What is taken from a folder; a file named by itself is tried whatever its suffix."""


@dataclass(frozen=True)
class Found:
    """What there is to label.

    Attributes
    ----------
    files : list of Path
        Each once, in order: as named, those of a folder by name.
    unusable : list of FileResult
        Folders that cannot be read, links that lead nowhere, and what is called audio but is no
        file: each with the reason.
    """

    files: list[Path] = field(default_factory=list)
    unusable: list[FileResult] = field(default_factory=list)

    @property
    def count(self) -> int:
        """How many files there would be if all could be used."""
        return len(self.files) + len(self.unusable)


def find_audio(paths: Sequence[str | Path]) -> Found:
    """Find the files named, and the audio files in the folders named.

    Links to folders are followed, each folder once, so that links in a circle end.

    Raises
    ------
    InputError
        If a folder holds no audio.
    """
    files: dict[Path, None] = {}
    unusable: list[FileResult] = []
    for path in map(Path, paths):
        if path.is_dir():
            search = _Search()
            search.folder(path)
            if not search.files and not search.unusable:
                raise InputError(
                    f"{path} holds no audio file: name a folder with music, such as {path}/album"
                )
            files.update(dict.fromkeys(sorted(search.files)))
            unusable += sorted(search.unusable, key=lambda result: result.path)
        else:
            # A file that is missing is reported with the others, when its turn comes.
            files[path] = None
    return Found(list(files), unusable)


class _Search:
    """What was found under one folder."""

    def __init__(self) -> None:
        self.files: list[Path] = []
        self.unusable: list[FileResult] = []
        self._seen: set[tuple[int, int]] = set()

    def folder(self, top: Path) -> None:
        """Look through a folder; where a link leads is looked at last, if it was not seen yet."""
        folders = [top]
        links: list[Path] = []
        while folders or links:
            folder = folders.pop() if folders else links.pop(0)
            try:
                entries = self._entries(folder)
            except OSError as error:
                self._refuse(folder, f"cannot be read ({error.strerror or error})")
                continue
            for entry in entries:
                if self._is_folder(entry):
                    (links if entry.is_symlink() else folders).append(Path(entry.path))

    def _entries(self, folder: Path) -> list["os.DirEntry[str]"]:
        status = os.stat(folder)
        if (status.st_dev, status.st_ino) in self._seen:
            return []
        self._seen.add((status.st_dev, status.st_ino))
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)

    def _is_folder(self, entry: "os.DirEntry[str]") -> bool:
        """Return whether an entry is a folder; note it if it is, or should be, audio."""
        path = Path(entry.path)
        suffix = path.suffix.lower()
        try:
            mode = os.stat(path).st_mode
        except OSError as error:
            # A link without suffix may have led to an album.
            if suffix in AUDIO_SUFFIXES or not suffix:
                leads = f"leads to {os.readlink(path)}, which " if entry.is_symlink() else ""
                self._refuse(path, f"{leads}cannot be read ({error.strerror or error})")
            return False
        if stat.S_ISDIR(mode):
            return True
        if suffix in AUDIO_SUFFIXES:
            if stat.S_ISREG(mode):
                self.files.append(path)
            else:
                self._refuse(path, "is no file: a pipe, a socket or a device")
        return False

    def _refuse(self, path: Path, reason: str) -> None:
        self.unusable.append(FileResult(shown_path(path), [], error=reason))
