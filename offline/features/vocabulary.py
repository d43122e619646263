"""What is fitted on texts, and the one door to texts that may be fitted on: training songs.

`TrainingTexts` reads the training side of a split and no other. Vocabularies, inverse document
frequencies, learned lexica and the sentences for word embeddings take nothing else, so that a word
of a validation or test song cannot enter.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from offline.datasets.song import Dataset
from offline.datasets.splits import Split
from offline.features.text import segments_of, words_of
from offline.files import json_hash, write_json
from streammer.errors import InputError, UsageError

__all__ = ["PAD", "UNKNOWN", "TrainingTexts", "Vocabulary"]

PAD, UNKNOWN = 0, 1
"""Numbers of what fills a short text, and of every word outside the vocabulary."""


@dataclass(frozen=True)
class TrainingTexts:
    """Words of the training songs that have any.

    Attributes
    ----------
    uids : tuple of str
        Global ids, in the order of the split.
    words : tuple of tuple of str
    n_without : int
        Training songs without a usable text.
    """

    uids: tuple[str, ...]
    words: tuple[tuple[str, ...], ...]
    n_without: int

    @classmethod
    def of(cls, datasets: Dataset | Sequence[Dataset], split: Split) -> "TrainingTexts":
        """Read the training side of a split.

        Raises
        ------
        UsageError
            No training song has lyrics.
        """
        sets = [datasets] if isinstance(datasets, Dataset) else list(datasets)
        by_uid = {song.uid: (data, song) for data in sets for song in data}
        uids, words = [], []
        for uid in split.train:
            if uid not in by_uid:
                continue
            data, song = by_uid[uid]
            if own := words_of(data.lyrics(song.id)):
                uids.append(uid)
                words.append(tuple(own))
        if not uids:
            raise UsageError(
                f"split {split.name}: none of {len(split.train):,} training songs has lyrics; "
                "expected a folder or table of lyrics (`data check` says what is at hand)"
            )
        return cls(tuple(uids), tuple(words), len(split.train) - len(uids))

    def __len__(self) -> int:
        return len(self.uids)

    def sentences(self, length: int = 50) -> Iterator[list[str]]:
        """Yield what word embeddings are trained on: every song in pieces of `length` words."""
        for words in self.words:
            yield from (list(words[at : at + length]) for at in range(0, len(words), length))


@dataclass(frozen=True)
class Vocabulary:
    """Numbered words of training songs.

    Attributes
    ----------
    words : tuple of str
        Word k has number k + 2: 0 is `PAD` and 1 `UNKNOWN`. By falling song count, then by name.
    n_songs : int
        Training songs it was fitted on.
    songs_with : tuple of int
        In how many of them each word is sung.
    """

    words: tuple[str, ...]
    n_songs: int
    songs_with: tuple[int, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "_number", {w: k + 2 for k, w in enumerate(self.words)})

    @classmethod
    def fit(
        cls, texts: TrainingTexts, *, least_songs: int = 2, most_words: int = 20_000
    ) -> "Vocabulary":
        """Take the words of at least `least_songs` training songs, the most frequent first."""
        counts = Counter(word for words in texts.words for word in set(words))
        ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
        kept = [(word, n) for word, n in ranked if n >= least_songs][:most_words]
        words, songs = tuple(w for w, _ in kept), tuple(n for _, n in kept)
        return cls(words, len(texts), songs)

    def __len__(self) -> int:
        return len(self.words) + 2

    def __contains__(self, word: object) -> bool:
        return word in self._numbers()

    @property
    def hash(self) -> str:
        """Hash of the words in their order."""
        return json_hash(self.words)

    def encode(self, words: Iterable[str], length: int | None = None) -> np.ndarray:
        """Numbers of words, cut or filled with `PAD` to `length`.

        Returns
        -------
        np.ndarray [shape=(n,)], int64
        """
        number = self._numbers()
        found = [number.get(word, UNKNOWN) for word in words]
        if length is not None:
            found = (found + [PAD] * length)[:length]
        return np.array(found, np.int64)

    def encode_segments(self, words: Sequence[str], n: int = 7, length: int = 50) -> np.ndarray:
        """Numbers of the segments of a song (`segments_of`), filled with `PAD`.

        Returns
        -------
        np.ndarray [shape=(at most n, length)], int64
            One row of `PAD` for a song without words: mask it.
        """
        rows = [self.encode(s, length) for s in segments_of(words, n, length)]
        return np.stack(rows) if rows else np.full((1, length), PAD, np.int64)

    def tf_idf(self, words: Iterable[str]) -> np.ndarray:
        """Weights of a song's words: (1 + log count) * log((1 + n) / (1 + songs)), length 1.

        Returns
        -------
        np.ndarray [shape=(len(vocabulary),)], float32
            All zero for a song of which no word is known.
        """
        number = self._numbers()
        out = np.zeros(len(self), np.float32)
        for word, count in Counter(w for w in words if w in number).items():
            at = number[word]
            idf = math.log((1 + self.n_songs) / (1 + self.songs_with[at - 2])) + 1
            out[at] = (1 + math.log(count)) * idf
        norm = float(np.linalg.norm(out))
        return out / norm if norm else out

    def unknown_share(self, words: Sequence[str]) -> float:
        """Share of a song's words outside the vocabulary; NaN without words."""
        number = self._numbers()
        return sum(w not in number for w in words) / len(words) if words else float("nan")

    def write(self, path: Path) -> None:
        """Write the vocabulary down as JSON, whole or not at all."""
        body = {"n_songs": self.n_songs, "words": self.words, "songs_with": self.songs_with}
        write_json(path, body)

    @classmethod
    def read(cls, path: Path) -> "Vocabulary":
        """Read what `write` wrote.

        Raises
        ------
        InputError
            The file cannot be read or is no vocabulary.
        """
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
            words, songs = tuple(body["words"]), tuple(body["songs_with"])
            if len(words) != len(songs):
                raise ValueError("words and counts differ in number")
            return cls(words, int(body["n_songs"]), songs)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}: no vocabulary ({error}); expected what a run wrote; train anew"
            ) from error

    def _numbers(self) -> dict[str, int]:
        return self._number  # type: ignore[attr-defined,no-any-return]
