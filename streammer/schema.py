"""The columns of tables: names, types, and whether a value may be missing."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["ESTIMATE_COLUMNS", "FILE_COLUMNS", "STEP_COLUMNS", "Column"]

Kind = Literal["text", "integer", "number"]


@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes
    ----------
    name : str
    kind : str
        text (str), integer (int) or number (float).
    nullable : bool
        Whether a row may have no value there: null, or nothing in CSV.
    """

    name: str
    kind: Kind
    nullable: bool = False


_MOOD = (
    Column("valence", "number", nullable=True),
    Column("arousal", "number", nullable=True),
    Column("sigma_valence", "number", nullable=True),
    Column("sigma_arousal", "number", nullable=True),
    Column("p_positive", "number", nullable=True),
    Column("p_energetic", "number", nullable=True),
)

FILE_COLUMNS = (
    Column("path", "text"),
    Column("duration_s", "number"),
    *_MOOD,
    Column("n_steps", "integer"),
    Column("quadrant", "text", nullable=True),
    Column("state", "text"),
)
"""A row a file."""

ESTIMATE_COLUMNS = (
    Column("v", "integer"),
    Column("stream", "text"),
    Column("epoch", "text"),
    Column("seq", "integer"),
    Column("t_audio_s", "number"),
    Column("t_capture", "number"),
    Column("t_publish", "number"),
    *_MOOD,
    Column("quadrant", "text", nullable=True),
    Column("state", "text"),
    Column("level_dbfs", "number"),
    Column("lag_ms", "number"),
    Column("model", "text"),
    Column("lost_samples", "integer"),
)
"""A row an estimate: all keys of `MoodEstimate`."""

STEP_COLUMNS = (Column("path", "text"), *ESTIMATE_COLUMNS)
"""A row a step: the path, and all keys of `MoodEstimate`."""
