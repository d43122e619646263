"""A URL: internet radio, HLS, a file on a server.

A thread connects, decodes and fills the ring, which holds 10 s and makes the thread wait when it
is full; `PacedSource` plays it by the clock.

How it ends: the server named a length (Content-Length, a playlist with its end, a container with
its duration) and all of it came: 'eof'. Anything else, a radio that closes the connection
included, is 'lost', and the supervisor connects again.
"""

import errno
import logging
import re
import socket
import threading
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from urllib.request import Request, urlopen

from streammer import __version__
from streammer.audio.block import BLOCK, Block, SourceEnd, SourceInfo
from streammer.audio.ring import RING_S, Ring
from streammer.clock import Clock
from streammer.errors import InputError, NetworkError, StreammerError

__all__ = ["UrlSource", "redacted"]

OPEN_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 5.0
HLS_READ_TIMEOUT_S = 20.0
"""Between two segments, which come as a whole, nothing is heard from the server."""

_PROBE = {"analyzeduration": "1000000", "probesize": "131072"}
"""A station that sends at the pace of its sound must not be probed for 5 s [us, bytes]."""

_BEGINNING = 512
"""So much of a page is looked at [bytes]."""

_NOT_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")

_POLL_S = 0.1

_log = logging.getLogger("streammer.sources")


