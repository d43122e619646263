"""Raw PCM from a pipe: what another program writes, taken as it comes."""

import logging
import os
import queue
import select
import stat
import sys
import threading
from difflib import get_close_matches
from pathlib import Path
from typing import IO, Any

from streammer.audio.block import BLOCK, MIN_SR, Block, SourceEnd, SourceInfo
from streammer.clock import Clock
from streammer.errors import InputError, UsageError
from streammer.sources.latch import Latch
from streammer.sources.pcm_guess import FORMATS, PcmJudge, decode_pcm

__all__ = ["PcmSource"]

MAX_CHANNELS = 32
MAX_RATE = 768_000

_POLL_S = 0.1

_log = logging.getLogger("streammer.sources")


class PcmSource:
    """Interleaved samples from a binary stream that may stall.

    Parameters
    ----------
    stream : binary file or Path, optional
        By default the process's stdin. A named pipe is heard whoever writes to it, and waits when
        its writer goes: it has no end.
    format : str
        One of `FORMATS`.
    rate, channels : int
        Hz, and count.
    clock : Clock
        A sample counts as captured when it arrives.

    Raises
    ------
    UsageError
        If format, rate or channels are none of sound.
    """

    reopened = 0
    detail = ""

    def __init__(
        self,
        stream: IO[bytes] | Path | None,
        *,
        format: str,
        rate: int,
        channels: int,
        clock: Clock,
    ) -> None:
        if format not in FORMATS:
            near = get_close_matches(format, FORMATS, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise UsageError(f"format {format!r} is not one of {', '.join(FORMATS)}{hint}")
        if not MIN_SR <= rate <= MAX_RATE:
            raise UsageError(f"rate is {rate}, expected {MIN_SR} to {MAX_RATE} Hz such as 44100")
        if not 1 <= channels <= MAX_CHANNELS:
            raise UsageError(f"channels is {channels}, expected 1 to {MAX_CHANNELS}")
        self._stream = stream
        self._format = format
        self._frame = FORMATS[format] * channels
        self._clock = clock
        self._tail = b""
        self._position = 0
        self._judge = PcmJudge(format, rate, channels)
        self._bytes: _Bytes | None = None
        self._closed = Latch(clock)
        self._name = str(stream) if isinstance(stream, Path) else "stdin"
        self._opened: IO[bytes] | None = None
        self._reading = threading.Lock()
        self.info = SourceInfo(
            sr=rate, channels=channels, name=self._name, clocked=False, kind="pcm"
        )

    def open(self) -> SourceInfo:
        """Begin to read.

        Raises
        ------
        InputError
            If there is nothing to read from, or only a keyboard.
        """
        stream = self._stream
        if isinstance(stream, Path):
            stream = self._opened = _open_path(stream)
        if stream is None:
            if sys.stdin is None or sys.stdin.closed:
                raise InputError("stdin is closed: pipe raw PCM into it")
            stream = sys.stdin.buffer
        if stream.isatty():
            raise InputError(
                "stdin is a terminal: pipe raw PCM into it, as in "
                "ffmpeg -i song.mkv -f f32le -ac 2 -ar 44100 - | streammer listen -"
            )
        self._bytes = _open_bytes(stream)
        return self.info

    def read(self, timeout_s: float) -> Block | SourceEnd | None:
        """Return what has come, the end, or None if nothing came within `timeout_s`."""
        with self._reading:
            return self._read(timeout_s)

    def close(self) -> None:
        """End; a stream that was given stays open."""
        self._closed.set()
        if self._bytes is not None:
            self._bytes.stop()
        with self._reading:  # for a moment: what waits there looks at the latch
            opened, self._opened = self._opened, None
            if opened is not None:
                opened.close()

    def _read(self, timeout_s: float) -> Block | SourceEnd | None:
        if self._bytes is None:
            raise RuntimeError("read before open")
        until = self._clock.monotonic() + max(0.0, timeout_s)
        while not self._closed.is_set():
            left = max(0.0, until - self._clock.monotonic())
            try:
                data = self._bytes.read(BLOCK * self._frame - len(self._tail), min(left, _POLL_S))
            except OSError as error:
                return SourceEnd("error", f"{self._name} cannot be read: {error.strerror or error}")
            if data == b"":
                return self._at_end()
            if data is not None:
                data = self._tail + data
                whole = len(data) - len(data) % self._frame
                self._tail = data[whole:]
                if whole:
                    return self._block(data[:whole])
            if self._clock.monotonic() >= until:
                return None
        return SourceEnd("closed")

    def _block(self, data: bytes) -> Block:
        if words := self._judge.look(data):
            _log.warning("%s%s", self._name, words.removeprefix("stdin"))
        samples = decode_pcm(data, self._format, self.info.channels)
        now = self._clock.monotonic()
        block = Block(samples, self._position, self._clock.unix(), t_arrival=now)
        self._position += len(samples)
        return block

    def _at_end(self) -> SourceEnd:
        if not self._tail:
            return SourceEnd("eof")
        return SourceEnd(
            "eof",
            f"{self._name} ended within a frame ({len(self._tail)} of {self._frame} bytes): "
            "check --format and --channels",
        )


class _Bytes:
    """Bytes from a descriptor that `select` can wait for."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def read(self, n: int, timeout_s: float) -> bytes | None:
        """Return up to `n` bytes, b'' at the end, or None if nothing came in time."""
        ready, _, _ = select.select([self._fd], [], [], timeout_s)
        if not ready:
            return None
        try:
            return os.read(self._fd, n)
        except BlockingIOError:
            return None

    def stop(self) -> None:
        """Nothing is to be stopped."""


class _ThreadBytes(_Bytes):
    """Bytes from anything that can only be read by waiting (Windows pipes, file objects).

    The thread is a daemon: a pipe that never ends does not hold up the end of the program.
    """

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._queue: queue.Queue[bytes | OSError] = queue.Queue(4)
        self._rest = b""
        self._over = False
        self._stopped = threading.Event()
        threading.Thread(target=self._run, name="streammer-pipe", daemon=True).start()

    def read(self, n: int, timeout_s: float) -> bytes | None:
        """Return up to `n` bytes, b'' at the end, or None if nothing came in time."""
        if self._over:
            return b""
        if not self._rest:
            try:
                item = self._queue.get(timeout=max(0.0, timeout_s))
            except queue.Empty:
                return None
            if isinstance(item, OSError):
                raise item
            self._over = not item
            self._rest = item
        data, self._rest = self._rest[:n], self._rest[n:]
        return data

    def stop(self) -> None:
        """Let the thread end after its present read."""
        self._stopped.set()

    def _run(self) -> None:
        read = getattr(self._stream, "read1", self._stream.read)
        while not self._stopped.is_set():
            try:
                data = read(1 << 16)
            except (OSError, ValueError) as error:
                self._put(error if isinstance(error, OSError) else OSError(str(error)))
                return
            if data is None:
                continue
            self._put(data)
            if not data:
                return

    def _put(self, item: bytes | OSError) -> None:
        while not self._stopped.is_set():
            try:
                return self._queue.put(item, timeout=_POLL_S)
            except queue.Full:
                continue


def _open_path(path: Path) -> IO[bytes]:
    try:
        if not stat.S_ISFIFO(os.stat(path).st_mode):
            return open(path, "rb")
        # To write too: opening does not wait for a writer, and the last one to go is no end.
        return open(os.open(path, os.O_RDWR | os.O_NONBLOCK), "rb")
    except OSError as error:
        raise InputError(f"{path} cannot be opened ({error.strerror or error})") from error


def _open_bytes(stream: IO[bytes]) -> _Bytes:
    if sys.platform != "win32":
        try:
            return _Bytes(stream.fileno())
        except (OSError, ValueError, AttributeError):
            pass  # an object in memory has no descriptor
    return _ThreadBytes(stream)
