"""A file of a run with every key, each with what it means: made of the tables themselves."""

import json
from textwrap import wrap
from typing import Any

from msgspec import Meta

from streammer.config.fields import fields_of
from streammer.config.plugs import BRIDGES, OUTPUTS, Plugs
from streammer.config.run import BusOptions, FeedOptions, JsonlOptions, ModelOptions

__all__ = ["example_run"]

_HEAD = """\
# A run of streammer: many inputs in one process, each a stream on the bus.
#
#   streammer run venue.toml --check      read it, and do no more
#   streammer run venue.toml              run it; kill -HUP, or --watch, applies what has changed
#
# What stands here without # is in force; a line with # shows a key with its default or an example.
# Relative paths start at this file's folder. The command line and the environment override it:
# --bind, STREAMMER_BIND; --set stage.gain_db=6, STREAMMER_FEED_STAGE_GAIN_DB=6.
"""

_FEEDS: tuple[dict[str, Any], ...] = (
    {"name": "stage", "source": "device:Scarlett", "select": [3, 4], "silence_dbfs": -50.0,
     "wait": True},
    {"name": "radio", "source": "https://radio.example/stream.mp3", "wait": True},
)  # fmt: skip


def example_run() -> str:
    """Return the text of a file that `read_run` accepts."""
    parts = [_HEAD]
    parts.append(_table("[bus]", BusOptions, {}))
    parts.append(_table("[model]", ModelOptions, {}))
    first, *others = _FEEDS
    parts.append(_table("[[feeds]]", FeedOptions, first))
    parts += [_short("[[feeds]]", values) for values in others]
    jsonl = {"kind": "jsonl", "path": "moods.jsonl"}
    parts.append(_table("[[outputs]]", JsonlOptions, jsonl))
    for header, plugs in (("[[outputs]]", OUTPUTS), ("[[bridges]]", BRIDGES)):
        parts += [_plugged(header, plugs, kind) for kind in plugs.kinds]
    return "\n".join(parts)


def _table(header: str, struct: type[Any], values: dict[str, Any]) -> str:
    lines = _comment(struct.__doc__ or "")
    lines.append(header)
    if "kind" in values:
        lines.append(f"kind = {_toml(values['kind'])}")
    for field in fields_of(struct):
        lines += _comment(f"{field.meta.description or ''}{_range(field.meta)}".strip())
        if field.name in values:
            lines.append(f"{field.name} = {_toml(values[field.name])}")
            continue
        shown = field.default
        if shown is None or field.required:
            shown = (field.meta.examples or [""])[0]
        lines.append(f"# {field.name} = {_toml(shown)}")
    return "\n".join(lines) + "\n"


def _plugged(header: str, plugs: Plugs, kind: str) -> str:
    # Whether its receiver is there, nobody knows: it is shown, and not in force.
    text = _table(header, plugs[kind].options, {"kind": kind})
    return (
        "\n".join(line if line.startswith("#") else f"# {line}" for line in text.splitlines())
        + "\n"
    )


def _short(header: str, values: dict[str, Any]) -> str:
    return "\n".join([header, *(f"{key} = {_toml(value)}" for key, value in values.items())]) + "\n"


def _comment(text: str) -> list[str]:
    first = text.strip().partition("\n\n")[0]
    return [f"# {line}" for line in wrap(" ".join(first.split()), 96)]


def _range(meta: Meta) -> str:
    if meta.ge is None or meta.le is None:
        return ""
    return f" {meta.ge:g} to {meta.le:g}."


def _toml(value: Any) -> str:
    """Return a value as TOML: JSON is, for texts, numbers, lists and truth."""
    return json.dumps(value, ensure_ascii=False)
