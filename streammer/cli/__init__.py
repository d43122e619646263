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
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from streammer import __version__
from streammer.errors import OutputError, StreammerError, UsageError

if TYPE_CHECKING:
    from cyclopts import App

__all__ = ["complain", "main", "on_signals", "starting", "undash"]

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
    came: list[int] = []
    try:
        with _signals_as_ctrl_c(came):
            result = _run(tokens)
            sys.stdout.flush()
    except StreammerError as error:
        if came and isinstance(error.__cause__, ImportError):
            return _interrupted(tokens)
        if debug:
            traceback.print_exc()
        complain(error)
        return error.exit_code
    except KeyboardInterrupt:
        return _interrupted(tokens)
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
        # What was interrupted may say anything: an extension module, that its import failed.
        return _interrupted(tokens) if came else _bug(error, debug)
    return result if isinstance(result, int) else 0


def _run(tokens: Sequence[str]) -> object:
    # Imported here, where a signal is already one that ends in order.
    with starting(tokens):
        from cyclopts import CycloptsError

        if tokens[:1] and tokens[0] in _COMMANDS:
            import_module(f"streammer.cli.{tokens[0]}")
    try:
        return _app()(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        raise UsageError(f"{error} See streammer --help") from error


def _last_words(tokens: Sequence[str]) -> tuple[str, int]:
    # Before a command listens to signals itself: imports, the model, the port.
    if tokens[:1] and tokens[0] in _ENDLESS:
        return "ended by a signal before anything was heard", 0
    return "interrupted", EXIT_INTERRUPTED


def _interrupted(tokens: Sequence[str]) -> int:
    words, code = _last_words(tokens)
    complain(words)
    return code


@contextmanager
def starting(tokens: Sequence[str] = ()) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the process there and then while the block runs.

    It is for imports and the like, when nothing is open yet that would have to be closed. An
    exception instead can be raised in places that print it and go on, or make another of it.
    """
    words, code = _last_words(tokens)

    def end(_number: int, _frame: object) -> NoReturn:
        os.write(2, f"streammer: {words}\n".encode())
        os._exit(code)

    numbers = [signal.SIGINT, signal.SIGTERM]
    if threading.current_thread() is not threading.main_thread():
        numbers = []
    before = {n: handler for n in numbers if callable(handler := signal.getsignal(n))}
    try:
        for number in before:
            signal.signal(number, end)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
def _signals_as_ctrl_c(came: list[int]) -> Iterator[None]:
    """Note SIGINT and SIGTERM, and raise KeyboardInterrupt on them, while the block runs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, _frame: object) -> NoReturn:
        came.append(number)
        raise KeyboardInterrupt

    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, handle)}
    if callable(signal.getsignal(signal.SIGINT)):  # a shell lets its background jobs ignore it
        before[signal.SIGINT] = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
