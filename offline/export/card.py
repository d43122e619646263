"""The card of an artefact: what it is, what it was made from, how well it does, where it fails.

One Markdown file beside the model. The facts come from the metadata and the graph, so that they
cannot disagree with them; what only its makers know comes as sections. ``artefact_hash`` ties the
card to the graph: ``streammer models --check`` refuses a card that belongs to another one.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from streammer.errors import UsageError
from streammer.inference.artefact import ArtefactMeta
from streammer.inference.model import Model

__all__ = ["REQUIRED", "make_card", "metrics_table", "with_metrics"]

REQUIRED = ("Data", "Splits", "Known failures")
"""Sections that nobody but the makers of a model can write."""

_METRICS = "Metrics"
_INTERVAL = {"value", "low", "high"}
_NOT_YET = "Not evaluated yet: no figure may be quoted for this artefact."


def make_card(model: Model, graph_hash: str, sections: Mapping[str, str]) -> str:
    """Return the card of a model as Markdown.

    Parameters
    ----------
    model : Model
    graph_hash : str
        See `streammer.inference.artefact.graph_hash`.
    sections : mapping of str to str
        Title -> Markdown text. `REQUIRED` must be among them and have text; 'Licence' and
        'Summary' may be; others follow in their order. 'Metrics' is written from the metadata.

    Raises
    ------
    UsageError
        If a required section is missing or empty, or one would break the outline of the card.
    """
    meta = model.meta
    for title in REQUIRED:
        if not sections.get(title, "").strip():
            raise UsageError(f"card of {meta.name} has no section {title!r}: say it, however short")
    if _METRICS in sections:
        raise UsageError("section 'Metrics' is written from the evaluation: leave it out")
    for title, text in sections.items():
        if re.search(r"^##? ", text, re.MULTILINE):
            raise UsageError(f"section {title!r} has a heading of its own: use ### inside sections")
    texts = {title: text.strip() for title, text in sections.items()}
    summary = texts.pop("Summary", "")
    licence = texts.pop("Licence", "")
    ordered = {
        "Facts": _facts(model, graph_hash),
        "Data": texts.pop("Data"),
        "Splits": texts.pop("Splits"),
        _METRICS: metrics_table(meta.metrics),
        "Known failures": texts.pop("Known failures"),
        **texts,
        "Licence": "\n\n".join(filter(None, [meta.licence, licence])),
    }
    if meta.recipe:
        ordered["Recipe"] = f"```toml\n{meta.recipe.strip()}\n```"
    head = f"# {meta.name} {meta.version}\n" + (f"\n{summary}\n" if summary else "")
    return head + "".join(f"\n## {title}\n\n{text}\n" for title, text in ordered.items())


def with_metrics(card: str, metrics: Mapping[str, Any]) -> str:
    """Return a card with its section 'Metrics' written anew; all else stays.

    Raises
    ------
    UsageError
        If the card has no such section.
    """
    section = re.compile(rf"^## {_METRICS}\n.*?(?=^## |\Z)", re.MULTILINE | re.DOTALL)
    text = f"## {_METRICS}\n\n{metrics_table(metrics)}\n\n"
    new, found = section.subn(lambda _: text, card, count=1)
    if not found:
        raise UsageError("the card has no section 'Metrics': export the model anew")
    return new.rstrip("\n") + "\n"


def metrics_table(metrics: Mapping[str, Any]) -> str:
    """Return metrics as Markdown: each innermost mapping a row, figures with equal names a column.

    A row of the model and one of the constant prediction thus stand side by side.
    """
    rows = list(_rows({k: v for k, v in metrics.items() if k != "artefact_hash"}))
    if not rows:
        return _NOT_YET
    columns = list(dict.fromkeys(name for _, row in rows for name in row))
    lines = [["", *columns], ["---"] * (1 + len(columns))]
    lines += [[label, *(_shown(row.get(name)) for name in columns)] for label, row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _rows(
    tree: Mapping[str, Any], path: Sequence[str] = ()
) -> Iterator[tuple[str, dict[str, Any]]]:
    figures = {k: v for k, v in tree.items() if _is_figure(v)}
    if figures:
        yield " / ".join(path) or "all", figures
    for name, branch in tree.items():
        if not _is_figure(branch):
            yield from _rows(branch, (*path, name))


def _is_figure(value: Any) -> bool:
    # An interval of `offline.evaluation.metrics` is one figure with its bounds.
    return not isinstance(value, Mapping) or value.keys() == _INTERVAL


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        value, low, high = (_shown(value[key]) for key in ("value", "low", "high"))
        return f"{value} ({low} .. {high})"
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_shown, value))
    return str(value).replace("|", "\\|")


def _facts(model: Model, graph_hash: str) -> str:
    meta: ArtefactMeta = model.meta
    lines = [
        ("Outputs", ", ".join(meta.outputs)),
        ("Step", f"{meta.step_s:g} s, trusted after {meta.warmup_s:g} s"),
        ("Trained on", meta.trained_on),
        ("Size", f"{len(model.data) / 2**10:.0f} KiB"),
        (
            "Memory",
            ", ".join(
                f"{name} [{', '.join(map(str, shape))}]"
                for name, shape in model.state_shapes.items()
            )
            or "none",
        ),
        (
            "Prior",
            "; ".join(f"{axis} {p.mean:+.3f} ± {p.sd:.3f}" for axis, p in meta.prior.items()),
        ),
    ]
    for name, spec in model.front_ends.items():
        given = meta.front_ends[name]
        kind = ", ".join(f"{key} {value}" for key, value in given.items() if value is not None)
        lines.append((f"Input `{name}`", f"{spec.frames_per_step(meta.step_s)} frames: {kind}"))
    if meta.data_hash:
        lines.append(("data_hash", f"`{meta.data_hash}`"))
    lines.append(("artefact_hash", f"`{graph_hash}`"))
    return "| | |\n| --- | --- |\n" + "\n".join(f"| {key} | {value} |" for key, value in lines)
