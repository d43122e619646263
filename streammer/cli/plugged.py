"""The bridges of a run, and its outputs that subscribe to the bus: begun, changed, ended."""

from collections.abc import Iterable
from importlib import import_module
from importlib.util import find_spec
from types import TracebackType

from streammer.cli.messages import complain
from streammer.config.plugs import Running, Where
from streammer.config.run import Plugged, RunConfig
from streammer.errors import StreammerError

__all__ = ["PLUG_MODULES", "PluggedTables", "load_plugs"]

PLUG_MODULES = ("streammer.bridges.venue", "streammer.recording.venue", "streammer.web.venue")
"""Modules that register kinds when they are imported (`streammer.config.plugs`)."""


def load_plugs() -> None:
    """Let every part that there is register its kinds of bridges and outputs."""
    for module in PLUG_MODULES:
        package = module.rpartition(".")[0]
        if find_spec(package) is not None and find_spec(module) is not None:
            import_module(module)


class PluggedTables:
    """What runs of the tables of kinds; a context manager.

    Parameters
    ----------
    endpoint : str or None
        The bus of the run; None if nothing is published.
    """

    def __init__(self, endpoint: str | None) -> None:
        self._endpoint = endpoint
        self._running: list[tuple[Plugged, tuple[str, ...], Running]] = []

    def __enter__(self) -> "PluggedTables":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close(range(len(self._running)))

    def apply(self, config: RunConfig) -> None:
        """Begin what is new, end what is no longer there, and leave the rest alone.

        One that cannot begin is said in a line, and harms no other.
        """
        names = tuple(feed.name for feed in config.feeds)
        wanted = [
            (table, names if table.feed is None else (table.feed,))
            for table in (*config.outputs, *config.bridges)
            if table.plugs is not None
        ]
        old = [(table, streams) for table, streams, _ in self._running]
        self._close([k for k, each in enumerate(old) if each not in wanted])
        for table, streams in wanted:
            if (table, streams) not in old:
                self._begin(table, streams, config)

    def _begin(self, table: Plugged, streams: tuple[str, ...], config: RunConfig) -> None:
        assert table.plugs is not None
        if self._endpoint is None:
            complain(f"{table.kind} follows the bus, and nothing is published: it is left out")
            return
        where = Where(self._endpoint, streams, config.folder)
        try:
            running = table.plugs[table.kind].start(table.options, where)
        except StreammerError as error:
            complain(f"{table.kind}: {error}; the run goes on without it")
            return
        self._running.append((table, streams, running))

    def _close(self, positions: Iterable[int]) -> None:
        for k in sorted(positions, reverse=True):
            table, _, running = self._running.pop(k)
            try:
                running.close()
            except Exception as error:  # the others are to end all the same
                complain(f"{table.kind} does not end in order: {error}")
