"""Where file descriptors have run out, the bus says so; libzmq would end the process."""

import subprocess
import sys

import pytest

pytest.importorskip("resource", reason="this system has no limit on descriptors")

BEGIN = """
import os, resource, sys
from streammer.bus import Publisher, Subscriber
from streammer.errors import LimitError
make, left = sys.argv[1], int(sys.argv[2])
last = os.dup(0)
limit = last + left
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
try:
    Publisher("tcp://127.0.0.1:0") if make == "publisher" else Subscriber("tcp://127.0.0.1:5580")
except LimitError as error:
    print(limit, error)
"""


@pytest.mark.parametrize("left", [1, 3, 5, 8])
@pytest.mark.parametrize("make", ["publisher", "subscriber"])
def test_exhausted_descriptors_are_named_with_their_limit(make, left):
    done = subprocess.run(
        [sys.executable, "-c", BEGIN, make, str(left)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    limit, _, message = done.stdout.partition(" ")
    assert "too many open files" in message
    assert f"may open {limit}; raise the descriptor limit" in message
