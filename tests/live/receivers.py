"""Real receivers of the protocols of lights and screens, for the tests of the bridges."""

import shutil
import socket
import sys
import time

import pytest


def needs_program(name, package):
    """Return the path of a program, or skip the test with the package that has it."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed (apt install {package})")
    return path


def free_port(kind=socket.SOCK_DGRAM):
    """Return a port on which nobody listens."""
    with socket.socket(socket.AF_INET, kind) as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def bridge(*arguments):
    """Return the command of a bridge."""
    return [sys.executable, "-m", "streammer", "bridge", *arguments]


def await_true(test, what, timeout_s=30.0):
    """Wait until a test holds, and return what it returned."""
    until = time.monotonic() + timeout_s
    while time.monotonic() < until:
        if result := test():
            return result
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {timeout_s} s")
