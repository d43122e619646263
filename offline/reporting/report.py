"""`report`: what finished, in one document for people; nothing in it is filled in by hand."""

from pathlib import Path

from offline.datasets import Dataset, load_dataset
from offline.datasets.check import check_dataset
from offline.evaluation.live.rows import adopt_live
from offline.files import write_text
from offline.prose import paragraphs
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
    doc.text(*paragraphs("Opening"))
    doc.heading("Data")
    doc.code("python -m offline data check PATH")
    lines = check_dataset(deam)
    doc.bullets([line.removeprefix("- ").replace(f"{deam}: ", "") for line in lines])


def _faults(doc: Document, systems: list[System]) -> None:
    doc.heading("What the original modes keep")
    seen: dict[str, str] = {}
    for system in systems:
        recipe = system.recipe
        note = "; ".join(recipe.faults) or "one mode only"
        parts = [f"{recipe.about.rstrip('.')}. Faults: {note}."]
        if recipe.kind.images:
            parts += paragraphs("Second channel")
        seen.setdefault(recipe.name, " ".join([*parts, recipe.definition]).strip())
    doc.bullets([f"{name}: {text}" for name, text in sorted(seen.items())])
    doc.text(*paragraphs("Modes"))


def _literature(doc: Document, dataset: Dataset) -> None:
    doc.heading("What the literature's figures mean")
    for topic, (title, function) in TOPICS.items():
        doc.heading(title, 3)
        doc.code(f"python -m offline data explain {topic} PATH")
        doc.bullets(function(dataset))
