"""The length that an MP3 names in its first frame.

FFmpeg uses the same numbers, but where they do not fit the size of the file it takes the bit
rate's estimate instead and does not mark it: an estimate is no claim that something is missing.

References
----------
Xing and Info: a tag in the frame's side information: its name, flags (4 bytes; 1: frames), then
the count of frames. VBRI: 32 bytes after the frame's header: version, delay and quality (2 bytes
each), bytes of sound (4), then the count of frames.
"""

from typing import IO

__all__ = ["named_length_s"]

_SEARCH = 4096
_HAS_FRAMES = 1
_VBRI_FRAMES = 14


def named_length_s(file: IO[bytes], sr: int) -> float | None:
    """Return the length that a Xing, Info or VBRI tag names [s], or None without one.

    Parameters
    ----------
    file : binary file
        Seekable.
    sr : int
        Rate of the sound [Hz]; a frame has 1152 samples from 32 kHz on, 576 below (MPEG 2).
    """
    file.seek(0)
    head = file.read(10)
    start = 0
    if head[:3] == b"ID3" and len(head) == 10:
        start = 10 + sum((byte & 0x7F) << 7 * (3 - i) for i, byte in enumerate(head[6:10]))
    file.seek(start)
    head = file.read(_SEARCH)
    for name in (b"Xing", b"Info"):
        at = head.find(name)
        if at >= 0:
            has_frames = int.from_bytes(head[at + 4 : at + 8], "big") & _HAS_FRAMES
            return _seconds(head[at + 8 : at + 12], sr) if has_frames else None
    at = head.find(b"VBRI")
    return _seconds(head[at + _VBRI_FRAMES : at + _VBRI_FRAMES + 4], sr) if at >= 0 else None


def _seconds(frames: bytes, sr: int) -> float | None:
    n = int.from_bytes(frames, "big")
    return n * (1152 if sr >= 32000 else 576) / sr if n else None
