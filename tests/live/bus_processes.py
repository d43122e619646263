"""Start and end real processes for the tests of the bus."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator


class Process:
    """A running program whose stdout is read line by line."""

    def __init__(
        self,
        *command: object,
        stdout: int = subprocess.PIPE,
        stdin: int = subprocess.DEVNULL,
        group: bool = False,
    ) -> None:
        self.popen = subprocess.Popen(
            [*map(str, command)],
            stdout=stdout,
            stderr=subprocess.PIPE,
            stdin=stdin,
            start_new_session=group,
            env={**os.environ, "PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"},
        )
        self._err: list[bytes] = []
        self._new = threading.Condition()
        self._reader = threading.Thread(target=self._read_err, daemon=True)
        self._reader.start()

    def _read_err(self) -> None:
        assert self.popen.stderr is not None
        for line in self.popen.stderr:
            with self._new:
                self._err.append(line)
                self._new.notify_all()

    @property
    def err(self) -> str:
        return b"".join(self._err).decode()

    def await_err(self, text: str, timeout_s: float = 15.0) -> None:
        with self._new:
            found = self._new.wait_for(lambda: text in self.err, timeout_s)
        assert found, f"{text!r} not on stderr within {timeout_s} s: {self.err}"

    def line(self) -> str:
        assert self.popen.stdout is not None
        return self.popen.stdout.readline().decode().rstrip("\n")

    def rest(self, timeout_s: float = 15.0) -> list[str]:
        """Return the lines left until the program has ended."""
        assert self.popen.stdout is not None
        with _killed_after(self.popen, timeout_s):
            return self.popen.stdout.read().decode().splitlines()

    def send(self, number: int) -> None:
        self.popen.send_signal(number)

    def end(self, number: int = signal.SIGTERM, timeout_s: float = 15.0) -> int:
        self.send(number)
        return self.wait(timeout_s)

    def wait(self, timeout_s: float = 15.0) -> int:
        code = self.popen.wait(timeout_s)
        self._reader.join(timeout_s)
        return code

    def close(self) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        self._reader.join()
        for pipe in (self.popen.stdout, self.popen.stderr):
            if pipe is not None:
                pipe.close()


@contextlib.contextmanager
def _killed_after(popen: "subprocess.Popen[bytes]", timeout_s: float) -> Iterator[None]:
    timer = threading.Timer(timeout_s, popen.kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
