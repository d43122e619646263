"""A URL: internet radio, HLS, a file on a server.

A thread connects, decodes and fills the ring, which holds 10 s and makes the thread wait when it
is full; `PacedSource` plays it by the clock.

How it ends. What has a length of its own (Content-Length, a playlist with its end, a container
with its duration) is a recording: when all of it came, 'eof'. When its connection is cut, 'lost',
and the next life of the source goes on where this one stopped, or ends with 'error' where the
server cannot send a part: what was played is never played again. Anything else is a station, and
however it ends it is 'lost': the supervisor connects again.
"""

import errno
import logging
import threading
from typing import Any
from urllib.parse import urlsplit

from streammer.audio.block import BLOCK, Block, SourceEnd, SourceInfo
from streammer.audio.ring import RING_S, Ring
from streammer.clock import Clock
from streammer.errors import InputError, NetworkError, StreammerError
from streammer.sources.address import (
    USER_AGENT,
    check_url,
    diagnosis,
    redacted,
    sends_text,
    takes_ranges,
)
from streammer.sources.progress import Progress

__all__ = ["UrlSource"]

OPEN_TIMEOUT_S = 10.0
READ_TIMEOUT_S = 5.0
HLS_READ_TIMEOUT_S = 20.0
"""Between two segments, which come as a whole, the server sends nothing."""

_PROBE = {"analyzeduration": "1000000", "probesize": "131072"}
"""A station that sends at the pace of its sound must not be probed for 5 s [us, bytes]."""

MUTE_S = 5.0
"""Bytes that give no sound for so long are no sound any more [s]: another codec, or garbage."""

TRIES = 3
"""Lives in a row that add nothing to a recording before it is given up."""

