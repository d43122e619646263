"""Trying a model in a process of its own: one that can be given up on.

A file of a few kilobytes can keep ONNX Runtime folding constants for minutes, in which signals
wait, or bring it down. What comes from outside the package is therefore opened and stepped here
before this process opens it, from the very bytes that are opened later.
"""

import os
import subprocess
import sys
from pathlib import Path

from streammer.errors import ModelError
from streammer.inference.artefact import read_artefact

__all__ = ["LIMIT_S", "try_artefact", "try_model"]

LIMIT_S = 20.0
"""Time after which a trial is given up [s]: the start of the process, loading and stepping."""

_PROGRAM = "streammer.inference.audit"


def try_artefact(path: Path, limit_s: float = LIMIT_S) -> None:
    """Check all that contract 1 asks of an artefact, in a process of its own, within a time limit.

    Raises
    ------
    ModelError
        For the first thing that is wrong, for a process that dies of the model, or for one that
        has not ended in time.
    """
    _try("audit", read_artefact(path), path, limit_s)


def try_model(data: bytes, path: Path, limit_s: float = LIMIT_S) -> None:
    """Check, open and step a serialized model in a process of its own; `path` is for messages.

    Raises
    ------
    ModelError
        As `try_artefact`.
    """
    _try("open", data, path, limit_s)


def _try(what: str, data: bytes, path: Path, limit_s: float) -> None:
    command = [sys.executable, "-m", _PROGRAM, what, os.fspath(path), str(limit_s)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as child:
        try:
            printed, _ = child.communicate(data, timeout=limit_s)
        except subprocess.TimeoutExpired as error:
            raise ModelError(
                f"{path}: loading it has not ended after {limit_s:g} s, expected a model that is "
                "ready within that time"
            ) from error
        finally:
            child.kill()
    if child.returncode == ModelError.exit_code:
        raise ModelError(printed.decode(errors="replace").strip())
    if child.returncode:
        raise ModelError(
            f"{path}: the process that loads it ends with {child.returncode}, expected 0: ONNX "
            "Runtime does not survive this model"
        )
