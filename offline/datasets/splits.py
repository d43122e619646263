"""Who trains, who validates, who is tested: by song, by artist, as published.

Folds are those of `offline.datasets.folds`. `Split` refuses a song, a recording or an artist on two
sides, each artist of 'A feat. B' included.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from offline.datasets.artists import artist_key, artists_of, title_key
from offline.datasets.folds import N_FOLDS, SEED, artist_folds, is_test58, song_folds
from offline.datasets.nested import Folds
from offline.datasets.song import Song
from offline.files import write_text
from streammer.errors import UsageError

__all__ = ["Split", "known_split", "make_split"]


@dataclass(frozen=True)
class Split:
    """Songs that train, validate and are tested, by global id.

    Parameters
    ----------
    name : str
    train, validation, test : tuple of str
    artist_disjoint : bool
        Whether the split promises artists on one side only; checked by `check`.
    """

    name: str
    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    artist_disjoint: bool = True
    notes: tuple[str, ...] = field(default=())

    def check(self, songs: Iterable[Song]) -> "Split":
        """Refuse a song, a recording or (when promised) an artist on two sides.

        Raises
        ------
        UsageError
            Names the song or artist and the two sides.
        """
        sides = {"train": self.train, "validation": self.validation, "test": self.test}
        by_uid = {s.uid: s for s in songs}
        seen: dict[tuple[str, str], str] = {}

        def claim(kind: str, key: str, side: str) -> None:
            other = seen.setdefault((kind, key), side)
            if other != side:
                raise UsageError(
                    f"split {self.name}: {kind} {key!r} stands in {other} and in {side}; "
                    "every song and artist belongs to one side"
                )

        for side, uids in sides.items():
            for uid in uids:
                song = by_uid.get(uid)
                if song is None:
                    raise UsageError(f"split {self.name}: {uid} in {side} is not in the index")
                claim("song", uid, side)
                for twin in song.same_as:
                    claim("song", twin, side)
                artist = artist_key(song.artist)
                if artist and title_key(song.title) and self.artist_disjoint:
                    claim("recording", f"{artist} / {title_key(song.title)}", side)
                if self.artist_disjoint:
                    for name in sorted(artists_of(song.artist, song.title)):
                        claim("artist", name, side)
        return self

    def write(self, path: Path) -> None:
        """Write the split down as JSON (ids only), beside and renamed."""
        body = {
            "name": self.name,
            "artist_disjoint": self.artist_disjoint,
            "notes": list(self.notes),
            "train": list(self.train),
            "validation": list(self.validation),
            "test": list(self.test),
        }
        write_text(path, json.dumps(body, indent=1) + "\n")

    @classmethod
    def read(cls, path: Path) -> "Split":
        """Read what `write` wrote."""
        body = json.loads(path.read_text(encoding="utf-8"))
        sides = {k: tuple(body[k]) for k in ("train", "validation", "test")}
        return cls(
            body["name"],
            artist_disjoint=body["artist_disjoint"],
            notes=tuple(body["notes"]),
            **sides,
        )


def make_split(
    songs: Sequence[Song],
    fold: int,
    *,
    n_folds: int = N_FOLDS,
    by: str = "artist",
    seed: int = SEED,
    inner: int | None = None,
) -> Split:
    """Cross-validation split: `fold` is tested, the next one validates, the others train.

    The 58 full songs stand apart: they are in no side of a fold, and songs of their artists
    train nothing that is later tested on them (`known_split('test58')` drops those).

    Parameters
    ----------
    by : {'artist', 'song'}
    inner : int, optional
        For selection: this fold is tested in place of `fold`, which is in no side; the next of the
        others validates.

    Raises
    ------
    UsageError
        There is no such fold, or `inner` is the outer one.
    """
    if not 0 <= fold < n_folds:
        raise UsageError(f"fold {fold} is out of range; expected 0 .. {n_folds - 1}")
    if by not in ("artist", "song"):
        raise UsageError(f"split by {by!r}; expected 'artist' or 'song'")
    every = list(range(n_folds))
    if inner is not None:
        Folds(fold, n_folds).inner(inner)  # refuses the outer fold
        every.remove(fold)
    tested = fold if inner is None else inner
    validates = every[(every.index(tested) + 1) % len(every)]
    inside = [s for s in songs if not is_test58(s)]
    folds = (artist_folds if by == "artist" else song_folds)(songs, n_folds, seed)
    sides: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    for song in inside:
        at = folds[song.uid]
        if at in every:
            side = "test" if at == tested else "validation" if at == validates else "train"
            sides[side].append(song.uid)
    name = f"{by}-disjoint {n_folds}-fold, fold {fold}"
    if inner is not None:
        name += f" put away, inner fold {inner}"
    parts = {k: tuple(v) for k, v in sides.items()}
    return Split(name, artist_disjoint=by == "artist", **parts).check(songs)


def known_split(songs: Sequence[Song], name: str, *, seed: int = SEED) -> Split:
    """Return one of the published divisions; validation is taken from development by artist.

    Parameters
    ----------
    name : str
        ``test58``: all songs <= 2000 against the 58 full songs of 2015, without the artists of
        the latter in training. ``mediaeval2013``: emoMusic's 619 against 125 (52 artists on both
        sides, as published). ``mediaeval2014``: 744 against 1000. ``seed001``: first 80 % of the
        rows against the last 20 %. ``seed002``: a random 30 % of the songs. ``deezer``: train,
        validation and test of the Deezer mood set as released, which is nearly artist-disjoint.
    """
    songs = list(songs)
    folds = artist_folds(songs, N_FOLDS, seed)
    notes: tuple[str, ...] = ()
    disjoint = False
    if name == "deezer":
        return _released(songs, name)
    if name == "test58":
        test = [s for s in songs if is_test58(s)]
        theirs = {name for s in test for name in artists_of(s.artist, s.title)}
        dev = [
            s
            for s in songs
            if not is_test58(s) and theirs.isdisjoint(artists_of(s.artist, s.title))
        ]
        dropped = sum(not is_test58(s) for s in songs) - len(dev)
        notes, disjoint = (f"{dropped} songs of test artists left out of training",), True
    elif name in ("mediaeval2013", "mediaeval2014", "mediaeval2015"):
        dev = [s for s in songs if s.official.get(name) == "development"]
        test = [s for s in songs if s.official.get(name) == "evaluation"]
        notes = ("artists stand on both sides, as published",)
    elif name == "seed001":
        ordered = sorted(songs, key=lambda s: int(s.id))
        cut = int(len(ordered) * 0.8)
        dev, test = ordered[:cut], ordered[cut:]
        notes = ("row order: years differ between the sides",)
    elif name == "seed002":
        at = song_folds(songs, 10, seed)
        dev = [s for s in songs if at[s.uid] >= 3]
        test = [s for s in songs if at[s.uid] < 3]
        notes = ("a random 30 % of the songs, artists on both sides",)
    else:
        raise UsageError(
            f"split {name!r} is unknown; expected test58, mediaeval2013, mediaeval2014, "
            "mediaeval2015, seed001, seed002 or deezer"
        )
    if not dev or not test:
        raise UsageError(f"split {name}: the data set has no songs for one of its sides")
    validation = [s for s in dev if folds[s.uid] == N_FOLDS - 1]
    train = [s for s in dev if folds[s.uid] != N_FOLDS - 1]
    return Split(
        name,
        tuple(s.uid for s in train),
        tuple(s.uid for s in validation),
        tuple(s.uid for s in test),
        disjoint,
        notes,
    ).check(songs)


def _released(songs: Sequence[Song], name: str) -> Split:
    """Return a division whose three sides were all published, untouched."""
    sides = {
        side: tuple(s.uid for s in songs if s.official.get(name) == side)
        for side in ("train", "validation", "test")
    }
    if not all(sides.values()):
        raise UsageError(f"split {name}: the data set has no songs for one of its sides")
    notes = ("as released: a few artists stand on both sides",)
    return Split(name, artist_disjoint=False, notes=notes, **sides).check(songs)
