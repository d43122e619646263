"""`streammer devices`: the sound inputs of this machine."""

import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from streammer.sources.device.inputs import InputDevice

__all__ = ["devices"]


def devices() -> int:
    """List the sound inputs: a table in a terminal, JSON lines elsewhere.

    Give one to listen as device:NAME, where a part of the name is enough, or as device:#INDEX.
    """
    from streammer.sources.device import process

    found = process.list_inputs().inputs
    if sys.stdout.isatty():
        _print_table(found)
    else:
        for device in found:
            print(msgspec.json.encode(_row(device)).decode())
    if not found:
        from streammer.cli.messages import complain

        complain(
            "there is no sound input; connect one or start the sound server. Files, URLs and "
            "pipes work without"
        )
    return 0


def _row(device: InputDevice) -> dict[str, Any]:
    return {
        "index": device.index,
        "name": device.name,
        "api": device.api,
        "channels": device.channels,
        "sr": device.sr,
        "default": device.default,
        "loopback": device.loopback,
    }


def _print_table(found: Sequence[InputDevice]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for heading in ("#", "name", "system", "channels", "rate", ""):
        table.add_column(heading, justify="right" if heading in ("#", "channels") else "left")
    for device in found:
        marks = [
            "mic (default)" if device.default else "",
            "loop-back: what is played" if device.loopback else "",
        ]
        table.add_row(
            str(device.index),
            device.name,
            device.api,
            str(device.channels),
            f"{device.sr} Hz",
            ", ".join(filter(None, marks)),
        )
    Console().print(table)
