"""The file beside a table in which it is written until it is whole.

A part is called ``.moods.csv.PID.part`` and locked for as long as it is written, so that what a
killed process left over is told from what another one is writing.
"""

import os
import re
import sys
from contextlib import suppress
from pathlib import Path

from streammer.system.locks import locked

__all__ = ["Part", "left_over_parts", "remove_left_over"]


class Part:
    """A part of this process, made empty and locked.

    Parameters
    ----------
    table : Path
        The table that it becomes.
    resumed : bool
        Whether it goes on from rows that stand elsewhere; said in its name.

    Raises
    ------
    OSError
        If it cannot be made.
    """

    def __init__(self, table: Path, *, resumed: bool = False) -> None:
        mark = ".resumed" if resumed else ""
        self.path = table.with_name(f".{table.name}.{os.getpid()}{mark}.part")
        self.path.unlink(missing_ok=True)  # of a dead process that had the same number
        self._fd = -1
        mode = _mode_of(table)
        if sys.platform == "win32":  # where a locked file is not renamed, nor an open one removed
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o666))
            return
        try:
            self._fd = locked(self.path, 0o666 if mode is None else 0o600)
        except BlockingIOError:
            raise
        except OSError:  # a file system without locks, or none that can be written
            made = 0o666 if mode is None else 0o600
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT, made))
        if mode is not None:
            # Before anything is in it: rows may be for fewer eyes than a new file.
            with suppress(OSError):
                owner = os.stat(table)
                os.chown(self.path, owner.st_uid, owner.st_gid)
            os.chmod(self.path, mode)

    def become(self, table: Path) -> None:
        """Take the name of the table, and the place of what has that name."""
        os.replace(self.path, table)

    def close(self) -> None:
        """Remove it, unless it has become a table, and its lock."""
        self.path.unlink(missing_ok=True)
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def left_over_parts(table: Path) -> list[Path]:
    """Return the parts of a table whose processes are dead, the newest first."""
    pattern = re.compile(rf"\.{re.escape(table.name)}\.(\d+)(\.resumed)?\.part")
    found: list[tuple[float, Path]] = []
    with suppress(OSError):
        for path in table.parent.iterdir():
            match = pattern.fullmatch(path.name)
            if match and not _in_use(path, int(match[1])):
                with suppress(OSError):
                    found.append((path.stat().st_mtime, path))
    return [path for _, path in sorted(found, reverse=True)]


def remove_left_over(table: Path) -> None:
    """Remove the parts of a table whose processes are dead."""
    for path in left_over_parts(table):
        with suppress(OSError):
            path.unlink()


def _in_use(path: Path, pid: int) -> bool:
    if pid == os.getpid():
        return True
    if sys.platform == "win32":
        return False  # one that is open is not removed there, whoever tries
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        pass
    except OSError:
        return True
    # The number may be that of a process in another container: the lock tells.
    try:
        os.close(locked(path))
    except OSError:
        return True
    return False


def _mode_of(table: Path) -> int | None:
    try:
        return os.stat(table).st_mode & 0o7777
    except OSError:
        return None
