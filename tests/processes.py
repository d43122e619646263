"""Read what is left of a process of which lines were read already."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress


def read_rest(process, stdin=b"", timeout_s=60.0):
    """Return what `process` still writes to stdout and stderr, until it ends.

    `Popen.communicate` reads the pipe past the reader of `process.stdout`: lines that came
    together with one that was read wait in that reader's buffer, and are lost. This asks the
    reader. A process that has not ended after `timeout_s` is killed, so that its code tells.
    """
    watchdog = threading.Timer(timeout_s, process.kill)
    watchdog.start()
    try:
        with process, ThreadPoolExecutor(1) as pool:
            err = process.stderr and pool.submit(process.stderr.read)
            if process.stdin is not None:
                with suppress(BrokenPipeError):
                    process.stdin.write(stdin)
                    process.stdin.close()
            return process.stdout.read(), err.result() if err else None
    finally:
        watchdog.cancel()
