"""Commands of the laboratory: data, features, train, evaluate, export, reproduce, report.

Exit codes and one-line errors as the live command's (docs/design.md, contract 4).
"""

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, CycloptsError, Parameter

from offline.progress import say
from streammer.errors import InputError, StreammerError, UsageError

__all__ = ["app", "main"]

app = App(
    name="python -m offline",
    help="The laboratory: data sets, training, evaluation, export and the report.",
    version_flags=[],
)
data_app = App(name="data", help="Look at a data set, or download one.")
app.command(data_app)

DataPath = Annotated[
    Path, Parameter(name=["--data", "-d"], help="Folder of the data set (default ../shared/data).")
]
Cache = Annotated[Path, Parameter(help="Folder of cached features.")]
Runs = Annotated[Path, Parameter(help="Folder of runs.")]
DEFAULT_DATA = Path("../shared/data")
DEFAULT_CACHE = Path("cache/features")
DEFAULT_RUNS = Path("runs")


@data_app.command
def check(path: Path, *, layout: str | None = None) -> None:
    """Say what a data set holds, what is missing, and which figures can be computed from it.

    Parameters
    ----------
    path
        Folder of the data set.
    layout
        deam, clips, emomusic, pmemo, 4q, mirex or vgmidi; recognised by default.

    Examples
    --------
    python -m offline data check ~/DEAM
    python -m offline data check ../shared/data/4q
    """
    from offline.datasets.check import check_dataset

    for line in check_dataset(path, layout):
        print(line)


@data_app.command
def get(name: str = "deam", *, to: Path = Path("DEAM"), yes: bool = False) -> None:
    """Download a data set: resumable, checksum where known, its licence shown first.

    Parameters
    ----------
    name
        Data set; deam.
    to
        Folder to unpack into.
    yes
        Accept the licence without being asked.

    Examples
    --------
    python -m offline data get deam --to ~/DEAM
    """
    from offline.datasets.download import get_dataset

    get_dataset(name, to, accept=yes)


@data_app.command
def explain(topic: str, path: Path = DEFAULT_DATA) -> None:
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
    from offline.reporting.literature import explain as explain_topic

    for line in explain_topic(path, topic):
        print(line)


@data_app.command
def make(
    to: Path, *, layout: str = "deam", songs: int = 30, seconds: float = 20.0, seed: int = 0
) -> None:
    """Make a synthetic data set in a published layout: sound that follows known VA.

    Parameters
    ----------
    to
        Folder to write.
    layout
        deam, clips, emomusic, pmemo, 4q or mirex.

    Examples
    --------
    python -m offline data make /tmp/deam --songs 30
    """
    from offline.datasets.synthetic import make_dataset

    made = make_dataset(to, layout, n_songs=songs, seconds=seconds, seed=seed)
    print(f"{to}: {len(made)} songs in the layout of {layout}")


@app.command
def features(
    recipe: str,
    *,
    data: DataPath = DEFAULT_DATA,
    cache: Cache = DEFAULT_CACHE,
    workers: int = 2,
    device: str | None = None,
) -> None:
    """Compute and keep the features that a recipe hears; a killed run goes on where it was.

    Parameters
    ----------
    recipe
        Name or .toml file.
    workers
        Processes.
    device
        Compute in batches with torchaudio on this device, e.g. cuda.

    Examples
    --------
    python -m offline features crnn-gru3 --data ~/DEAM --workers 8
    """
    from offline.datasets import load_dataset
    from offline.features.cache import FeatureCache
    from offline.recipes.recipe import load_recipe

    chosen, dataset = load_recipe(recipe), load_dataset(data)
    if not chosen.front_end:
        raise UsageError(f"{recipe}: hears no frames; it needs no features")
    paths = [c.path for s in dataset for c in s.clips]
    missed = FeatureCache(cache).fill(paths, chosen.spec, workers=workers, device=device)
    for line in missed.lines():
        say(line)
    if len(missed.reasons) == len(paths):
        raise InputError(f"{data}: no audio that can be read, {len(paths)} files tried")
    print(f"{len(paths) - len(missed.reasons)} of {len(paths)} files have features")


