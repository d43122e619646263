"""What was received of each stream: a table to keep, and the last minutes to draw."""

import csv
import io
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec

from streammer.estimate import MoodEstimate
from streammer.web.messages import RECENT, Mark

__all__ = ["MAX_ROWS", "RECENT_ROWS", "Session"]

RECENT_ROWS = 1200
"""Estimates that a page which is opened late can draw: ten minutes at two a second."""

MAX_ROWS = 150_000
"""Rows that are kept of all streams together: 20 hours of one, in about 70 MB."""

_MAX_MARKS = 10_000
_CHUNK = 512
_KEYS = MoodEstimate.__struct_fields__
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(MoodEstimate)


class Session:
    """The session of one page server.

    Parameters
    ----------
    max_rows : int, optional
        Of too many, the oldest of the longest stream goes.

    Attributes
    ----------
    marks : deque of Mark
        In the order in which they were made.
    """

    def __init__(self, max_rows: int = MAX_ROWS) -> None:
        self.marks: deque[Mark] = deque(maxlen=_MAX_MARKS)
        self._max_rows = max_rows
        self._rows: dict[str, deque[bytes]] = {}  # as JSON: a struct takes three times the room
        self._count = 0

    def add(self, mood: MoodEstimate) -> None:
        """Keep an estimate."""
        self._rows.setdefault(mood.stream, deque()).append(_encoder.encode(mood))
        self._count += 1
        while self._count > self._max_rows:
            max(self._rows.values(), key=len).popleft()
            self._count -= 1

    def recent(self, stream: str) -> list[list[Any]]:
        """Return the last estimates of a stream, oldest first, each as a row of `RECENT`."""
        rows = [[getattr(mood, key) for key in RECENT] for mood in self._newest_first(stream)]
        return rows[::-1]

    def find(self, stream: str, epoch: str, seq: int) -> MoodEstimate | None:
        """Return one of the last estimates of a stream, or its newest if there is no such one."""
        newest = None
        for mood in self._newest_first(stream):
            newest = newest or mood
            if (mood.epoch, mood.seq) == (epoch, seq):
                return mood
        return newest

    def table(self, stream: str) -> Iterator[bytes]:
        """Return a CSV table in parts: the keys of an estimate, and the marks made at it.

        What comes while it is read does not disturb it.
        """
        labels: dict[tuple[str, int], str] = {}
        for mark in self.marks:
            if mark.stream == stream:
                key = mark.epoch, mark.seq
                label = mark.label or "mark"
                labels[key] = f"{labels[key]}; {label}" if key in labels else label
        return _table(list(self._rows.get(stream, ())), labels)

    def _newest_first(self, stream: str) -> Iterator[MoodEstimate]:
        rows = islice(reversed(self._rows.get(stream, ())), RECENT_ROWS)
        return map(_decoder.decode, rows)


def _table(rows: Sequence[bytes], labels: dict[tuple[str, int], str]) -> Iterator[bytes]:
    yield _lines([[*_KEYS, "mark"]])
    for begin in range(0, len(rows), _CHUNK):
        moods = [_decoder.decode(row) for row in rows[begin : begin + _CHUNK]]
        yield _lines(
            [*(getattr(m, key) for key in _KEYS), labels.get((m.epoch, m.seq), "")] for m in moods
        )


def _lines(rows: Iterable[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
