"""Reading the databases that go with the Million Song Dataset, never writing to them."""

import sqlite3
from pathlib import Path

from streammer.errors import InputError

__all__ = ["is_sqlite", "query"]


def is_sqlite(path: Path) -> bool:
    """Whether a file is an SQLite database, by its first bytes."""
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"


def query(path: Path, sql: str, *values: str, expected: str) -> list[tuple]:
    """Return all rows that a query gives.

    Parameters
    ----------
    expected : str
        What the database should be, for the message.

    Raises
    ------
    InputError
        The database is damaged or lacks a table or column.
    """
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise InputError(f"{path}: no readable database ({error}); expected {expected}") from error
