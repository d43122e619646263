"""Audio and lyrics with quadrants: the Bi-modal set, and BECMER's sets, modes and folds.

The Bi-modal set (Malheiro et al. 2016) is distributed as spreadsheets with links to its lyrics:
save ``MER-Bimodal-Dataset.xls`` as csv (lines before its header are passed over), put the audio as
``chorus/<song code>.mp3`` and the lyrics as ``lyrics/<lyrics code>.txt`` beside it. BECMER's own
``Bi_meta.csv`` is read alike.
"""

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from offline.datasets.artists import artist_key, count_twice
from offline.datasets.audio import find_audio
from offline.datasets.folds import N_FOLDS, artist_folds, components
from offline.datasets.lyrics import read_folder
from offline.datasets.song import Dataset, Findings, Song, no_curve
from offline.datasets.splits import Split
from offline.datasets.tables import read_rows
from streammer.errors import UsageError

__all__ = [
    "MODES", "PUBLISHED_SEED", "becmer_split", "class_of", "compose", "is_bimodal", "load_bimodal",
    "quadrant_of",
]  # fmt: skip

MODES = {
    "4Q": (("Q1",), ("Q2",), ("Q3",), ("Q4",)),
    "Ar": (("Q1", "Q2"), ("Q3", "Q4")),
    "Va": (("Q1", "Q4"), ("Q2", "Q3")),
}
"""Quadrants of each class; class 0 of the binary modes is the high or positive one."""
PUBLISHED_SEED = 8848
_FILES = ("Bi_meta.csv", "MER-Bimodal-Dataset.csv")
_QUADRANTS = ("Q1", "Q2", "Q3", "Q4")


def is_bimodal(root: Path) -> bool:
    """Whether a folder holds a table of the Bi-modal set."""
    return any((root / name).is_file() for name in _FILES)


def load_bimodal(root: Path) -> Dataset:
    """Load the Bi-modal set: a quadrant a song, audio and lyrics by their codes.

    Raises
    ------
    InputError
        The table lacks its columns.
    """
    findings = Findings()
    path = next(root / name for name in _FILES if (root / name).is_file())
    clips = find_audio(root / "chorus") or find_audio(root / "audio")
    texts = read_folder(root / "lyrics", findings)
    songs, lyrics = [], {}
    for row in read_rows(path, ["Song Code", "Quadrant"], header="Song Code"):
        song = row["Song Code"]
        quadrant = f"Q{row['Quadrant'].removeprefix('Q')}"
        if quadrant not in _QUADRANTS:
            findings.count("songs without a quadrant (left out)", song)
            continue
        codes = (row.get("Lyrics Code", ""), row.get("Code", ""), song)
        if (text := next((texts[c] for c in codes if c in texts), None)) is not None:
            lyrics[song] = text
        songs.append(
            Song(
                id=song,
                dataset="bimodal",
                clips=tuple(clips.get(song, ())),
                artist=row.get("Artist", ""),
                title=row.get("Title", ""),
                quadrant=quadrant,
                parts=frozenset({"lyrics"} if song in lyrics else ()),
            )
        )
        for what, there in (("audio", song in clips), ("lyrics", song in lyrics)):
            if not there:
                findings.count(f"songs with labels but no {what}", song)
        if not artist_key(songs[-1].artist):
            findings.count("songs without an artist", song)
    count_twice(songs, findings)
    return Dataset(
        "bimodal", "bimodal", root, songs, no_curve, findings=findings, lyrics_of=lyrics.get
    )


def quadrant_of(song: Song) -> str:
    """Return a song's quadrant, of its static labels (V > 0, A > 0) where it has no other.

    Returns
    -------
    str
        ``'Q1'`` .. ``'Q4'``, empty when it has none.
    """
    if song.quadrant or not song.has_static:
        return song.quadrant
    return {(1, 1): "Q1", (0, 1): "Q2", (0, 0): "Q3", (1, 0): "Q4"}[
        int(song.valence > 0), int(song.arousal > 0)
    ]


def class_of(song: Song, mode: str) -> int | None:
    """Class of a song in a mode, None without a quadrant.

    Raises
    ------
    UsageError
        There is no such mode.
    """
    if mode not in MODES:
        raise UsageError(f"mode {mode!r} is unknown; expected {', '.join(MODES)}")
    quadrant = quadrant_of(song)
    return next((k for k, own in enumerate(MODES[mode]) if quadrant in own), None)


