"""`report`: what finished, in one document for people; nothing in it is filled in by hand."""

from pathlib import Path

from offline.datasets import Dataset, load_dataset
from offline.datasets.check import check_dataset
from offline.evaluation.live.rows import adopt_live
from offline.files import write_text
from offline.reporting.document import Document
from offline.reporting.gallery import add_figures
from offline.reporting.literature import TOPICS
from offline.reporting.systems import System, collect
from offline.reporting.tables import (
    baseline_table,
    dynamic_table,
    own_table,
    static_table,
    test58_table,
)

__all__ = ["write_report"]


def write_report(deam: Path, runs: Path, cache: Path, out: Path, live: Path | None = None) -> Path:
    """Write ``report.md``, ``report.html`` and ``report/*.png``; returns the first.

    Parameters
    ----------
    deam : Path
        Folder of the data set.
    runs : Path
        Folder of runs as `reproduce` leaves them.
    cache : Path
        Folder of cached features and of cross-validated baselines.
    out : Path
    live : Path, optional
        Folder of the live model's run, whose folds' artefacts are scored beside the others.
    """
    dataset = load_dataset(deam)
    if live is not None:
        strides = {s.recipe.evaluation.stride for s in collect(runs)}
        adopt_live(live, dataset, deam, cache, runs, max(strides))
    systems = collect(runs)
    own = [s for s in systems if s.recipe.data.split not in ("artist", "song")]
    systems = [s for s in systems if s not in own]
    dynamic = [s for s in systems if s.recipe.data.labels == "dynamic"]
    static = [s for s in systems if s.recipe.data.labels == "static"]
    doc = Document("The published DEAM systems, one protocol")
    _opening(doc, dataset, deam)
    if dynamic:
        dynamic_table(doc, dynamic)
        test58_table(doc, dynamic)
    if static:
        static_table(doc, static)
    if own:
        own_table(doc, own)
    baseline_table(doc, dataset, static, cache)
    add_figures(doc, dynamic, static, dataset, out)
    _faults(doc, systems)
    _literature(doc, dataset)
    write_text(out / "report.html", doc.html())
    path = out / "report.md"
    write_text(path, doc.markdown())
    return path


def _opening(doc: Document, dataset: Dataset, deam: Path) -> None:
    doc.text(
        "Every figure below was computed by the command under its heading from runs on the data "
        "named here. RMSE is on [-1, 1]. 'Per song' is the mean of each song's RMSE, 'pooled' "
        "takes all frames as one; skill is 1 - RMSE / RMSE of the constant (the mean of the "
        "training labels of the same fold), with a 95 % interval from a bootstrap over songs. The "
        "oracle knows each song's own mean: what is below it follows change inside a song."
    )
    doc.heading("Data")
    doc.code("python -m offline data check PATH")
    lines = check_dataset(deam)
    doc.bullets([line.removeprefix("- ").replace(f"{deam}: ", "") for line in lines])


def _faults(doc: Document, systems: list[System]) -> None:
    doc.heading("What the original modes keep")
    seen: dict[str, list[str]] = {}
    for system in systems:
        recipe = system.recipe
        note = "; ".join(recipe.faults) or "one mode only"
        extra = " The second channel is the mono signal, repeated in the graph."
        text = f"{recipe.about.rstrip('.')}. Faults: {note}." + (
            extra if recipe.family == "spectral" else ""
        )
        seen.setdefault(
            recipe.name, [text + (f" {recipe.definition}" if recipe.definition else "")]
        )
    doc.bullets([f"{name}: {text[0]}" for name, text in sorted(seen.items())])
    doc.text(
        "Test songs never choose anything in either mode: early stopping uses the validation fold, "
        "also where the original used its test set. Corrected spectral nets take the logarithm, "
        "have batch normalisation and linear outputs, and are trained by Adam on shuffled windows "
        "of all songs.",
        "The window nets start from the weights that Keras draws, in both modes, as the original "
        "did: from torch's own, window-m2 dies. Adam's first step moves every unit of its dense "
        "layer by several times its range, the steps that undo it push all maps of the second "
        "convolution below zero, and the output is one constant from then on; "
        "tests/training/test_images.py holds it to live. Corrected ones also take a third of the "
        "rate. Original ones keep Adam's default, the original's: there Keras's weights may die "
        "too, and whether they do is a matter of the draw.",
    )


def _literature(doc: Document, dataset: Dataset) -> None:
    doc.heading("What the literature's figures mean")
    for topic, (title, function) in TOPICS.items():
        doc.heading(title, 3)
        doc.code(f"python -m offline data explain {topic} PATH")
        doc.bullets(function(dataset))
