"""The rows of one file: its mood as a whole, or step by step."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from streammer.engine.summary import Summary
from streammer.estimate import STATES, MoodEstimate, quadrant_of, rounded
from streammer.inference.artefact import OUTPUTS

__all__ = ["FileResult", "LabelWarning", "Row", "rows_of", "shown_path"]

Row = dict[str, Any]


@dataclass(frozen=True)
class FileResult:
    """What came of one file.

    Attributes
    ----------
    path : str
    rows : list of dict
        One row, or one a step; empty if the file could not be used.
    error : str
        Why it could not be used; empty if it could.
    warning : str
        What of it could not be used; empty if all was.
    """

    path: str
    rows: list[Row]
    error: str = ""
    warning: str = ""

    @property
    def complaint(self) -> str:
        """One line with the path and what is wrong, or empty."""
        return f"skipped: {self._about(self.error)}" if self.error else self._about(self.warning)

    def _about(self, text: str) -> str:
        return text if not text or self.path in text else f"{self.path}: {text}"


class LabelWarning(UserWarning):
    """A file that could not be used, or not all of it."""


def rows_of(
    path: Path,
    estimates: Sequence[MoodEstimate],
    summary: Summary,
    duration_s: float,
    *,
    steps: bool,
) -> FileResult:
    """Make the rows of a file that was heard to its end: one, or one a step."""
    shown = shown_path(path)
    warnings = [summary.detail] if summary.detail else []
    if summary.nonfinite_samples:
        warnings.append(
            f"{summary.nonfinite_samples} samples are NaN, infinite or beyond 1e6: taken as zero"
        )
    rows = (
        [{"path": shown, **msgspec.structs.asdict(e)} for e in estimates]
        if steps
        else [_file_row(shown, duration_s, estimates)]
    )
    return FileResult(shown, rows, warning="; ".join(warnings))


def shown_path(path: Path) -> str:
    """Return a path as text; what is no Unicode in it is replaced: no table takes it as it is."""
    return os.fsencode(path).decode("utf-8", "replace")


def _file_row(path: str, duration_s: float, estimates: Sequence[MoodEstimate]) -> Row:
    counted = [e for e in estimates if e.state in ("live", "clipping")] or list(estimates)
    means: Row = {}
    for name in OUTPUTS:
        values = [value for e in counted if (value := getattr(e, name)) is not None]
        means[name] = sum(values) / len(values) if values else None
    # Where no step has a mood, its mean is neutral and belongs to no quadrant.
    quadrant = None
    if any(e.quadrant is not None for e in counted):
        quadrant = quadrant_of(
            means["valence"],
            means["arousal"],
            p_positive=means["p_positive"],
            p_energetic=means["p_energetic"],
        )
    states = Counter(e.state for e in counted)
    return {
        "path": path,
        **rounded({"duration_s": duration_s, **means}),
        "n_steps": len(estimates),
        "quadrant": quadrant,
        "state": max(states, key=lambda state: (states[state], -STATES.index(state))),
    }