@app.command
def train(
    recipe: str,
    *,
    data: DataPath = DEFAULT_DATA,
    cache: Cache = DEFAULT_CACHE,
    runs: Runs = DEFAULT_RUNS,
    mode: Literal["mended", "faithful"] | None = None,
    labels: Literal["dynamic", "static"] | None = None,
    split: str | None = None,
    fold: int | None = None,
    width: float | None = None,
    image: tuple[int, int] | None = None,
    epochs: int | None = None,
    time_budget: float | None = None,
    seed: int | None = None,
    precision: str | None = None,
    devices: int | None = None,
    accelerator: str | None = None,
    name: str = "",
    fresh: bool = False,
    workers: int = 2,
    progress: bool = True,
    set_: Annotated[list[str] | None, Parameter(name="--set")] = None,
) -> None:
    """Train a recipe on a data set, or go on where a killed run was.

    Parameters
    ----------
    recipe
        Name of a recipe, or a .toml file.
    mode
        Mend the original's faults, or keep them (faithful).
    labels
        2 Hz labels or one per song.
    split
        artist, song (5 folds), test58, mediaeval2013, mediaeval2014, seed001, seed002.
    width
        Factor on all channels and units.
    image
        Bins and frames of the spectral image.
    time_budget
        Seconds of training (of processor time on a CPU), checked after each epoch.
    precision
        32, bf16-mixed, 16-mixed.
    devices
        Processes or GPUs (DDP).
    name
        Name of the run folder.
    fresh
        Start anew.
    set_
        Any other value of the recipe, e.g. --set training.lr=0.01

    Examples
    --------
    python -m offline train crnn-gru3 --data ~/DEAM --devices 2 --precision bf16-mixed
    python -m offline train window-m2 --fold 3 --width 0.5 --time-budget 60
    """
    from offline.datasets import load_dataset
    from offline.recipes.recipe import find_recipe, load_recipe
    from offline.training.train import is_main_process
    from offline.training.train import train as train_run

    changes: dict[str, Any] = {
        "data.split": split,
        "data.fold": fold,
        "network.width": width,
        "network.image": list(image) if image else None,
        "training.epochs": epochs,
        "training.time_budget_s": time_budget,
        "training.seed": seed,
        "training.precision": precision,
        "training.devices": devices,
        "training.accelerator": accelerator,
        **dict(_assignment(text) for text in set_ or ()),
    }
    chosen = load_recipe(recipe, mode=mode, labels=labels, changes=changes)
    if chosen.family == "live":
        from offline.cli.live import train_run as train_live_run

        print(train_live_run(chosen, recipe, data, cache, runs / (name or chosen.name), workers))
        return
    dataset = load_dataset(data)
    if is_main_process():
        for line in dataset.findings.notes:
            say(line)
    run = train_run(
        chosen,
        dataset,
        data=data,
        cache=cache,
        runs=runs,
        recipe_text=find_recipe(recipe).read_text(encoding="utf-8"),
        name=name,
        fresh=fresh,
        workers=workers,
        show=progress and sys.stderr.isatty(),
    )
    if is_main_process():
        print(run.path)


def _assignment(text: str) -> tuple[str, Any]:
    import tomllib

    key, sign, value = text.partition("=")
    if not sign:
        raise UsageError(f"--set {text!r}: expected name=value, e.g. training.lr=0.01")
    try:
        return key, tomllib.loads(f"v = {value}")["v"]
    except tomllib.TOMLDecodeError:
        return key, value


@app.command
def evaluate(run: Path, *, on: Literal["test", "test58"] = "test", workers: int = 2) -> None:
    """Predict the test songs of a trained run and score them.

    Parameters
    ----------
    run
        Folder that `train` printed.
    on
        The split's test songs, or the 58 songs of 2015.

    Examples
    --------
    python -m offline evaluate runs/crnn-gru3-dynamic-mended-artist0
    """
    from offline.cli.live import evaluate_run as evaluate_live_run
    from offline.cli.live import live_run
    from offline.datasets.splits import is_test58
    from offline.evaluation.evaluate import evaluate as evaluate_run
    from offline.evaluation.evaluate import summary
    from offline.runs import open_run

    if (live := live_run(run, DEFAULT_RUNS)) is not None:
        for line in evaluate_live_run(live, live):
            print(line)
        return
    opened = open_run(run)
    dataset = opened.dataset()
    songs = [s.uid for s in dataset if is_test58(s)] if on == "test58" else None
    scores = evaluate_run(
        opened, dataset, songs=songs, name=on, workers=workers, show=sys.stderr.isatty()
    )
    for line in summary(scores):
        print(line)


