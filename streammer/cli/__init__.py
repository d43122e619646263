"""The command line: builds configurations, calls the rest, and turns errors into one line.

Commands are loaded when they are asked for, so that ``--help`` is quick and a machine without
PortAudio runs everything but the microphone.
"""

import errno
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from streammer import __version__
from streammer.errors import OutputError, StreammerError, UsageError

if TYPE_CHECKING:
    from cyclopts import App

__all__ = ["complain", "main", "on_signals", "undash"]

EXIT_BUG = 70
EXIT_INTERRUPTED = 130

_DASH = "stdin:"
"""Stands for a lone '-', which the command-line library would take for an option."""

_EPILOGUE = """\
Examples:

  streammer listen mic                       what the microphone hears, here and on the bus

  streammer watch                            the same mood, in any other terminal

  streammer label music/ --out moods.csv     the mood of every file in a folder

--debug, with any command, shows where an error came from.

Exit codes: 0 done, 2 wrong usage, 3 input, 4 device, port, network or output, 5 model,
6 label did some files and not others, 70 a bug, 130 interrupted.
"""

_LISTEN = """\
Examples:

  streammer listen mic

  streammer listen device:Scarlett --select 3,4 --silence -55

  streammer listen set.mp3 --pace fast --jsonl moods.jsonl

  streammer listen https://radio.example/stream.mp3 --name radio

  ffmpeg -i in.mkv -f f32le -ac 2 -ar 44100 - | streammer listen - --rate 44100 --channels 2
"""

_WATCH = """\
Examples:

  streammer watch

  streammer watch --connect tcp://192.168.1.20:5580 --stream main

  streammer watch --json --count 10 | jq .arousal
"""

_LABEL = """\
Examples:

  streammer label music/ --out moods.csv

  streammer label a.mp3 b.wav --steps --out steps.jsonl

  streammer label music/ --out moods.parquet --model default
"""

_COMMANDS = {
    "listen": _LISTEN,
    "watch": _WATCH,
    "label": _LABEL,
    "devices": "Example:\n\n  streammer devices\n",
    "models": "Examples:\n\n  streammer models\n\n  streammer models --check my-model.onnx\n",
    "doctor": "Example:\n\n  streammer doctor\n",
}


_FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
"""No room on the disk, beyond the limit of a file, beyond the quota of the user."""

_ENDLESS = ("listen", "watch")
"""What a signal ends in order, whenever it comes."""


def _app() -> "App":
    from cyclopts import App

    app = App(
        name="streammer",
        help="Hear music as it plays and say, twice a second, how it feels.",
        help_epilogue=_EPILOGUE,
        version=__version__,
        version_flags=["--version"],
        suppress_keyboard_interrupt=False,
    )
    for name, epilogue in _COMMANDS.items():
        app.command(f"streammer.cli.{name}:{name}", name=name, help_epilogue=epilogue)
    return app


def undash(value: str) -> str:
    """Return '-' for the stand-in of a lone '-', any other value as it is."""
    return "-" if value == _DASH else value


def complain(message: object) -> None:
    """Print one line on stderr."""
    print(f"streammer: {' '.join(str(message).split())}".replace(_DASH, "-"), file=sys.stderr)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (docs/design.md, contract 4)."""
    _settle_streams()
    tokens = [_DASH if token == "-" else token for token in (argv or sys.argv[1:])]
    debug = "--debug" in tokens
    if debug:
        tokens.remove("--debug")
    try:
        with _sigterm_as_ctrl_c():
            result = _run(tokens)
            sys.stdout.flush()
    except StreammerError as error:
        if debug:
            traceback.print_exc()
        complain(error)
        return error.exit_code
    except KeyboardInterrupt:
        # Before a command listens to signals itself: imports, the model, the port.
        if tokens[:1] and tokens[0] in _ENDLESS:
            complain("ended by a signal before anything was heard")
            return 0
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _close_stdout()
        return 0
    except OSError as error:
        if error.errno in _FULL:
            _close_stdout()
            complain(f"output cannot be written ({error.strerror}): make room and start again")
            return OutputError.exit_code
        return _bug(error, debug)
    except Exception as error:
        return _bug(error, debug)
    return result if isinstance(result, int) else 0


def _run(tokens: Sequence[str]) -> object:
    # Imported here, where a signal is already one that ends in order.
    from cyclopts import CycloptsError

    try:
        return _app()(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        raise UsageError(f"{error} See streammer --help") from error


def _settle_streams() -> None:
    """Let a closed stdout or stderr be like /dev/null.

    Otherwise a file or socket opened later would take the place, and what is printed would go
    into it; and `print` to a missing stderr goes to stdout.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115


def _bug(error: Exception, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    complain(
        f"this is a bug: {type(error).__name__}: {error}. "
        "Please report it with the output of the same command with --debug"
    )
    return EXIT_BUG


def _close_stdout() -> None:
    """Point stdout at nothing: its reader is gone, and the interpreter would flush it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Raise KeyboardInterrupt on SIGTERM while the block runs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def on_signals(stop: object) -> Iterator[None]:
    """Call `stop.stop()` on Ctrl-C and SIGTERM while the block runs."""

    def handle(_number: int, _frame: object) -> None:
        stop.stop()  # type: ignore[attr-defined]

    numbers = [signal.SIGINT, signal.SIGTERM]
    before = [signal.signal(number, handle) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
