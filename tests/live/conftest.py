"""What the tests with real processes share."""

import contextlib
import socket
import sys
from pathlib import Path

import pytest
import soundfile
from bus_processes import Process

from tests.sounds import SR, make_song


@pytest.fixture
def start():
    """Start a program; it is gone when the test is."""
    with contextlib.ExitStack() as stack:

        def run(*command: object, **options: int) -> Process:
            process = Process(*command, **options)
            stack.callback(process.close)
            return process

        yield run


@pytest.fixture
def publish(start):
    """Start a publisher of made-up estimates; return it and its endpoint."""

    def run(endpoint: str = "tcp://127.0.0.1:0", *args: object) -> tuple[Process, str]:
        process = start(sys.executable, Path(__file__).parent / "bus_publisher.py", endpoint, *args)
        return process, process.line()

    return run


@pytest.fixture
def watch(start):
    """Start `streammer watch`."""

    def run(*args: object, **options: int) -> Process:
        return start(sys.executable, "-m", "streammer", "watch", *args, **options)

    return run


@pytest.fixture
def free_endpoint() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"tcp://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture(scope="session")
def album(tmp_path_factory):
    """Return a folder of three short songs."""
    folder = tmp_path_factory.mktemp("album")
    for k in range(3):
        soundfile.write(folder / f"{k}.flac", make_song(4.0 + k, seed=k), SR)
    return folder


@pytest.fixture(scope="session")
def long_album(tmp_path_factory):
    """Return a folder of songs that take a while."""
    folder = tmp_path_factory.mktemp("long")
    soundfile.write(folder / "00.wav", make_song(20.0, channels=1), SR)
    for k in range(1, 60):
        (folder / f"{k:02}.wav").hardlink_to(folder / "00.wav")
    return folder
