"""Valence and arousal of songs from their mood tags: the construction of the Deezer mood set.

A song's label is the plain mean of Warriner's norms over its mood tags, centred and reduced. That
is what the released labels show: more than half of the 18,644 are, to 1e-4, the norms of one word
under the map `RELEASED`, and most others the mean of two or three; weights of tags play no part.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from offline.datasets.lastfm import Tags
from offline.datasets.song import Findings
from offline.datasets.tables import write_rows
from streammer.errors import InputError, UsageError

__all__ = ["RELEASED", "Moments", "TagLabel", "label_songs", "mood_words", "write_labels"]

_WORDS = Path(__file__).with_name("mood_tags.txt")


class Moments(NamedTuple):
    """Mean and standard deviation of valence and arousal, on [-1, 1]."""

    mean: tuple[float, float]
    sd: tuple[float, float]


RELEASED = Moments(
    ((5.64595654 - 5) / 4, (4.20139461 - 5) / 4), (1.83229908 / 4, 1.0847575 / 4)
)  # fmt: skip
"""Moments that the released labels were centred and reduced by, found from its songs of one tag.

They are not those of the 18,644 songs: the labels were reduced before the songs were matched.
"""


class TagLabel(NamedTuple):
    """Label of one song.

    Attributes
    ----------
    valence, arousal : float
        Centred and reduced.
    tags : tuple of str
        Mood tags that it is made of.
    """

    valence: float
    arousal: float
    tags: tuple[str, ...]


def mood_words(path: Path | None = None) -> frozenset[str]:
    """Read which tags are moods, one a line; by default those found in the released labels.

    Raises
    ------
    InputError
        The file cannot be read or names no word.
    """
    path = path or _WORDS
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); expected one word a line") from error
    words = {_plain(line.partition("#")[0]) for line in lines} - {""}
    if not words:
        raise InputError(f"{path}: names no mood; expected one word a line")
    return frozenset(words)


def _plain(tag: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", tag).casefold().split())


def label_songs(
    tags: Tags,
    norms: Mapping[str, np.ndarray],
    moods: Iterable[str] | None = None,
    *,
    scale: str = "released",
    least_weight: float = 0.0,
    findings: Findings | None = None,
) -> dict[str, TagLabel]:
    """Label every song that has a mood tag.

    Parameters
    ----------
    tags : Tags
    norms : mapping
        Word -> valence, arousal, dominance on [-1, 1] (`read_warriner`).
    moods : iterable of str, optional
        Tags that count. By default every word of the norms: 'rock' and 'metal' are words, too.
    scale : str
        ``released``: by the moments of the released labels; ``given``: by those of the songs that
        are labelled; ``none``: norms on [-1, 1] as they are.
    least_weight : float
        A tag of less weight, 0..100, is passed over.
    findings : Findings, optional
        Gets what is counted.

    Raises
    ------
    UsageError
        The scale is unknown, or ``given`` with songs that are all alike.
    InputError
        No song has a mood tag.
    """
    if scale not in ("released", "given", "none"):
        raise UsageError(f"scale {scale!r} is unknown; expected released, given or none")
    findings = findings if findings is not None else Findings()
    allowed = {_plain(m) for m in moods} & set(norms) if moods is not None else set(norms)
    raw: dict[str, tuple[np.ndarray, tuple[str, ...]]] = {}
    for song, own in tags.items():
        plain = [_plain(tag) for tag, weight in own if weight >= least_weight]
        kept = tuple(dict.fromkeys(tag for tag in plain if tag in allowed))
        if kept:
            raw[song] = np.mean([norms[tag][:2] for tag in kept], axis=0), kept
        else:
            findings.count("songs without a mood tag (no label)", song)
    if not raw:
        raise InputError(
            f"none of {len(tags):,} songs has a mood tag with a norm; check the words and the norms"
        )
    table = np.stack([pair for pair, _ in raw.values()])
    moments = {
        "released": RELEASED,
        "given": Moments(tuple(table.mean(axis=0)), tuple(table.std(axis=0))),
        "none": Moments((0.0, 0.0), (1.0, 1.0)),
    }[scale]
    if min(moments.sd) < 1e-9:
        raise UsageError("all songs have the same label: there is no spread to reduce by")
    reduced = (table - moments.mean) / moments.sd
    return {
        song: TagLabel(float(v), float(a), kept)
        for (song, (_, kept)), (v, a) in zip(raw.items(), reduced, strict=True)
    }


def write_labels(path: Path, labels: Mapping[str, TagLabel]) -> list[str]:
    """Write labels as a table, whole or not at all, and describe them in lines.

    Columns: track_id, valence, arousal, tags (joined by '; ').
    """
    rows = [
        [k, f"{x.valence:.9f}", f"{x.arousal:.9f}", "; ".join(x.tags)] for k, x in labels.items()
    ]
    write_rows(path, ["track_id", "valence", "arousal", "tags"], rows)
    table = np.array([(x.valence, x.arousal) for x in labels.values()])
    one = sum(len(x.tags) == 1 for x in labels.values())
    counts = Counter(tag for x in labels.values() for tag in x.tags)
    (v, a), (sv, sa) = table.mean(axis=0), table.std(axis=0)
    return [
        f"{path}: {len(labels):,} songs, {one:,} of them by one tag, "
        f"{len({tuple(row) for row in table.round(9).tolist()}):,} distinct labels",
        f"valence {v:+.3f} (sd {sv:.3f}), arousal {a:+.3f} (sd {sa:.3f})",
        "tags: " + ", ".join(f"{tag} {n:,}" for tag, n in counts.most_common(12)),
    ]