_POLL_S = 0.1
_SEEK_MORE_S = 5.0

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
    mute_s : float, optional
        How long bytes may give no sound [s].
    progress : Progress, optional
        Shared by the lives of one source, so that a recording goes on where it was cut.

    Raises
    ------
    UsageError
        If no server can have this URL.
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
        mute_s: float = MUTE_S,
        progress: Progress | None = None,
    ) -> None:
        check_url(url)
        self._url = url
        self._label = redacted(url)
        self._clock = clock
        self._open_timeout_s = open_timeout_s
        is_hls = urlsplit(url).path.lower().endswith(".m3u8")
        self._read_timeout_s = read_timeout_s or (HLS_READ_TIMEOUT_S if is_hls else READ_TIMEOUT_S)
        self._mute_s = mute_s
        self._progress = progress or Progress()
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
            If the server cannot be reached, refuses, or sends nothing.
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
        """End; the thread leaves when the server next sends something, or by its timeout."""
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
            self._end = self._go_on(container, decoder) or self._deliver(container, decoder, ring)
        except BaseException as error:
            _log.debug("%s", self._label, exc_info=True)
            self._end = SourceEnd("lost", f"{self._label}: {type(error).__name__}: {error}")
        finally:
            container.close()
            if self._ring is not None:
                self._ring.wake()

    def _go_on(self, container: Any, decoder: Any) -> SourceEnd | None:
        """Move to where a former life stopped; return an end if that cannot be done."""
        import av

        decoded_s = self._progress.decoded_s
        if not decoded_s:
            self._progress.size = container.size or 0
            return None
        is_http = urlsplit(self._url).scheme.lower() in ("http", "https")
        if is_http and not _is_playlist(container):
            if not takes_ranges(self._url, self._open_timeout_s):
                return self._cannot_go_on("the server sends no parts of it")
            if (container.size or 0) != self._progress.size:
                return self._cannot_go_on("the server has another one now")
        try:
            decoder.skip_to(decoded_s)
        except (av.FFmpegError, OSError) as error:
            return self._cannot_go_on(f"its middle cannot be found ({error})")
        return None

    def _cannot_go_on(self, reason: str) -> SourceEnd:
        decoded_s = self._progress.decoded_s
        return SourceEnd(
            "error", f"{self._label} was cut off after {decoded_s:.1f} s, and {reason}"
        )

    def _deliver(self, container: Any, decoder: Any, ring: Ring) -> SourceEnd | None:
        """Write what is decoded to the ring; return how it ended, None if it was closed."""
        n = 0
        mute_since: float | None = None
        for samples in decoder.blocks():
            now = self._clock.monotonic()
            if len(samples):
                mute_since = None
                n += len(samples)
                if not ring.write_wait(samples, self._clock.unix(), now, self._closed):
                    return None
            elif mute_since is None:
                mute_since = now
            elif now - mute_since >= self._mute_s:
                break
            if self._closed.is_set():
                return None
        else:
            mute_since = None
        decoded_s = self._progress.decoded_s + n / decoder.sr
        if not _is_recording(container):
            return self._station_ended(container, decoder, mute_since is not None)
        self._progress.tries = 0 if n else self._progress.tries + 1
        self._progress.decoded_s = decoded_s
        return self._recording_ended(decoder, mute_since is not None)

    def _connect(self) -> tuple[Any, Any]:
        import av

        from streammer.sources.av_decode import Decoder, one_line, open_container

        try:
            container = open_container(
                self._url,
                timeout=(self._open_timeout_s, self._read_timeout_s),
                options={"user_agent": USER_AGENT, "rw_timeout": self._rw_timeout_us(), **_PROBE},
            )
        except (av.InvalidDataError, av.ArgumentError) as error:
            raise self._no_sound() from error
        except av.ExitError as error:
            raise NetworkError(
                f"{self._label} does not answer within {self._open_timeout_s:g} s: "
                "check the address and the network"
            ) from error
        except (av.FFmpegError, OSError, ValueError) as error:
            if getattr(error, "errno", None) == errno.EIO and sends_text(
                self._url, self._read_timeout_s
            ):
                raise self._no_sound() from error
            raise NetworkError(
                f"{self._label} cannot be opened: {diagnosis(self._url, one_line(error))}"
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

    def _rw_timeout_us(self) -> str:
        # PyAV does not watch the time while a place in a recording is sought.
        return str(round(1e6 * (self._read_timeout_s + _SEEK_MORE_S)))

    def _station_ended(self, container: Any, decoder: Any, mute: bool) -> SourceEnd:
        if not mute and not decoder.stopped and (container.size or 0) > 0:
            return SourceEnd("eof")  # a playlist without a length to which an end was added
        return SourceEnd("lost", self._what_happened(decoder, mute))

    def _recording_ended(self, decoder: Any, mute: bool) -> SourceEnd:
        if not mute and not decoder.stopped:
            return SourceEnd("eof")
        words = self._what_happened(decoder, mute)
        if mute or not decoder.cut_off:  # it is damaged there, and would be again
            return SourceEnd("eof", f"{words}; {self._progress.decoded_s:.1f} s of it were decoded")
        if self._progress.tries >= TRIES:
            return self._cannot_go_on("nothing more came of it")
        return SourceEnd("lost", words)

    def _what_happened(self, decoder: Any, mute: bool) -> str:
        if mute:
            return f"{self._label} sent nothing that is sound for {self._mute_s:g} s"
        if "exit requested" in decoder.stopped.lower():
            return f"{self._label} sent nothing for {self._read_timeout_s:g} s"
        if decoder.stopped:
            return f"{self._label} was cut off ({decoder.stopped})"
        return f"{self._label} ended"


def _is_playlist(container: Any) -> bool:
    return bool(container.format.name.startswith(("hls", "dash")))


def _is_recording(container: Any) -> bool:
    """Return whether what is sent has a length of its own; some stations name one all the same."""
    if any(key.lower().startswith("icy-") for key in container.metadata):
        return False
    if container.duration is not None:
        return True
    return not _is_playlist(container) and (container.size or 0) > 0
