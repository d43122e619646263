"""How often an outer fold was read: a ledger of every reading, beside the rows it gave.

A figure of an outer fold is worth what it says only if nothing was chosen by it. Each time a run is
scored on one, a line goes into ``outer-folds.jsonl`` beside the runs: when, which fold, which
artefact, by which configuration. A fold that was read for many configurations of one system may
have chosen among them, and the count that is printed beside the row lets a reader see it.
"""

import json
import time
from pathlib import Path
from typing import Any, NamedTuple

from offline.files import json_hash
from streammer.errors import InputError, OutputError

__all__ = ["LEDGER", "Readings", "config_hash", "read_ledger", "readings", "record_reading"]

LEDGER = "outer-folds.jsonl"
_TEXT = ("at", "system", "run", "config", "artefact")


def config_hash(config: Any) -> str:
    """Hash of what a run does: its effective recipe, less its name and what it says of itself."""
    if isinstance(config, dict):
        config = {k: v for k, v in config.items() if k not in ("name", "about")}
    return json_hash(config)


def record_reading(
    root: Path,
    fold: int,
    *,
    system: str,
    run: str,
    config: str,
    artefact: str,
    at: float | None = None,
) -> None:
    """Write one reading of an outer fold down; appended, never changed.

    Parameters
    ----------
    root : Path
        Folder of runs, which holds the ledger.
    fold : int
        The fold that was held out and is now scored.
    system, run, config, artefact : str
        Name of the recipe and of the run, hash of its configuration, hash of what is scored.
    at : float, optional
        Unix time [s]; now by default.

    Raises
    ------
    OutputError
        The ledger cannot be written: then the fold is not read either.
    """
    line = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at)),
        "fold": fold,
        "system": system,
        "run": run,
        "config": config,
        "artefact": artefact,
    }
    try:
        root.mkdir(parents=True, exist_ok=True)
        with (root / LEDGER).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    except OSError as error:
        raise OutputError(
            f"{root / LEDGER}: cannot be written ({error.strerror or error}); an outer fold is "
            "read only where that is written down"
        ) from error


def read_ledger(root: Path) -> list[dict[str, Any]]:
    """All readings, oldest first; none where there is no ledger.

    Raises
    ------
    InputError
        A line is no reading.
    """
    path = root / LEDGER
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    out = []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
            out.append({"fold": int(entry["fold"]), **{k: str(entry[k]) for k in _TEXT}})
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}: line {number} is no reading of an outer fold; restore the file"
            ) from error
    return out


class Readings(NamedTuple):
    """How often a fold was read.

    Attributes
    ----------
    times, artefacts, configurations : int
        Readings; different artefacts among them; different configurations.
    """

    times: int
    artefacts: int
    configurations: int

    def __str__(self) -> str:
        """Return ``3 x, 2 artefacts, 1 configuration``."""
        return (
            f"{self.times} x, {_plural(self.artefacts, 'artefact')}, "
            f"{_plural(self.configurations, 'configuration')}"
        )


def _plural(n: int, what: str) -> str:
    return f"{n} {what}" + ("" if n == 1 else "s")


def readings(root: Path, fold: int, system: str) -> Readings:
    """Count the readings of an outer fold for one system in the ledger of a folder of runs."""
    own = [e for e in read_ledger(root) if (e["fold"], e["system"]) == (fold, system)]
    return Readings(len(own), len({e["artefact"] for e in own}), len({e["config"] for e in own}))
