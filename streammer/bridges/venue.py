"""The bridges as tables ``[[bridges]]`` of a run: the same options as on the command line."""

import dataclasses
import logging
import re
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from streammer.bridges.inbox import following
from streammer.bridges.kinds import KINDS, make_bridges
from streammer.bridges.options import Shaping
from streammer.bridges.runner import Runner, Source
from streammer.clock import SystemClock
from streammer.config.plugs import BRIDGES, Where
from streammer.errors import StreammerError, UsageError

__all__ = ["RunningBridges"]

_CLOSE_S = 2.0
"""How long the end of a bridge is waited for [s]: it says its last words in a writer's thread."""

_log = logging.getLogger("streammer.bridges")


class RunningBridges:
    """Bridges that work in a thread of their own, until they are closed.

    Parameters
    ----------
    kind : str
        For messages.
    runner : Runner
    endpoint : str
        The bus of the run.
    streams : sequence of str
    """

    def __init__(self, kind: str, runner: Runner, endpoint: str, streams: Sequence[str]) -> None:
        self._kind = kind
        self._runner = runner
        with ExitStack() as stack:
            sources = stack.enter_context(following(endpoint, streams, SystemClock()))
            self._thread = threading.Thread(
                target=self._run, args=(sources,), name=f"streammer-{kind}", daemon=True
            )
            self._thread.start()
            self._sources = stack.pop_all()

    def close(self) -> None:
        """End: lights go dark, sensors become unavailable."""
        self._runner.stop()
        self._thread.join(_CLOSE_S)
        self._sources.close()

    def _run(self, sources: dict[str, Source]) -> None:
        try:
            self._runner.run(sources)
        except StreammerError as error:
            _log.warning("%s: %s; the run goes on without it", self._kind, error)
        except Exception as error:
            _log.warning(
                "%s: this is a bug: %r; the run goes on without it",
                self._kind,
                error,
                exc_info=True,
            )


def _start(kind: str) -> Callable[[Any, Where], RunningBridges]:
    def start(options: Any, where: Where) -> RunningBridges:
        paths = {
            field.name: where.folder / value
            for field in dataclasses.fields(options)
            if isinstance(value := getattr(options, field.name), Path)
        }
        options = dataclasses.replace(options, **paths)
        try:
            runner = Runner(options, make_bridges(kind, options, where.streams))
        except UsageError as error:
            raise UsageError(_as_keys(str(error))) from error
        return RunningBridges(kind, runner, where.endpoint, where.streams)

    return start


def _check(options: Any) -> None:
    """Check the options of a table, whose messages name keys and not options."""
    try:
        super(type(options), options).__post_init__()
    except UsageError as error:
        raise UsageError(_as_keys(str(error))) from None


def _as_keys(text: str) -> str:
    return re.sub(r"--([a-z][a-z-]*)", lambda found: found[1].replace("-", "_"), text)


def _table(options: type[Shaping]) -> type[Any]:
    """Return the options of a kind as a table, which also names the feed."""
    first = (options.__doc__ or "").partition("\n")[0]
    return dataclasses.make_dataclass(
        options.__name__,
        [("feed", str | None, None)],
        bases=(options,),
        frozen=True,
        kw_only=True,
        namespace={
            "__post_init__": _check,
            "__doc__": f"{first}\n\n    Attributes\n    ----------\n    feed : str or None\n"
            "        The feed that it follows; left out: all, where the protocol takes several.\n",
        },
    )


for _kind in KINDS:
    BRIDGES.register(_kind, _table(KINDS[_kind].options), _start(_kind))