class UrlSource:
    """What a server sends, decoded.

    Parameters
    ----------
    url : str
    clock : Clock
        A sample counts as captured when it was decoded.
    open_timeout_s, read_timeout_s : float, optional
        How long to wait for the server [s]; between packets by default 5, for HLS 20.
    """

    reopened = 0
    detail = ""

    def __init__(
        self,
        url: str,
        clock: Clock,
        *,
        open_timeout_s: float = OPEN_TIMEOUT_S,
        read_timeout_s: float | None = None,
    ) -> None:
        self._url = url
        self._label = redacted(url)
        self._clock = clock
        self._open_timeout_s = open_timeout_s
        is_hls = urlsplit(url).path.lower().endswith(".m3u8")
        self._read_timeout_s = read_timeout_s or (HLS_READ_TIMEOUT_S if is_hls else READ_TIMEOUT_S)
        self._closed = threading.Event()
        self._opened = threading.Event()
        self._refusal: BaseException | None = None
        self._end: SourceEnd | None = None
        self._ring: Ring | None = None
        self._info: SourceInfo | None = None

    @property
    def info(self) -> SourceInfo:
        """Rate and channels of what is sent; known from `open` on."""
        if self._info is None:
            raise RuntimeError("info before open")
        return self._info

    def open(self) -> SourceInfo:
        """Connect and decode the first frame.

        Raises
        ------
        NetworkError
            If the server cannot be reached, refuses, or says nothing.
        InputError
            If what it sends is no sound.
        """
        threading.Thread(target=self._run, name="streammer-url", daemon=True).start()
        # Waiting here rather than in FFmpeg keeps signal handlers, and `close`, at work.
        while not self._opened.wait(_POLL_S):
            if self._closed.is_set():
                raise NetworkError(f"{self._label} was closed while it was being opened")
        if self._refusal is not None:
            raise self._refusal
        return self.info

    def read(self, timeout_s: float) -> Block | SourceEnd | None:
        """Return the next block, the end, or None if nothing came within `timeout_s`."""
        ring = self._ring
        if self._closed.is_set() or ring is None:
            return SourceEnd("closed")
        end = self._end  # read before the ring: what came before the end is not left behind
        got = ring.read(BLOCK, 0.0 if end else timeout_s)
        if got is not None:
            return Block(
                got.samples,
                got.position,
                got.t_capture,
                got.lost,
                t_arrival=got.t_arrival_mono,
            )
        return end

    def close(self) -> None:
        """End; the thread leaves when the server next says something, or by its timeout."""
        self._closed.set()
        if self._ring is not None:
            self._ring.wake()

    def _run(self) -> None:
        try:
            container, decoder = self._connect()
        except BaseException as error:  # raised by `open`, where it is waited for
            self._refusal = error
            self._opened.set()
            return
        try:
            ring = self._ring = Ring(
                int(RING_S * decoder.sr), decoder.channels, sr=decoder.sr, clock=self._clock
            )
            self._info = SourceInfo(
                sr=decoder.sr,
                channels=decoder.channels,
                name=self._label,
                clocked=False,
                kind="url",
            )
            self._opened.set()
            for samples in decoder.blocks():
                now = self._clock.monotonic()
                if not ring.write_wait(samples, self._clock.unix(), now, self._closed):
                    return
            self._end = self._why_it_ended(container, decoder)
        except BaseException as error:
            _log.debug("%s", self._label, exc_info=True)
            self._end = SourceEnd("lost", f"{self._label}: {type(error).__name__}: {error}")
        finally:
            container.close()
            if self._ring is not None:
                self._ring.wake()

    def _connect(self) -> tuple[Any, Any]:
        import av

        from streammer.sources.av_decode import Decoder, one_line, open_container

        try:
            container = open_container(
                self._url,
                timeout=(self._open_timeout_s, self._read_timeout_s),
                options={"user_agent": f"streammer/{__version__}", **_PROBE},
            )
        except av.InvalidDataError as error:
            raise self._no_sound() from error
        except av.ExitError as error:
            raise NetworkError(
                f"{self._label} does not answer within {self._open_timeout_s:g} s: "
                "check the address and the network"
            ) from error
        except (av.FFmpegError, OSError, ValueError) as error:
            if getattr(error, "errno", None) == errno.EIO and self._sends_text():
                raise self._no_sound() from error
            raise NetworkError(
                f"{self._label} cannot be opened: {self._diagnosis(one_line(error))}"
            ) from error
        try:
            return container, Decoder(container, self._label)
        except StreammerError:
            container.close()
            raise

    def _no_sound(self) -> InputError:
        return InputError(
            f"{self._label} sends no sound that can be decoded: give the URL of the sound "
            "itself, not of a page or a playlist"
        )

    def _sends_text(self) -> bool:
        """Whether the server answers with text.

        FFmpeg calls the end of a page whose length was not named an error of input and output,
        as it does an unknown host. So the server is asked for the beginning again.
        """
        try:
            request = Request(self._url, headers={"User-Agent": f"streammer/{__version__}"})
            with urlopen(request, timeout=self._read_timeout_s) as answer:
                beginning = answer.read(_BEGINNING)
        except (OSError, HTTPException, ValueError):
            return False
        # A playlist is text, but what could not be read may be its sound.
        text = beginning.strip()
        return bool(text) and not text.startswith(b"#EXTM3U") and _NOT_TEXT.search(text) is None

    def _diagnosis(self, reason: str) -> str:
        """Say what is behind FFmpeg's one error for everything on the way."""
        host = urlsplit(self._url).hostname
        try:
            socket.getaddrinfo(host, None)
        except OSError:
            return f"the host {host} is not known; check its name and the network"
        return f"{reason}; check the address"

    def _why_it_ended(self, container: Any, decoder: Any) -> SourceEnd:
        if decoder.stopped:
            if "exit requested" in decoder.stopped.lower():
                return SourceEnd(
                    "lost", f"{self._label} sent nothing for {self._read_timeout_s:g} s"
                )
            return SourceEnd("lost", f"{self._label} was cut off ({decoder.stopped})")
        if (container.size or 0) > 0 or container.duration is not None:
            return SourceEnd("eof")
        return SourceEnd("lost", f"{self._label} ended")


def redacted(url: str) -> str:
    """Return a URL without user, password and query: it is shown, logged and published.

    Examples
    --------
    >>> redacted("https://me:secret@radio.example:8000/live.mp3?token=1")
    'https://radio.example:8000/live.mp3'
    """
    parts = urlsplit(url)
    place = re.sub(r"^.*@", "", parts.netloc)
    return urlunsplit((parts.scheme, place, parts.path, "", ""))
