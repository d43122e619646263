"""Artists under one name, whatever a collection writes."""

import re
import unicodedata
from collections.abc import Iterable

from offline.datasets.song import Findings, Song

__all__ = ["artist_key", "count_twice", "title_key"]

_GUESTS = re.compile(r"\b(feat|ft|featuring|with guests?|vs)\b.*$")
_BRACKETS = re.compile(r"[\(\[].*?[\)\]]")
_DROPPED = {"the", "and", "a", "an"}
_UNKNOWN = {"", "na", "nan", "unknown", "unknown artist", "various", "various artists", "none"}


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return text.casefold().replace("&", " and ").strip()


def artist_key(name: str) -> str:
    """Key under which one artist is found however the name is written.

    Case, accents, punctuation, articles, guests and the order of the words do not count, so
    that ``'Blakey, Art & the Jazz Messengers'`` and ``'Art Blakey and The Jazz Messengers'``
    are one artist. Unknown artists give ``''``.

    Examples
    --------
    >>> artist_key('Brown, Ruth') == artist_key('Ruth  BROWN feat. Somebody')
    True
    >>> artist_key('n/a')
    ''
    """
    text = _GUESTS.sub("", _BRACKETS.sub(" ", _plain(name)))
    text = re.sub(r"['’`.]", "", text)
    words = re.findall(r"[a-z0-9]+", text)
    plain = re.sub(r"[^a-z ]", "", _plain(name))
    if plain in _UNKNOWN and (plain or not name.strip()):
        return ""
    kept = [word for word in words if word not in _DROPPED] or words
    if not kept:  # a name without any latin letter or digit
        return "".join(name.split()).casefold()
    return " ".join(sorted(kept))


def title_key(title: str) -> str:
    """Key of a title: case, accents, punctuation and bracketed parts do not count."""
    words = re.findall(r"[a-z0-9]+", re.sub(r"['’`]", "", _BRACKETS.sub(" ", _plain(title))))
    return " ".join(words)


def count_twice(songs: Iterable[Song], findings: Findings) -> None:
    """Count songs of one artist and title among the findings."""
    seen: dict[tuple[str, str], str] = {}
    for song in songs:
        key = artist_key(song.artist), title_key(song.title)
        if not all(key):
            continue
        if key in seen:
            findings.count(
                "songs that stand twice (same artist and title)", f"{seen[key]}={song.id}"
            )
        seen.setdefault(key, song.id)
