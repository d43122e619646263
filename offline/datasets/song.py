"""What every data set is made of: songs, audio, lyrics, curves of labels, findings."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

__all__ = [
    "Clip", "Curve", "Dataset", "Findings", "Lyrics", "Scale", "Segments", "Song", "no_curve",
    "nothing",
]  # fmt: skip


@dataclass(frozen=True)
class Scale:
    """A linear label scale, with [-1, 1] as the common one.

    Parameters
    ----------
    low, high : float
        Ends of the raw scale, e.g. 1 and 9 for DEAM's static labels.
    """

    low: float
    high: float

    def to_unit(self, raw: float) -> float:
        """Raw value -> [-1, 1]; NaN stays NaN."""
        return (raw - (self.low + self.high) / 2) / ((self.high - self.low) / 2)

    def from_unit(self, value: float) -> float:
        """[-1, 1] -> raw value."""
        return value * (self.high - self.low) / 2 + (self.low + self.high) / 2


@dataclass(frozen=True)
class Clip:
    """A file of audio and where it lies on the song's label clock.

    Parameters
    ----------
    path : Path
    offset_s : float
        Song time of the file's first sample [s].
    """

    path: Path
    offset_s: float = 0.0


@dataclass(frozen=True)
class Curve:
    """Dynamic labels of one song.

    Parameters
    ----------
    t_s : np.ndarray [shape=(n,)], float64
        Song time of each label [s], ascending.
    valence, arousal : np.ndarray [shape=(n,)], float32
        In [-1, 1], no NaN.
    """

    t_s: np.ndarray
    valence: np.ndarray
    arousal: np.ndarray

    def __len__(self) -> int:
        return len(self.t_s)

    def at(self, t_s: np.ndarray) -> np.ndarray:
        """Labels at given times; NaN where there is none within half a millisecond.

        Returns
        -------
        np.ndarray [shape=(len(t_s), 2)], float32
            Valence, arousal.
        """
        out = np.full((len(t_s), 2), np.nan, np.float32)
        if not len(self):
            return out
        at = np.clip(np.searchsorted(self.t_s, t_s - 5e-4), 0, len(self) - 1)
        hit = np.abs(self.t_s[at] - t_s) < 5e-4
        out[hit, 0] = self.valence[at[hit]]
        out[hit, 1] = self.arousal[at[hit]]
        return out

    def mean(self) -> tuple[float, float]:
        """Mean valence and arousal of the song; NaN when there are no labels."""
        if not len(self):
            return float("nan"), float("nan")
        return float(self.valence.mean()), float(self.arousal.mean())


@dataclass(frozen=True)
class Lyrics:
    """Words of one song.

    Attributes
    ----------
    text : str
        As written, lines kept; empty when only the bag is known.
    bag : dict
        Stemmed word -> how often it is sung (musiXmatch); empty when only the text is known.
    language : str
        ISO 639-1 code that the collection gives; empty when it gives none.
    """

    text: str = ""
    bag: dict[str, int] = field(default_factory=dict)
    language: str = ""


@dataclass(frozen=True)
class Segments:
    """Echo Nest's analysis of one song: features of sound without its sound.

    Attributes
    ----------
    start_s : np.ndarray [shape=(n,)], float64
        Start of each segment [s], ascending.
    timbre, pitches : np.ndarray [shape=(n, 12)], float32
    loudness_max_db : np.ndarray [shape=(n,)], float32
    duration_s, loudness_db, tempo_bpm : float
        Of the whole song.
    """

    start_s: np.ndarray
    timbre: np.ndarray
    pitches: np.ndarray
    loudness_max_db: np.ndarray
    duration_s: float
    loudness_db: float
    tempo_bpm: float

    def __len__(self) -> int:
        return len(self.start_s)

    def table(self) -> np.ndarray:
        """One row a segment: timbre, pitches, greatest loudness [dB], length [s].

        Returns
        -------
        np.ndarray [shape=(n, 26)], float32
        """
        lengths = np.diff(self.start_s, append=max(self.duration_s, *self.start_s[-1:], 0.0))
        columns = (self.timbre, self.pitches, self.loudness_max_db[:, None], lengths[:, None])
        return np.concatenate(columns, axis=1).astype(np.float32)


@dataclass(frozen=True)
class Song:
    """One row of an index.

    Attributes
    ----------
    id : str
        As the collection writes it, e.g. ``'2'`` or ``'MT0000004637'``.
    dataset : str
    clips : tuple of Clip
        Audio, the best piece first; empty when there is none.
    artist, title, genre : str
        Empty when unknown.
    group : str
        Official group: ``'2013'``, ``'2014'``, ``'2015'`` for DEAM.
    official : dict
        Official splits by name, e.g. ``{'mediaeval2013': 'evaluation'}``.
    valence, arousal : float
        Static labels on [-1, 1]; NaN when there are none.
    raw : dict
        Static labels (means and spreads) as in the file, after mending exchanged columns.
    quadrant : str
        ``'Q1'`` .. ``'Q4'``, or empty.
    same_as : tuple of str
        Global ids (``dataset:id``) of the same recording in other sets.
    category : str
        The collection's own finer class, e.g. one of MIREX's 28 mood words.
    parts : frozenset of str
        What there is besides audio: ``'lyrics'``, ``'bag'``, ``'segments'``.
    """

    id: str
    dataset: str
    clips: tuple[Clip, ...] = ()
    artist: str = ""
    title: str = ""
    genre: str = ""
    group: str = ""
    official: dict[str, str] = field(default_factory=dict)
    valence: float = float("nan")
    arousal: float = float("nan")
    raw: dict[str, float] = field(default_factory=dict)
    quadrant: str = ""
    same_as: tuple[str, ...] = ()
    category: str = ""
    parts: frozenset[str] = frozenset()

    @property
    def modalities(self) -> frozenset[str]:
        """What can be computed from: its parts, and ``'audio'`` when there is a clip."""
        return self.parts | {"audio"} if self.clips else self.parts

    @property
    def uid(self) -> str:
        """Global id: ``dataset:id``."""
        return f"{self.dataset}:{self.id}"

    @property
    def has_static(self) -> bool:
        """Whether both static labels are there."""
        return not (np.isnan(self.valence) or np.isnan(self.arousal))


@dataclass
class Findings:
    """What a loader noticed: reported once, counted, never dropped silently."""

    notes: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def note(self, text: str) -> None:
        """Keep one line for the log."""
        self.notes.append(text)

    def count(self, what: str, example: object = None) -> None:
        """Count one more of `what`, keeping the first few examples."""
        self.counts[what] = self.counts.get(what, 0) + 1
        kept = self.examples.setdefault(what, [])
        if example is not None and len(kept) < 12:
            kept.append(str(example))

    def lines(self) -> list[str]:
        """All notes, then every count with its first examples."""
        out = list(self.notes)
        for what, n in self.counts.items():
            some = self.examples.get(what, [])
            tail = f" ({', '.join(some)}{', …' if n > len(some) else ''})" if some else ""
            out.append(f"{what}: {n}{tail}")
        return out


def nothing(song_id: str) -> None:
    """Return nothing, for sets without lyrics or segments."""
    return None


def no_curve(song_id: str) -> None:
    """Return no labels over time, for sets that have none."""
    return None


@dataclass
class Dataset:
    """An index of songs with a loader of labels over time.

    Parameters
    ----------
    name, layout : str
    root : Path
    songs : list of Song
    curve_of : callable
        Song id -> `Curve`, or None when the song has no dynamic labels.
    static_scale, dynamic_scale : Scale or None
        Raw scales of the files; None when the set has no such labels.
    findings : Findings
    deviation_of : callable
        Song id -> `Curve` of standard deviations over raters, or None where they are not known.
    lyrics_of, segments_of : callable
        Song id -> `Lyrics` or `Segments`, None where the song has none.
    """

    name: str
    layout: str
    root: Path
    songs: list[Song]
    curve_of: Callable[[str], Curve | None]
    static_scale: Scale | None = None
    dynamic_scale: Scale | None = None
    findings: Findings = field(default_factory=Findings)
    deviation_of: Callable[[str], Curve | None] = no_curve
    lyrics_of: Callable[[str], Lyrics | None] = nothing
    segments_of: Callable[[str], Segments | None] = nothing

    def __post_init__(self) -> None:
        self._by_id = {song.id: song for song in self.songs}

    def __len__(self) -> int:
        return len(self.songs)

    def __iter__(self) -> Iterator[Song]:
        return iter(self.songs)

    def __getitem__(self, song_id: str | int) -> Song:
        return self._by_id[str(song_id)]

    def __contains__(self, song_id: object) -> bool:
        return str(song_id) in self._by_id

    def labels(self, song_id: str | int) -> Curve | None:
        """Labels of a song over time, None when the set has none for it."""
        return self.curve_of(str(song_id))

    def deviations(self, song_id: str | int) -> Curve | None:
        """Deviations over raters of a song's labels, None where they are not known."""
        return self.deviation_of(str(song_id))

    def lyrics(self, song_id: str | int) -> Lyrics | None:
        """Words of a song, None when the set has none for it."""
        return self.lyrics_of(str(song_id))

    def segments(self, song_id: str | int) -> Segments | None:
        """Echo Nest's analysis of a song, None when there is none.

        Raises
        ------
        InputError
            The file cannot be read or lacks a field.
        """
        return self.segments_of(str(song_id))
