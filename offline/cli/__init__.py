"""Commands of the laboratory: data, recipe, features, train, evaluate, export, reproduce, report.

Exit codes and one-line errors as the live command's (docs/design.md, contract 4).
"""

import sys
import traceback
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from offline.cli.data import data_app
from offline.cli.evaluate import evaluate
from offline.cli.export import export
from offline.cli.features import features
from offline.cli.recipe import recipe
from offline.cli.report import report
from offline.cli.reproduce import reproduce
from offline.cli.train import train
from offline.progress import say
from streammer.errors import StreammerError, UsageError

__all__ = ["app", "main"]

app = App(
    name="python -m offline",
    help="The laboratory: data sets, training, evaluation, export and the report.",
    version_flags=[],
)
for part in (data_app, recipe, features, train, evaluate, export, reproduce, report):
    app.command(part)


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
