"""Features of lyrics from norms of words (Warriner et al. 2013), and lexica learned from songs.

Warriner's norms are of English words and know no song. What is fitted (a learned lexicon, the mean
and spread of the features) takes `TrainingTexts` alone.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from offline.datasets.song import Lyrics
from offline.datasets.warriner import WARRINER, read_warriner
from offline.features.text import normalise, tokens_of, words_of
from offline.features.vocabulary import TrainingTexts

__all__ = ["FEATURES", "Lexicon", "Scaler", "learned_lexicon", "lyrics_features"]

_SUFFIXES = (
    ("'s", ("",)), ("s", ("",)), ("es", ("", "e")), ("ies", ("y",)), ("ied", ("y",)),
    ("ed", ("", "e")), ("ing", ("", "e")), ("in'", ("g", "", "e")), ("in", ("", "e")),
)  # fmt: skip
_AXES = ("valence", "arousal", "dominance")
_STATISTICS = ("mean", "sd", "low", "high", "last")
_FIRST = {"i", "me", "my", "mine", "i'm", "i'll", "i've", "i'd"}
_SECOND = {"you", "your", "yours", "you're", "you'll", "you've", "you'd", "u"}
_PLURAL = {"we", "us", "our", "ours", "we're", "we'll", "we've", "we'd"}
_NOT = {"no", "not", "never", "nothing", "nobody", "none", "nor", "without", "cannot", "ain't"}
_STYLE = (
    "log_words", "known", "distinct", "word_letters", "line_words", "repeated_lines",
    "exclamations", "questions", "first_person", "second_person", "plural", "negations",
)  # fmt: skip
FEATURES = (*(f"{axis}_{s}" for axis in _AXES for s in _STATISTICS), *_STYLE)
"""Names of `lyrics_features`, in their order."""


class Lexicon:
    """Valence, arousal and dominance of English words, on [-1, 1].

    Parameters
    ----------
    norms : mapping
        Word in lower case -> np.ndarray [shape=(3,)].
    """

    def __init__(self, norms: Mapping[str, np.ndarray]) -> None:
        self._norms = dict(norms)
        self._by_stem: dict[str, np.ndarray] | None = None

    @classmethod
    def read(cls, path: Path) -> "Lexicon":
        """Read Warriner's norms, from 1..9 to [-1, 1].

        Parameters
        ----------
        path : Path
            ``Ratings_Warriner_et_al.csv``, or the folder it lies in.

        Raises
        ------
        InputError
            The table is missing or damaged.
        """
        table = path / WARRINER if path.is_dir() else path
        return cls(read_warriner(table))

    def __len__(self) -> int:
        return len(self._norms)

    def of_word(self, word: str) -> np.ndarray | None:
        """Norm of a word or of the form that the norms list ('loving' -> 'love')."""
        return next((self._norms[f] for f in _forms(word) if f in self._norms), None)

    def of_stem(self, stem: str) -> np.ndarray | None:
        """Mean norm of the words with a stem (Porter2, as in musiXmatch's bags)."""
        if self._by_stem is None:
            from nltk.stem.snowball import EnglishStemmer

            stemmer = EnglishStemmer()
            found: dict[str, list[np.ndarray]] = defaultdict(list)
            for word, norm in self._norms.items():
                found[stemmer.stem(word)].append(norm)
            self._by_stem = {s: np.mean(own, axis=0) for s, own in found.items()}
        return self._by_stem.get(stem)


def _forms(word: str) -> Iterator[str]:
    """Yield a word and the forms it may be inflected from, the likeliest first."""
    yield word
    for suffix, endings in _SUFFIXES:
        stem = word.removesuffix(suffix)
        if stem != word and len(stem) > 1:
            yield from (stem + ending for ending in endings)
            if len(stem) > 3 and stem[-1] == stem[-2]:  # 'running'
                yield stem[:-1]


def lyrics_features(lyrics: Lyrics | None, lexicon: Lexicon) -> np.ndarray:
    """Norms of the words that are known, and the style of the text.

    Of each axis: mean, standard deviation, tenth and ninetieth percentile over the sung words, and
    the mean of the last quarter. A negation turns the valence of the next known word round.

    Returns
    -------
    np.ndarray [shape=(len(FEATURES),)], float32
        Zeros for a song without lyrics or, in the norms' columns, without a known word (``known``
        is the share of words with a norm; a text in another language has about none).
    """
    words = words_of(lyrics)
    if lyrics is None or not words:
        return np.zeros(len(FEATURES), np.float32)
    norm_of = lexicon.of_word if lyrics.text else lexicon.of_stem
    known, turned = [], False
    for word in words:
        if word in _NOT or word.endswith("n't"):
            turned = True
        elif (norm := norm_of(word)) is not None:
            known.append(norm * (-1, 1, 1) if turned else norm)
            turned = False
    out: list[float] = []
    if known:
        table = np.stack(known)
        last = table[-max(1, len(table) // 4) :]
        low, high = np.percentile(table, [10, 90], axis=0)
        for axis in range(3):
            column = table[:, axis]
            out += [column.mean(), column.std(), low[axis], high[axis], last[:, axis].mean()]
    else:
        out = [0.0] * (len(_AXES) * len(_STATISTICS))
    return np.array([*out, *_style(lyrics, words, len(known))], np.float32)


def _style(lyrics: Lyrics, words: Sequence[str], n_known: int) -> list[float]:
    n = len(words)
    lines = [line for line in normalise(lyrics.text).split("\n") if line]
    tokens = tokens_of(lyrics.text) if lyrics.text else []
    shares = [sum(w in group for w in words) / n for group in (_FIRST, _SECOND, _PLURAL)]
    negations = sum(w in _NOT or w.endswith("n't") for w in words) / n
    return [
        float(np.log(n)),
        n_known / n,
        len(set(words)) / n,
        sum(map(len, words)) / n,
        n / len(lines) if lines else 0.0,
        1 - len(set(lines)) / len(lines) if lines else 0.0,
        tokens.count("!") / n,
        tokens.count("?") / n,
        *shares,
        negations,
    ]


def learned_lexicon(
    texts: TrainingTexts,
    targets: Mapping[str, float],
    *,
    least_songs: int = 5,
    strength: float = 10.0,
) -> dict[str, float]:
    """Mean label of the training songs in which a word is sung, drawn towards the mean of all.

    Parameters
    ----------
    texts : TrainingTexts
    targets : mapping
        Global id -> label; songs without one are passed over, as are ids outside of training.
    least_songs : int
        A word of fewer songs is left out.
    strength : float
        As many songs of the mean label are added to each word.
    """
    labelled = [(uid, words) for uid, words in zip(texts.uids, texts.words, strict=True)
                if uid in targets]  # fmt: skip
    if not labelled:
        return {}
    mean = float(np.mean([targets[uid] for uid, _ in labelled]))
    found: dict[str, list[float]] = defaultdict(list)
    for uid, words in labelled:
        for word in set(words):
            found[word].append(targets[uid])
    return {
        word: (sum(own) + strength * mean) / (len(own) + strength)
        for word, own in sorted(found.items())
        if len(own) >= least_songs
    }


@dataclass(frozen=True)
class Scaler:
    """Mean and spread of features, of training songs alone.

    Attributes
    ----------
    mean, scale : np.ndarray [shape=(features,)]
    """

    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def fit(cls, texts: TrainingTexts, features: Mapping[str, np.ndarray]) -> "Scaler":
        """Fit on the songs of `texts`; features of any other song are not looked at."""
        table = np.stack([features[uid] for uid in texts.uids])
        spread = table.std(axis=0)
        return cls(table.mean(axis=0), np.where(spread > 1e-8, spread, 1.0))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Centre and reduce features [shape=(..., features)]."""
        return (x - self.mean) / self.scale
