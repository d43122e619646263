"""The command line: builds configurations, calls the rest, and turns errors into one line.

Commands are loaded when they are asked for, so that ``--help`` is quick and a machine without
PortAudio runs everything but the microphone.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import import_module
from typing import NoReturn

from streammer.cli import commands, failures, messages
from streammer.errors import StreammerError, UsageError
from streammer.system.escape import ESCAPE
from streammer.system.signals import EXIT_INTERRUPTED, ending, interrupting, leave

__all__ = ["main", "run"]

_ENDLESS = ("listen", "run", "watch", "bridge", "dash", "record", "replay")
"""What a signal ends in order, whenever it comes."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (docs/design.md, contract 4).

    Parameters
    ----------
    argv : sequence of str, optional
        By default what the process was called with.
    """
    given = sys.argv[1:] if argv is None else argv
    tokens = [messages.DASH if token == "-" else token for token in given]
    debug, quiet = _take("--debug", tokens), _take("--quiet", tokens)
    with _settled_streams(), messages.configured(quiet=quiet):
        begun = False
        try:
            with interrupting() as came:
                begun = True
                return _report_interruption(tokens, came, debug)
        except KeyboardInterrupt:
            # The next signal, while the first was being told; or the first, before the command.
            return EXIT_INTERRUPTED if begun else _interrupted(tokens)


def run() -> NoReturn:
    """Run the command that this process was called with, and end the process."""
    leave(main())


def _report_interruption(tokens: Sequence[str], came: Sequence[int], debug: bool) -> int:
    try:
        result = _run(tokens)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return _interrupted(tokens)
    except StreammerError as error:
        if came and isinstance(error.__cause__, ImportError):
            return _interrupted(tokens)
        return failures.report(error, debug=debug)
    except OSError as error:
        return failures.report(error, debug=debug)
    except Exception as error:
        # What was interrupted may say anything: an extension module, that its import failed.
        return _interrupted(tokens) if came else failures.report(error, debug=debug)
    return result if isinstance(result, int) else 0


def _take(option: str, tokens: list[str]) -> bool:
    """Take an option of all commands out of the tokens, and return whether it was there."""
    end = tokens.index("--") if "--" in tokens else len(tokens)
    if option not in tokens[:end]:
        return False
    tokens[:end] = [token for token in tokens[:end] if token != option]
    return True


def _run(tokens: Sequence[str]) -> object:
    # Imported here, where a signal is already one that ends in order.
    with ending(*_last_words(tokens)):
        from cyclopts import CycloptsError

        if tokens[:1] and tokens[0] in commands.COMMANDS:
            import_module(f"streammer.cli.{tokens[0]}")
    app = commands.build_app()
    try:
        return app(tokens, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        raise UsageError(f"{error} See streammer --help") from error


def _last_words(tokens: Sequence[str]) -> tuple[str, int]:
    # Before a command listens to signals itself: imports, the model, the port.
    if tokens[:1] and tokens[0] in _ENDLESS:
        return "ended by a signal before there was any sound", 0
    return "interrupted", EXIT_INTERRUPTED


def _interrupted(tokens: Sequence[str]) -> int:
    words, code = _last_words(tokens)
    messages.complain(words)
    return code


@contextmanager
def _settled_streams() -> Iterator[None]:
    """Let a closed stdout or stderr be like /dev/null, and stdout escape what it cannot show.

    Otherwise a file or socket opened later would take the place, and what is printed would go
    into it; and `print` to a missing stderr goes to stdout.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    sys.stdout = sys.stdout or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    out = sys.stdout
    before = getattr(out, "errors", None)
    if hasattr(out, "reconfigure"):
        out.reconfigure(errors=ESCAPE)
    try:
        yield
    finally:
        if hasattr(out, "reconfigure"):
            with suppress(OSError, ValueError):  # its reader is gone, or it was closed
                out.reconfigure(errors=before)
