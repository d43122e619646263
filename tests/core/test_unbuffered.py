"""Writing to descriptors that others share."""

import os
import sys
import threading

import pytest

from streammer.system.unbuffered import write_all


@pytest.mark.skipif(sys.platform == "win32", reason="select waits for sockets only there")
def test_a_pipe_that_was_made_non_blocking_is_waited_for():
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    data = bytes(range(256)) * 4096  # more than any pipe takes at once
    thread = threading.Thread(target=lambda: (write_all(theirs, data), os.close(theirs)))
    thread.start()
    with open(ours, "rb") as reader:
        assert reader.read(len(data)) == data
    thread.join()
