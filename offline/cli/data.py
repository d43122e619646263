"""`data`: look at a data set, download one, or make one."""

from pathlib import Path

from cyclopts import App

from offline.cli.options import DataPath, data_folder
from streammer.errors import UsageError

__all__ = ["data_app"]

data_app = App(name="data", help="Look at a data set, download one, or make one.")


@data_app.command
def check(path: Path, *, layout: str | None = None) -> None:
    """Say what a data set holds, what is missing, and which figures can be computed from it.

    Parameters
    ----------
    path
        Folder of the data set.
    layout
        deam, clips, emomusic, pmemo, 4q, mirex, vgmidi, msd, bimodal, moodylyrics or emobank;
        recognised by default.

    Of the Deezer mood set it also says how much of each part of the released split is at hand
    (audio, HDF5 files, bags of words, lyrics), and which file says where the rest lies.

    Examples
    --------
    python -m offline data check ~/DEAM
    python -m offline data check ~/4q
    python -m offline data check ~/msd
    """
    from offline.datasets import load_dataset
    from offline.datasets.check import check_lines
    from offline.features.text import language_lines

    dataset = load_dataset(path, layout)
    for line in [*check_lines(dataset), *language_lines(dataset)]:
        print(line)


@data_app.command
def duplicates(path: Path, *, layout: str | None = None) -> None:
    """Name the songs that stand twice (same artist and title), with their parts of the split.

    Parameters
    ----------
    path
        Folder of the data set.
    layout
        As of `data check`.

    Examples
    --------
    python -m offline data duplicates ~/msd
    """
    from offline.datasets import load_dataset
    from offline.datasets.coverage import duplicate_lines

    for line in duplicate_lines(load_dataset(path, layout)):
        print(line)


@data_app.command
def labels(
    tags: Path,
    *,
    norms: Path,
    to: Path,
    moods: Path | None = None,
    every_word: bool = False,
    scale: str = "released",
    least_weight: float = 0.0,
) -> None:
    """Label songs by their Last.fm tags and Warriner's norms, as the Deezer mood set was labelled.

    A song's label is the plain mean of the norms of its mood tags, centred and reduced. A song
    without a mood tag gets none.

    Parameters
    ----------
    tags
        A table with track_id, tag and perhaps weight; lastfm_tags.db; or a folder of Last.fm's
        JSON files.
    norms
        Ratings_Warriner_et_al.csv.
    to
        Table to write: track_id, valence, arousal, tags.
    moods
        File of the tags that count, one a line; by default the mood words that the released
        labels show.
    every_word
        Count every tag that is a word of the norms, 'rock' and 'metal' too.
    scale
        released: centred and reduced as the released labels; given: by the songs at hand; none:
        norms on [-1, 1].
    least_weight
        Pass over tags of less weight, 0..100.

    Examples
    --------
    python -m offline data labels tags.csv --norms Ratings_Warriner_et_al.csv --to labels.csv
    """
    from offline.datasets.lastfm import read_tags
    from offline.datasets.song import Findings
    from offline.datasets.tag_labels import label_songs, mood_words, write_labels
    from offline.datasets.warriner import read_warriner

    if every_word and moods is not None:
        raise UsageError("--moods and --every-word exclude one another; give one of them")
    findings = Findings()
    labelled = label_songs(
        read_tags(tags),
        read_warriner(norms),
        None if every_word else mood_words(moods),
        scale=scale,
        least_weight=least_weight,
        findings=findings,
    )
    for line in [*write_labels(to, labelled), *findings.lines()]:
        print(line)


@data_app.command
def folds(path: DataPath = None, *, write: bool = False) -> None:
    """Say how songs fall into folds: which artists go together, how balanced the folds are.

    Parameters
    ----------
    path
        Folder that holds DEAM, and 4Q and the MIREX-like set beside it where they are.
    write
        Balance the folds anew and write them down in offline/datasets/folds.csv. Runs trained
        before then no longer fit the folds.

    Examples
    --------
    python -m offline data folds ~/data
    """
    from offline.datasets.collection import fold_lines, sets_of, write_folds

    sets = sets_of(data_folder(path))
    if write:
        write_folds(sets)
    for line in fold_lines(sets):
        print(line)


@data_app.command
def get(name: str = "deam", *, to: Path = Path("DEAM"), yes: bool = False) -> None:
    """Download a data set: resumable, checksum where known, its licence shown first.

    Parameters
    ----------
    name
        deam, or musicnn: the weights of a tagger that can teach the live network.
    to
        Folder of the data set; musicnn's weights get a folder ``tagger`` in it.
    yes
        Accept the licence without being asked.

    Examples
    --------
    python -m offline data get deam --to ~/DEAM
    python -m offline data get musicnn --to ~/DEAM
    """
    from offline.datasets.download import get_dataset

    get_dataset(name, to, accept=yes)


@data_app.command
def explain(topic: str, path: DataPath = None) -> None:
    """Compute what a published figure means from DEAM's own labels.

    Parameters
    ----------
    topic
        exchange, constants, generator or joint-split.
    path
        Folder of DEAM or of its clips.

    Examples
    --------
    python -m offline data explain constants ~/DEAM
    """
    from offline.reporting.literature import TOPICS
    from offline.reporting.literature import explain as explain_topic

    folder = data_folder(path) if topic in TOPICS else Path()  # an unknown topic is refused first
    for line in explain_topic(folder, topic):
        print(line)


@data_app.command
def make(
    to: Path, *, layout: str = "deam", songs: int = 30, seconds: float = 45.0, seed: int = 0
) -> None:
    """Make a synthetic data set in a published layout: sound that follows known VA.

    Parameters
    ----------
    to
        Folder to write.
    layout
        deam, clips, emomusic, pmemo, 4q, mirex, vgmidi or msd.

    Examples
    --------
    python -m offline data make /tmp/deam --songs 30
    """
    from offline.datasets.synthetic import make_dataset

    made = make_dataset(to, layout, n_songs=songs, seconds=seconds, seed=seed)
    print(f"{to}: {len(made)} songs in the layout of {layout}")
