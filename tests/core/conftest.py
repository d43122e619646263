"""What the core tests share: sound made here, and the command line run in a fresh process."""

import os
import subprocess
import sys
from dataclasses import dataclass

import pytest
import soundfile
from bus_parts import RawPublisher

from streammer.bus import Subscriber
from streammer.clock import FakeClock
from tests.sounds import SR, make_song


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def lines(self):
        """Lines of stderr."""
        return self.err.splitlines()


@pytest.fixture(scope="session")
def song():
    return make_song(6.0)


@pytest.fixture(scope="session")
def song_wav(tmp_path_factory, song):
    path = tmp_path_factory.mktemp("songs") / "song.wav"
    soundfile.write(path, song, SR, subtype="FLOAT")
    return path


@pytest.fixture
def streammer_cli():
    """Run `streammer ARGS` in a process of its own."""

    def run(*args, stdin=b"", timeout=60, env=None, cwd=None):
        done = subprocess.run(
            [sys.executable, "-m", "streammer", *map(str, args)],
            input=stdin,
            capture_output=True,
            timeout=timeout,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            check=False,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """A tiny model with its backend."""
    from streammer.inference.loading import load_models
    from tests.core.tiny_model import build_tiny

    return load_models([str(build_tiny(tmp_path_factory.mktemp("zoo") / "tiny.onnx"))])


@pytest.fixture
def raw():
    """Yield a publisher that sends whatever it is told."""
    with RawPublisher() as publisher:
        yield publisher


@pytest.fixture
def clock():
    """Return a clock that stands still."""
    return FakeClock()


@pytest.fixture
def moods(raw, clock):
    """Yield a subscriber of `raw` under `clock`."""
    with Subscriber(raw.endpoint, clock=clock) as subscriber:
        raw.await_subscriptions()
        yield subscriber
