"""What the tests with real processes share."""

import contextlib
import socket
import sys
from pathlib import Path

import pytest
from bus_processes import Process


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
