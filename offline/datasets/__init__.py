"""Data sets: one index and one loader of labels over time for each published layout."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from offline.datasets.bimodal import is_bimodal, load_bimodal
from offline.datasets.deam import is_clips, is_official, load_clips, load_deam
from offline.datasets.emobank import is_emobank, load_emobank
from offline.datasets.emomusic import is_emomusic, load_emomusic
from offline.datasets.mirex import is_mirex, load_mirex
from offline.datasets.moodylyrics import is_moodylyrics, load_moodylyrics
from offline.datasets.msd import is_msd, load_msd
from offline.datasets.panda4q import is_4q, load_4q
from offline.datasets.pmemo import is_pmemo, load_pmemo
from offline.datasets.song import Clip, Curve, Dataset, Findings, Scale, Song
from offline.datasets.vgmidi import is_vgmidi, load_vgmidi
from streammer.errors import InputError, UsageError

__all__ = [
    "LAYOUTS",
    "Clip",
    "Curve",
    "Dataset",
    "Findings",
    "Scale",
    "Song",
    "detect_layout",
    "load_dataset",
]


class Layout(NamedTuple):
    """How a layout is recognised and read."""

    is_here: Callable[[Path], bool]
    load: Callable[[Path], Dataset]
    looks_like: str


LAYOUTS: dict[str, Layout] = {
    "emomusic": Layout(is_emomusic, load_emomusic, "songs_info.csv and *_cont_average.csv"),
    "pmemo": Layout(is_pmemo, load_pmemo, "static_annotations.csv with musicId, chorus/"),
    "deam": Layout(is_official, load_deam, "annotations/ and MEMD_audio/"),
    "4q": Layout(is_4q, load_4q, "panda_dataset_taffc_annotations.csv"),
    "mirex": Layout(is_mirex, load_mirex, "index.csv with id, cluster, category, artist, title"),
    "vgmidi": Layout(is_vgmidi, load_vgmidi, "vgmidi_labelled.csv and labelled/midi/"),
    "msd": Layout(is_msd, load_msd, "train.csv, validation.csv, test.csv with MSD_track_id"),
    "bimodal": Layout(is_bimodal, load_bimodal, "Bi_meta.csv or MER-Bimodal-Dataset.csv"),
    "moodylyrics": Layout(
        is_moodylyrics, load_moodylyrics, "MoodyLyrics4Q.csv or filtered_dataset_with_lyrics.csv"
    ),
    "emobank": Layout(is_emobank, load_emobank, "emobank.csv"),
    "clips": Layout(is_clips, load_clips, "labels/ and audio_30_40s/"),
}
"""Layouts in the order in which they are tried."""


def detect_layout(path: Path | str) -> str:
    """Name of the layout of a folder.

    Raises
    ------
    InputError
        The folder does not exist or has none of the layouts.
    """
    root = Path(path)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; expected a data set (see `data check --help`)")
    for name, layout in LAYOUTS.items():
        if layout.is_here(root):
            return name
    known = "; ".join(f"{name}: {layout.looks_like}" for name, layout in LAYOUTS.items())
    raise InputError(f"{root}: no known data set in this folder; expected one of: {known}")


def load_dataset(path: Path | str, layout: str | None = None) -> Dataset:
    """Load a data set from a folder, its layout given or recognised.

    Parameters
    ----------
    path : Path or str
    layout : str, optional
        One of `LAYOUTS`.

    Raises
    ------
    InputError
        Wrong folder, missing or damaged tables.
    """
    if layout is not None and layout not in LAYOUTS:
        raise UsageError(f"layout {layout!r} is unknown; expected one of {', '.join(LAYOUTS)}")
    name = layout or detect_layout(path)
    return LAYOUTS[name].load(Path(path))
