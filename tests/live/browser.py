"""A chromium of the system, and a page server for it to look at."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time

import pytest

from streammer.bus import Publisher
from streammer.estimate import MoodEstimate, StreamStatus

SIZES = {"phone": (390, 844), "desktop": (1920, 1080)}
EPOCH = "0192f000000000aa"


def estimate(seq=0, **changes):
    """Return an estimate of now."""
    fields = {
        "stream": "main", "epoch": EPOCH, "seq": seq, "t_audio_s": 0.5 * (seq + 1),
        "t_capture": time.time(), "t_publish": time.time(), "valence": 0.3, "arousal": -0.4,
        "sigma_valence": 0.1, "sigma_arousal": 0.15, "p_positive": 0.8, "p_energetic": 0.2,
        "quadrant": "Q4", "state": "live", "level_dbfs": -18.5, "lag_ms": 3.5, "model": "default",
        "lost_samples": 7,
    }  # fmt: skip
    return MoodEstimate(**(fields | changes))


def status(**changes):
    """Return a status."""
    fields = {
        "stream": "main", "epoch": EPOCH, "state": "live", "source": "song.mp3",
        "source_kind": "file", "models": ["default 1.1.0"], "sr": 44100, "channels": 2,
        "rates": [22050], "step_s": 0.5, "latency_s": 0.042, "steps": 3, "degraded_ticks": 0,
        "lost_samples": 7, "reopened": 0, "nonfinite_samples": 0, "clipped_samples": 0,
        "uptime_s": 1.5, "version": "0.1.0",
    }  # fmt: skip
    return StreamStatus(**(fields | changes))


class Server:
    """`streammer dash` in a process of its own, which can be killed and started again."""

    def __init__(self, endpoint, *args, port=0):
        self._command = [sys.executable, "-m", "streammer", "dash", "--connect", endpoint, *args]
        self._process = None
        self.start(port)

    def start(self, port=None):
        """Start; at the same port as before if none is named."""
        port = self.port if port is None else port
        self._process = subprocess.Popen(
            [*self._command, "--port", str(port)], stderr=subprocess.PIPE, text=True
        )
        line = self._process.stderr.readline()
        self.address = re.search(r"http://\S+", line).group()
        self.port = int(re.search(r":(\d+)/", self.address).group(1))

    def kill(self):
        self._process.kill()
        self._process.communicate()


class Tab:
    """A page in the browser, and what it complained of."""

    def __init__(self, page, address):
        self.page = page
        self.complaints = []
        self.asked = []
        page.on("console", lambda m: m.type in ("error", "warning") and self.note(m.text))
        page.on("pageerror", lambda error: self.note(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))
        page.goto(address)

    def note(self, text):
        if "willReadFrequently" not in text:  # a hint for who reads pixels, as the tests do
            self.complaints.append(text)

    def wait(self, expression, argument=None):
        """Wait until a JavaScript expression of one argument is true."""
        return self.page.wait_for_function(
            f"x => {expression}", arg=argument, timeout=30_000, polling=50
        )

    def wait_for_text(self, element, text):
        """Wait until an element says something."""
        self.wait("document.getElementById(x[0])?.textContent.includes(x[1])", [element, text])

    def text(self, element):
        return self.page.text_content(f"#{element}")


@contextlib.contextmanager
def chromium():
    """Yield a browser; skip where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        pytest.skip("chromium is not installed (apt install chromium)")
    with playwright.sync_playwright() as driver:
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        arguments = [
            "--disable-gpu",
            "--disable-dev-shm-usage",
            *(["--no-sandbox"] if root else []),
        ]
        browser = driver.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(browser, address, *, size="desktop", theme="dark", script="", **options):
    """Open a page in a profile of its own."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=theme, **options
    )
    try:
        if script:
            context.add_init_script(script)
        yield Tab(context.new_page(), address)
    finally:
        context.close()


def axe_source(folder):
    """Return the script of axe-core, which npm fetches; skip where it cannot."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    command = ["npm", "pack", "--silent", "--pack-destination", str(folder), "axe-core@4"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=folder)
    except subprocess.TimeoutExpired:
        pytest.skip("npm took over 120 s to fetch axe-core")
    if done.returncode:
        pytest.skip(f"npm could not fetch axe-core: {done.stderr[-200:]}")
    with tarfile.open(next(folder.glob("axe-core-*.tgz"))) as archive:
        return archive.extractfile("package/axe.min.js").read().decode()


@contextlib.contextmanager
def published(endpoint="tcp://127.0.0.1:0"):
    """Yield a publisher and its page server."""
    with Publisher(endpoint) as bus:
        server = Server(bus.endpoint)
        try:
            yield bus, server
        finally:
            server.kill()
