"""Words of a lyric: Unicode-normalised, tokenised by NLTK, the language noted.

NLTK's `TweetTokenizer` is what the bi-modal repository of 2019 tokenises with; it keeps
contractions ("don't") and needs no download. Scripts without spaces (Han, Kana, Thai, …) are one
token a character. Nothing here is fitted: vocabularies are in `vocabulary`, lexica in `lexicon`.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from offline.datasets.lyrics import MAX_WORDS
from offline.datasets.song import Dataset, Lyrics

__all__ = ["language_lines", "language_of", "normalise", "segments_of", "tokens_of", "words_of"]

_SECTION = re.compile(r"\[[^\[\]\n]{0,80}\]")  # '[Verse 1: Artist]' is no part of the words
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "`": "'", "“": '"', "”": '"'})
_CONTROL = re.compile(r"[\u0000-\u0008\u000b-\u001f\u007f-\u009f]")
_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u2060\ufeff]")
_NO_SPACES = re.compile(
    "([\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uff66-\uff9d]"
    "[\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\u3099\u309a]*)"
)
_MAX_LETTERS = 60
"""A longer token is no word; NLTK's patterns take long over it."""
_LANGUAGE_LETTERS = 40
"""A text of fewer letters says too little of its language."""


def normalise(text: str) -> str:
    """NFKC, lower case, plain quotes; section marks and control characters dropped.

    Examples
    --------
    >>> normalise("[Verse 1] CAFE, I don`t")
    "cafe, i don't"
    """
    text = unicodedata.normalize("NFKC", _SECTION.sub(" ", text)).translate(_APOSTROPHES)
    text = _CONTROL.sub(" ", _INVISIBLE.sub("", text)).casefold()
    return "\n".join(" ".join(line.split()) for line in text.split("\n"))


def tokens_of(text: str) -> list[str]:
    """Tokens of a text, punctuation included, at most `MAX_WORDS` of them.

    Examples
    --------
    >>> tokens_of("Don’t go, 你好")
    ["don't", 'go', ',', '你', '好']
    """
    plain = _NO_SPACES.sub(r" \1 ", normalise(text))
    words = [word[:_MAX_LETTERS] for word in plain.split()[:MAX_WORDS]]
    return _tokeniser().tokenize(" ".join(words))[:MAX_WORDS]


def words_of(lyrics: Lyrics | None) -> list[str]:
    """Tokens of a song that hold a letter or digit; of a bag alone, its stems by number and name.

    None, a bag without stems and a text of punctuation give ``[]``.
    """
    if lyrics is None:
        return []
    if lyrics.text:
        return [t for t in tokens_of(lyrics.text) if any(c.isalnum() for c in t)]
    ranked = sorted(lyrics.bag.items(), key=lambda pair: (-pair[1], pair[0]))
    return [stem for stem, count in ranked for _ in range(count)][:MAX_WORDS]


@lru_cache(maxsize=1)
def _tokeniser() -> Any:
    from nltk.tokenize.casual import TweetTokenizer

    return TweetTokenizer(preserve_case=True, match_phone_numbers=False)


def language_of(lyrics: Lyrics) -> str:
    """ISO 639-1 code: what the collection says, else py3langid's guess, '' for a short text."""
    if lyrics.language:
        return lyrics.language
    text = normalise(lyrics.text)
    letters = sum(c.isalpha() for c in text)
    if letters < _LANGUAGE_LETTERS and not _NO_SPACES.search(text):
        return ""
    import py3langid

    return str(py3langid.classify(text[:5000])[0])


def language_lines(dataset: Dataset) -> list[str]:
    """Say how many lyrics are in which language; nothing for a set without texts."""
    texts = [x for song in dataset if (x := dataset.lyrics(song.id)) is not None and x.text]
    counts = Counter(language_of(x) or "too short to tell" for x in texts)
    listed = ", ".join(f"{name} {n:,}" for name, n in counts.most_common())
    return [f"lyrics by language: {listed}"] if counts else []


def segments_of(tokens: Sequence[str], n: int = 7, length: int = 50) -> list[list[str]]:
    """Cut a song in `n` segments of `length` tokens, spread evenly from its first to its last.

    Delbouys et al. cut seven of fifty. They overlap in a song of fewer than `n * length` tokens;
    one of at most `length` is its only segment, and an empty one has none.

    Examples
    --------
    >>> [(s[0], s[-1]) for s in segments_of([str(k) for k in range(90)], 3, 50)]
    [('0', '49'), ('20', '69'), ('40', '89')]
    """
    tokens = list(tokens)
    if len(tokens) <= length:
        return [tokens] if tokens else []
    last = len(tokens) - length
    starts = dict.fromkeys(round(k * last / max(n - 1, 1)) for k in range(n))
    return [tokens[at : at + length] for at in starts]