def compose(arousal: np.ndarray, valence: np.ndarray) -> np.ndarray:
    """Class of mode 4Q from the classes of modes Ar and Va.

    Parameters
    ----------
    arousal, valence : np.ndarray [shape=(n,)], int
        0 for high arousal and for positive valence.

    Returns
    -------
    np.ndarray [shape=(n,)], int
        0 .. 3 for Q1 .. Q4.
    """
    return np.array([[0, 1], [3, 2]])[np.asarray(arousal), np.asarray(valence)]


def becmer_split(
    sets: Sequence[Dataset],
    fold: int,
    *,
    cv: str = "ALL",
    by: str = "artist",
    needs: Sequence[str] = ("audio", "lyrics"),
) -> Split:
    """One of five folds over songs with a quadrant, as BECMER folds them or artist-disjoint.

    A fold is tested and the next one validates: the best epoch is never chosen on the test fold.

    Parameters
    ----------
    sets : sequence of Dataset
        PMEmo, 4Q and the Bi-modal set, or those of them that are at hand.
    fold : int
    cv : {'ALL', 'PME'}
        Fold every set, or PMEmo alone with the others wholly in training.
    by : {'artist', 'published'}
        `published` is StratifiedKFold(5, shuffle, seed 8848) in each set, over the songs in use.
    needs : sequence of str
        Modalities a song must have.

    Raises
    ------
    UsageError
        A wrong fold or name, or too few songs.
    """
    if not 0 <= fold < N_FOLDS:
        raise UsageError(f"fold {fold} is out of range; expected 0 .. {N_FOLDS - 1}")
    if cv not in ("ALL", "PME") or by not in ("artist", "published"):
        raise UsageError(f"cv {cv!r}, by {by!r}; expected ALL or PME, artist or published")
    used = [
        sorted((s for s in d if quadrant_of(s) and set(needs) <= s.modalities), key=lambda s: s.id)
        for d in sets
    ]
    songs = [s for own in used for s in own]
    if cv == "PME" and not any(s.dataset == "pmemo" for s in songs):
        raise UsageError(f"cv PME: no song of PMEmo has {' and '.join(needs)}; add them or use ALL")
    folds = artist_folds(songs) if by == "artist" else _published_folds(used, cv)
    held = {fold: "test", (fold + 1) % N_FOLDS: "validation"}
    sides: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    groups = dict(zip((s.uid for s in songs), components(songs), strict=True))
    folded = [s for s in songs if cv == "ALL" or s.dataset == "pmemo"]
    for song in folded:
        sides[held.get(folds[song.uid], "train")].append(song.uid)
    away = {groups[uid] for side in ("validation", "test") for uid in sides[side]}
    rest = [s.uid for s in songs if cv == "PME" and s.dataset != "pmemo"]
    kept = [uid for uid in rest if by == "published" or groups[uid] not in away]
    if not sides["test"] or not (sides["train"] or kept):
        raise UsageError(f"{len(songs)} songs with {' and '.join(needs)} are too few for {N_FOLDS}")
    sides["train"] += kept
    notes = (f"{len(rest) - len(kept)} songs of held-out artists left out of training",)
    name = f"BECMER {cv}, {by}, fold {fold}"
    parts = {side: tuple(uids) for side, uids in sides.items()}
    disjoint = by == "artist"
    return Split(name, artist_disjoint=disjoint, notes=notes, **parts).check(songs)


def _published_folds(used: Sequence[Sequence[Song]], cv: str) -> dict[str, int]:
    from sklearn.model_selection import StratifiedKFold

    folds: dict[str, int] = {}
    for songs in used:
        if not songs or (cv == "PME" and songs[0].dataset != "pmemo"):
            continue
        quadrants = [quadrant_of(s) for s in songs]
        if max(map(quadrants.count, set(quadrants))) < N_FOLDS:
            raise UsageError(
                f"{songs[0].dataset}: {len(songs)} songs are too few for {N_FOLDS} stratified folds"
            )
        cut = StratifiedKFold(N_FOLDS, shuffle=True, random_state=PUBLISHED_SEED)
        with warnings.catch_warnings():  # a quadrant of fewer songs than folds is in some of them
            warnings.simplefilter("ignore", UserWarning)
            tested_in = [tested for _, tested in cut.split(quadrants, quadrants)]
        folds.update({songs[i].uid: k for k, tested in enumerate(tested_in) for i in tested})
    return folds
