"""What the literature's figures mean: the traps in the data, each computed from the labels.

Nothing here needs audio, and nothing is a quoted number: every line follows from the files.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from offline.datasets import Dataset, Song, load_dataset
from offline.datasets.artists import artist_key
from offline.datasets.folds import is_test58
from offline.evaluation.metrics import per_song, rmse
from streammer.errors import InputError, UsageError

__all__ = ["TOPICS", "explain"]


def exchanged(dataset: Dataset) -> list[str]:
    """Find the exchanged static columns, per block of ids."""
    lines = [line for line in dataset.findings.notes if line.startswith("static labels")]
    classical, rock = (
        [s for s in dataset if s.group == "2013" and s.genre.strip() == genre and s.has_static]
        for genre in ("Classical", "Rock")
    )
    if classical and rock:
        lines.append(
            "after mending, ids <= 1000: mean arousal of Classical "
            f"{np.mean([s.arousal for s in classical]):+.2f}, of Rock "
            f"{np.mean([s.arousal for s in rock]):+.2f} (static, on [-1, 1])"
        )
    return [
        *lines,
        "A system trained on the file as it is learns one axis for the other on these songs, and "
        "a joint figure over all songs mixes both.",
    ]


def constants(dataset: Dataset) -> list[str]:
    """Score the constant and the oracle song mean on DEAM's test beds."""
    curves = {s.uid: dataset.labels(s.id) for s in dataset}
    teach = [s for s in dataset if not is_test58(s) and curves[s.uid] is not None]
    beds = {
        "songs <= 2000, in sample": teach,
        "the 58 full songs of 2015": [s for s in dataset if is_test58(s) and curves[s.uid]],
        "2013 evaluation (emoMusic 125), constant of its 619": [
            s for s in teach if s.official.get("mediaeval2013") == "evaluation"
        ],
    }
    lines = []
    for name, songs in beds.items():
        if not songs:
            continue
        trained = teach
        if name.startswith("2013"):
            trained = [s for s in teach if s.official.get("mediaeval2013") == "development"]
        for axis in ("arousal", "valence"):
            y = [getattr(curves[s.uid], axis).astype(float) for s in songs]
            c = float(np.concatenate([getattr(curves[s.uid], axis) for s in trained]).mean())
            flat = [np.full(len(a), c) for a in y]
            own = [np.full(len(a), a.mean()) for a in y]
            lines.append(
                f"{name}, {axis}: constant {c:+.3f} has RMSE per song "
                f"{per_song(rmse, y, flat).mean:.3f}, pooled "
                f"{rmse(np.concatenate(y), np.concatenate(flat)):.3f}; oracle song mean per song "
                f"{per_song(rmse, y, own).mean:.3f} ({len(y)} songs)"
            )
    return [
        *lines,
        "The best published valence on the 58 songs (.267 / .268) is the constant's own score: no "
        "skill. Its arousal (.202) is skill.",
    ]


def generator(dataset: Dataset) -> list[str]:
    """Count the songs that the dynamic generator of seed 001 reads."""
    rows = [s for s in sorted(dataset, key=lambda s: int(s.id)) if dataset.labels(s.id)]
    cut = int(len(rows) * 0.8)
    reads = {
        side: (len(part), len(range(0, len(part), 60)))
        for side, part in (("training", rows[:cut]), ("test", rows[cut:]))
    }
    (n, k), (m, j) = reads["training"], reads["test"]
    return [
        "The generator moves its SONG pointer on by one for every LABEL: after a song of 60 labels "
        "it is 60 songs further.",
        f"So {k} of {n} training songs and {j} of {m} test songs are ever read "
        f"(ids {_ids(rows[:cut:60][:5])}, … and {_ids(rows[cut::60][:3])}, …).",
        f"Its split is the order of the rows: training ends with id {rows[cut - 1].id}; all "
        f"{sum(is_test58(s) for s in rows[cut:])} full songs of 2015 are on the test side.",
    ]


def _ids(songs: Sequence[Song]) -> str:
    return ", ".join(s.id for s in songs)


def joint_split(dataset: Dataset) -> list[str]:
    """Count the songs that Music2Emo's joint model was trained and tested on at once."""
    folder = _first(dataset.root, "music2emo_split", "labels/music2emo_split",
                    "deam/labels/music2emo_split")  # fmt: skip
    if folder is None:
        return ["the ids of the split are not in this data folder (music2emo_split/): not computed"]
    ids = {
        side: set((folder / f"{side}.txt").read_text(encoding="utf-8").split())
        for side in ("train", "validation", "test")
    }
    official = {
        side: {s.id for s in dataset if s.official.get("mediaeval2013") == side}
        for side in ("development", "evaluation")
    }
    test = official["evaluation"]
    both = len(ids["test"] & official["development"])
    artists = {
        side: {artist_key(dataset[i].artist) for i in held if i in dataset} - {""}
        for side, held in ids.items()
    }
    return [
        f"Of the {len(test)} official emoMusic test songs {len(test & ids['train'])} are in its "
        f"DEAM training list and {len(test & ids['validation'])} in its validation list.",
        f"Of its {len(ids['test'])} DEAM test songs {both} are in emoMusic's development part.",
        f"{len(artists['train'] & artists['test'])} artists are in its training and test lists.",
        "emoMusic is DEAM's ids <= 1000: the figures of the joint model are of songs that it was "
        "trained.",
    ]


def _first(root: Path, *names: str) -> Path | None:
    return next((root / n for n in names if (root / n).is_dir()), None)


TOPICS: dict[str, tuple[str, Callable[[Dataset], list[str]]]] = {
    "exchange": ("The exchanged columns of DEAM's static file", exchanged),
    "constants": ("What a constant scores", constants),
    "generator": ("The 25 songs of the first dynamic CRNN", generator),
    "joint-split": ("The joint split of Music2Emo", joint_split),
}
"""Topics: title and function."""


def explain(path: Path, topic: str) -> list[str]:
    """Compute one topic on a DEAM folder.

    Raises
    ------
    UsageError, InputError
        Unknown topic; no DEAM in the folder.
    """
    if topic not in TOPICS:
        raise UsageError(f"topic {topic!r} is unknown; expected one of {', '.join(TOPICS)}")
    dataset = load_dataset(path)
    if dataset.name != "deam":
        raise InputError(f"{path}: holds {dataset.name}, expected DEAM")
    return TOPICS[topic][1](dataset)
