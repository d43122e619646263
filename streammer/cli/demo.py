"""`streammer demo`: the bundled track through the real pipeline, its mood on a page and here."""

import json
import signal
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from streammer.cli.messages import inform
from streammer.cli.page import load_page, open_browser, page_server
from streammer.config import DEFAULT_ENDPOINT
from streammer.errors import NetworkError, UsageError
from streammer.system.signals import stopping

if TYPE_CHECKING:
    from streammer.web.server import PageServer

__all__ = ["demo", "track_folder"]

_SETTLED_S = 4.0
"""What is left out of the comparison: at first, a movement still sounds like the one before [s]."""


def demo(
    *,
    page: Annotated[bool, Parameter(negative="--no-page")] = True,
    port: int = 8765,
    open: Annotated[bool, Parameter(negative="--no-open")] = True,
) -> int:
    """Play the bundled minute of music through the real pipeline, and show how its mood moves.

    The mood is published too: `streammer watch` shows it in any other terminal. If the usual ports
    are taken, others are chosen. At the end, what was published stands beside what was composed.

    Parameters
    ----------
    page
        Show it in a browser; where the extra dash is missing, the terminal has it alone.
    port
        Port of the page.
    open
        Open the page in this machine's browser.
    """
    endpoint = _free_endpoint()
    other = "" if endpoint == DEFAULT_ENDPOINT else f" --connect {endpoint}"
    print(f"the same mood in another terminal: streammer watch{other}", flush=True)
    with ExitStack() as stack:
        server = _page(stack, endpoint, port) if page else None
        if server is not None:
            address = f"http://127.0.0.1:{server.port}/"
            print(f"and in a browser: {address}", flush=True)
            if open and sys.stdout.isatty():
                open_browser(address)
        run = _Run()
        stack.enter_context(stopping(run))
        code = run.play(endpoint)
        if server is not None and code == 0 and sys.stdout.isatty() and not run.stopped.is_set():
            print("\nthe page stays until Ctrl-C", flush=True)
            run.stopped.wait()
    return code


def track_folder() -> Path:
    """Return where the bundled track lies: in the package, else in the checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "demo"
    return inside if inside.is_dir() else package.parent / "examples"


class _Run:
    """`streammer listen` in a process of its own; may be stopped from a signal handler."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self._process: subprocess.Popen[str] | None = None

    def stop(self) -> None:
        self.stopped.set()
        if self._process is not None and self._process.poll() is None:
            # Where Ctrl-C reached it too, this is the same signal to it, not a second one.
            self._process.send_signal(signal.SIGTERM)

    def play(self, endpoint: str) -> int:
        """Publish the track on an endpoint, show it here, and compare."""
        folder = track_folder()
        with tempfile.TemporaryDirectory() as scratch:
            log = Path(scratch) / "moods.jsonl"
            listen = [sys.executable, "-m", "streammer", "listen", str(folder / "demo.ogg")]
            listen += ["--pace", "live", "--bind", endpoint, "--jsonl", str(log)]
            to = None if sys.stdout.isatty() else subprocess.PIPE
            with subprocess.Popen(listen, stdout=to, text=True) as self._process:
                if self.stopped.is_set():
                    self.stop()
                _show(self._process.stdout or ())
            if self._process.returncode == 0:
                moods = [json.loads(line) for line in log.read_text().splitlines()]
                _compare(json.loads((folder / "demo.json").read_text()), moods)
        return self._process.returncode


def _page(stack: ExitStack, endpoint: str, port: int) -> "PageServer | None":
    """Serve the page beside the run, if what it takes is installed."""
    try:
        load_page()
    except UsageError as error:
        inform(f"{error}; until then, the terminal has it alone")
        return None
    track = track_folder() / "demo.ogg"
    try:
        server = stack.enter_context(page_server(endpoint, port, track=track))
    except NetworkError:
        server = stack.enter_context(page_server(endpoint, 0, track=track))
    thread = threading.Thread(target=server.run, name="streammer-demo-page")
    thread.start()
    stack.callback(thread.join)
    stack.callback(server.stop)
    return server


def _free_endpoint() -> str:
    """Return the usual endpoint, or one on a port that the system finds free."""
    from streammer.bus import Publisher

    for endpoint in (DEFAULT_ENDPOINT, "tcp://127.0.0.1:0"):
        try:
            with Publisher(endpoint) as probe:
                return probe.endpoint
        except NetworkError:
            continue
    raise NetworkError("no TCP port is free on 127.0.0.1: end something that uses them")


def _show(lines: Iterable[str] | IO[str]) -> None:
    """Print a line a second where there is no terminal for the live view."""
    for line in lines:
        mood = json.loads(line)
        if mood["seq"] % 2:
            text = f"{mood['t_audio_s']:5.1f} s"
            for axis in ("valence", "arousal"):
                at = round(10 * mood[axis]) + 10
                bar = "..........|.........."
                text += f"  {axis} {bar[:at]}o{bar[at + 1 :]} {mood[axis]:+.2f}"
            print(f"{text}  {mood['quadrant']} {mood['state']}", flush=True)


def _compare(plan: Sequence[Mapping[str, Any]], moods: Sequence[Mapping[str, Any]]) -> None:
    """Print what was published in each movement beside what was composed."""
    print("\nmovement  composed as   published  valence  arousal")
    for part in plan:
        begin, end = part["start_s"] + _SETTLED_S, part["end_s"]
        there = [m for m in moods if begin < m["t_audio_s"] <= end]
        if there:
            v, a = (sum(m[axis] for m in there) / len(there) for axis in ("valence", "arousal"))
            most, _ = Counter(m["quadrant"] for m in there).most_common(1)[0]
            print(f"{part['name']:<9} {part['quadrant']:<13} {most!s:<10} {v:+.2f}    {a:+.2f}")
