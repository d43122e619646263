"""Files that are there whole or not at all: written beside, then renamed."""

import contextlib
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streammer.errors import OutputError

__all__ = ["empty_folder", "json_hash", "write_json", "write_text", "write_with"]


def write_with(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a file beside `path`, then rename it into place.

    Raises
    ------
    OutputError
        The folder or file cannot be written, or the disk is full.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(part)
        part.replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write text whole or not at all."""
    write_with(path, lambda part: _write(part, text))


def _write(part: Path, text: str) -> None:
    part.write_text(text, encoding="utf-8")


def empty_folder(path: Path) -> None:
    """Remove all that a folder holds, and leave the folder."""
    for entry in sorted(path.rglob("*"), reverse=True):
        entry.rmdir() if entry.is_dir() and not entry.is_symlink() else entry.unlink()


def write_json(path: Path, value: Any) -> None:
    """Write JSON whole or not at all; NaN is refused."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def json_hash(value: Any, n: int = 16) -> str:
    """Hash of a JSON value, independent of the order of keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:n]
