"""Last.fm's tags of songs: a table, the database or the JSON files of the Million Song Dataset."""

import json
from pathlib import Path

from offline.datasets.sqlite import is_sqlite, query
from offline.datasets.tables import first_line, number, read_rows
from streammer.errors import InputError

__all__ = ["Tags", "read_tags"]

Tags = dict[str, list[tuple[str, float]]]
"""Track id -> (tag as written, weight in 0..100)."""

_SQL = """
    SELECT tids.tid, tags.tag, tid_tag.val FROM tid_tag
    JOIN tids ON tids.rowid = tid_tag.tid JOIN tags ON tags.rowid = tid_tag.tag
    ORDER BY tid_tag.rowid
"""


def read_tags(place: Path) -> Tags:
    """Read the tags of songs.

    Parameters
    ----------
    place : Path
        A table with ``track_id``, ``tag`` and perhaps ``weight``; ``lastfm_tags.db``; or a folder
        of Last.fm's JSON files, nested or not (``{"track_id": …, "tags": [["sad", "100"], …]}``).

    Raises
    ------
    InputError
        It is missing or damaged, or holds no tags.
    """
    if place.is_dir():
        tags = _from_json(place)
    elif place.is_file() and is_sqlite(place):
        tags = _from_database(place)
    elif "tag" in first_line(place):
        tags = _from_table(place)
    else:
        raise InputError(
            f"{place}: no tags; expected a table with track_id and tag, lastfm_tags.db, or a "
            "folder of Last.fm's JSON files"
        )
    if not tags:
        raise InputError(f"{place}: holds no tags; expected at least one tagged song")
    return tags


def _from_table(path: Path) -> Tags:
    tags: Tags = {}
    for row in read_rows(path, ["track_id", "tag"]):
        weight = number(row.get("weight"), path, f"{row['track_id']}, weight")
        tags.setdefault(row["track_id"], []).append(
            (row.get("tag", ""), 100.0 if weight != weight else weight)
        )
    return tags


def _from_database(path: Path) -> Tags:
    tags: Tags = {}
    for track, tag, weight in query(path, _SQL, expected="the tables tids, tags and tid_tag"):
        tags.setdefault(str(track), []).append(
            (str(tag), number(str(weight), path, f"{track}, weight"))
        )
    return tags


def _from_json(folder: Path) -> Tags:
    tags: Tags = {}
    for path in sorted(folder.rglob("*.json")):
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
            own = [(str(tag), float(weight)) for tag, weight in body["tags"]]
            tags.setdefault(str(body["track_id"]), []).extend(own)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}: no tags of a song ({type(error).__name__}: {error}); expected "
                "track_id and tags, pairs of a tag and its weight"
            ) from error
    return tags
