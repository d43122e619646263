"""Artists under one name, whatever a collection writes.

`artist_key` names a credit as a whole; `artists_of` names everybody in it: 'A feat. B', 'A & B',
'A, B', 'A/B', 'A vs. B', "A and the B's", 'Last, First', and DEAM's 'Artist-Title'. A name that is
read out of a credit by mistake (the title's half of 'Artist-Title') does no harm unless another
song has just that name, and then it only puts two songs on one side.
"""

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import pairwise

from offline.datasets.song import Findings, Song

__all__ = ["artist_key", "artists_of", "count_twice", "title_key"]

_GUEST = re.compile(
    r"(?:\b(?:feat|ft)\.?(?=\s)|\bfeaturing\b|\bvs\b\.?|\bversus\b|\bwith\b|\bw/(?=\s))",
)
_TITLE_GUEST = re.compile(r"\b(?:feat|ft|featuring)\b\.?(?=\s)")  # 'with love' is no guest
_BETWEEN = re.compile(r"\s*(?:&|\+|/|;|\band\b|\bund\b|\bet\b(?= les?\b)|\bx\b| - )\s*")
_BRACKETS = re.compile(r"[\(\[].*?[\)\]]")
_PARENTHESIS = re.compile(r"\(([^()]*)\)")
_NICKNAME = re.compile(r"\"[^\"]*\"?")
_DROPPED = {"the", "and", "a", "an"}
_UNKNOWN = {"", "na", "nan", "unknown", "unknown artist", "various", "various artists", "none"}
_WHOSE = {"his", "her", "their", "jr", "sr", "dj", "mc", "mr", "mrs"}
_ENSEMBLE = {
    "band", "boyfriends", "choir", "ensemble", "experience", "four", "friends", "group",
    "orchestra", "quartet", "quintet", "sextet", "sextets", "trio",
}  # fmt: skip
_LETTERS = str.maketrans(
    {"ø": "o", "æ": "ae", "œ": "oe", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "’": "'"}
)


def _plain(text: str) -> str:
    """Lower case without accents; letters of other scripts stay."""
    text = unicodedata.normalize("NFKD", html.unescape(text)).casefold().translate(_LETTERS)
    return "".join(c for c in text if not unicodedata.combining(c)).strip()


def _words(plain: str) -> list[str]:
    """Words of a plain name: initials joined ('B. B.' is 'bb'), apostrophes dropped."""
    words: list[str] = []
    initial = False
    for word in re.findall(r"[^\W_]+", re.sub(r"['`.](?=\w)|['`.]", _dot, plain)):
        if initial and len(word) == 1:
            words[-1] += word
        else:
            words.append(word)
        initial = len(word) == 1
    return words


def _dot(mark: re.Match[str]) -> str:
    return " " if mark[0] == "." else ""


def _key(words: Iterable[str]) -> str:
    words = list(words)
    return " ".join(sorted([word for word in words if word not in _DROPPED] or words))


def _is_unknown(plain: str) -> bool:
    bare = re.sub(r"[^\w ]|_", "", plain).strip()
    return bare in _UNKNOWN and (bool(bare) or not re.search(r"\S", plain))


def artist_key(name: str) -> str:
    """Key under which one credit is found however it is written.

    Case, accents, punctuation, articles, guests and the order of the words do not count, so
    that ``'Blakey, Art & the Jazz Messengers'`` and ``'Art Blakey and The Jazz Messengers'``
    are one. Unknown artists give ``''``.

    Examples
    --------
    >>> artist_key('Brown, Ruth') == artist_key('Ruth  BROWN feat. Somebody')
    True
    >>> artist_key('n/a')
    ''
    """
    plain = _plain(name)
    if _is_unknown(plain):
        return ""
    lead = _GUEST.split(_BRACKETS.sub(" ", plain))[0].replace("&", " and ")
    return _key(_words(lead)) or _key(_words(plain)) or "".join(plain.split())


def artists_of(name: str, title: str = "") -> frozenset[str]:
    """Keys of all artists of a credit, the credit as a whole among them; none when unknown.

    Parameters
    ----------
    name : str
        As a collection writes it.
    title : str
        Guests that a title names ('… feat. B') count too.

    Examples
    --------
    >>> sorted(artists_of('Nelson, Willie/Jennings, Waylon'))
    ['jennings nelson waylon willie', 'jennings waylon', 'nelson willie']
    >>> 'kevin macleod' in artists_of('Kevin MacLeod-Night on the Docks')
    True
    """
    whole = artist_key(name)
    if not whole:
        return frozenset()
    found = {whole}
    plain = _plain(name)
    texts = [plain, *(m for m in _PARENTHESIS.findall(plain) if _BETWEEN.search(m))]
    # 'Artist-Title' has no blank at its hyphen, and neither has 'Glover-Kind': each hyphen may be
    # the one.
    texts += [plain[: m.start()] for m in re.finditer(r"(?<=\S)-(?=\S)", plain)]
    guests = _TITLE_GUEST.split(_plain(title))[1:]
    for text in texts:
        for credit in _GUEST.split(_BRACKETS.sub(" ", text)):
            found |= _named(credit)
    for guest in guests:
        found |= _named(_BRACKETS.sub(" ", guest).strip(" )]"))
    return frozenset(found)


def _named(credit: str) -> set[str]:
    """Keys of everybody in a credit without guests and brackets."""
    parts = [part for part in _BETWEEN.split(credit) if part]
    found = set(_variants(credit))
    for part in parts:
        found |= set(_variants(part))
        sides = [_words(side) for side in part.split(",")]
        if len(sides) > 1 and all(len(side) > 1 for side in sides):  # not 'Last, First'
            found |= {_key(side) for side in sides}
    for first, second in pairwise(parts):  # 'Cath and Phil Tyler'
        one, two = _words(first), _words(second)
        if len(one) == 1 and len(two) == 2 and "," not in second:
            found |= {_key([one[0], two[1]])}
    return {key for key in found if _is_name(key)}


def _variants(part: str) -> Iterator[str]:
    """Yield the keys of one name: as written, without a nickname, without the ensemble's word."""
    for text in {part, _NICKNAME.sub(" ", part)}:
        words = [w for w in _words(text) if w not in _WHOSE] or _words(text)
        yield _key(words)
        alone = [w for w in words if w not in _ENSEMBLE and w not in _DROPPED]
        if len(alone) > 1:
            yield _key(alone)


def _is_name(key: str) -> bool:
    """Whether a part of a credit says who: no lone initials, numbers, 'orchestra', 'friends'."""
    words = set(key.split()) - _DROPPED - _WHOSE - _ENSEMBLE
    letters = "".join(w for w in words if not w.isdigit())
    if not letters.isascii():  # one sign may be a whole name
        return True
    return len(letters) > 2 and key not in _UNKNOWN


def title_key(title: str) -> str:
    """Key of a title: case, accents, punctuation and bracketed parts do not count."""
    plain = _plain(title).replace("&", " and ")
    return " ".join(_words(_BRACKETS.sub(" ", plain)))


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