@app.command
def export(run: Path, *, to: Path | None = None, name: str = "", version: str = "1") -> None:
    """Export a trained run as an artefact that `streammer listen --model PATH` takes.

    Parameters
    ----------
    run
        Folder that `train` printed.
    to
        Folder of the artefact; the run's own by default.

    Examples
    --------
    python -m offline export runs/window-m2-dynamic-mended-artist0
    """
    from offline.cli.live import export_run as export_live_run
    from offline.cli.live import live_run
    from offline.export.run import export_run, is_causal
    from offline.runs import open_run

    if (live := live_run(run, DEFAULT_RUNS)) is not None:
        print(export_live_run(live, to, name=name, version=version))
        return
    opened = open_run(run)
    path = export_run(opened, to, name=name, version=version)
    if not is_causal(opened.recipe):
        say(f"{opened.recipe.name} is not causal: the artefact is marked and refused live")
    print(path)


@app.command
def reproduce(
    *,
    deam: Annotated[Path, Parameter(help="Folder of DEAM, or of its clips.")] = DEFAULT_DATA,
    only: list[str] | None = None,
    quick: bool = False,
    folds: int = 5,
    width: float | None = None,
    time_budget: float | None = None,
    precision: str | None = None,
    image: tuple[int, int] | None = None,
    stride: int | None = None,
    modes: list[Literal["mended", "faithful"]] | None = None,
    labels: list[Literal["dynamic", "static"]] | None = None,
    cache: Cache = DEFAULT_CACHE,
    runs: Runs = Path("runs/reproduce"),
    out: Path = Path("docs"),
    report: bool = True,
    workers: int = 2,
) -> None:
    """Train, evaluate and report every published DEAM system; resumable.

    Parameters
    ----------
    only
        Recipes to run; all by default. The report shows what has finished.
    quick
        One fold, one epoch, an eighth of the width: does everything run?
    folds
        Folds to run, of five.
    width
        Factor on all networks' channels, stated in the report.
    time_budget
        Seconds of training a fold (of processor time on a CPU), stated in the report.
    image
        Bins and frames of the spectral image, stated in the report.
    stride
        Score every n-th label, stated in the report.
    modes, labels
        Some of them; all by default.
    out
        Folder of report.md, report.html and their figures.
    report
        Write the report at the end.

    Examples
    --------
    python -m offline reproduce --deam ~/DEAM
    python -m offline reproduce --deam ~/DEAM --only crnn-gru3 --quick
    """
    from offline.reproduce import Plan
    from offline.reproduce import reproduce as run_all

    plan = Plan(
        only=tuple(only or ()), quick=quick, folds=folds, width=width, time_budget_s=time_budget,
        precision=precision, image=image, stride=stride,
        modes=tuple(modes or ("mended", "faithful")), labels=tuple(labels or ("dynamic", "static")),
    )  # fmt: skip
    run_all(deam, plan, cache=cache, runs=runs, out=out if report else None, workers=workers)


@app.command
def report(
    *,
    deam: Annotated[Path, Parameter(help="Folder of DEAM, or of its clips.")] = DEFAULT_DATA,
    runs: Runs = Path("runs/reproduce"),
    cache: Cache = DEFAULT_CACHE,
    out: Path = Path("docs"),
    live: Path | None = None,
) -> None:
    """Write report.md and report.html from the runs that have finished.

    Parameters
    ----------
    live
        Run of `train live`, exported: its folds' artefacts are scored beside the others.

    Examples
    --------
    python -m offline report --deam ~/DEAM --out /tmp/report
    """
    from offline.reporting.report import write_report

    print(write_report(deam, runs, cache, out, live))


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    tokens = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in tokens
    tokens = [t for t in tokens if t != "--debug"]
    try:
        app(tokens, exit_on_error=False, print_error=False)
    except StreammerError as error:
        if debug:
            traceback.print_exc()
        say(f"error: {error}")
        return error.exit_code
    except CycloptsError as error:
        say(f"error: {' '.join(str(error).split())}")
        return UsageError.exit_code
    except KeyboardInterrupt:
        say("interrupted; run the same command again to go on")
        return 130
    except BrokenPipeError:
        return 0
    except SystemExit as leaving:
        return int(leaving.code or 0)
    except Exception as error:
        if debug:
            traceback.print_exc()
        say(f"bug: {type(error).__name__}: {error}; run again with --debug and report it")
        return StreammerError.exit_code
    return 0
