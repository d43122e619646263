"""Synthetic pieces as standard MIDI files: chords whose mode follows valence, tempo arousal."""

import struct
from pathlib import Path

__all__ = ["write_midi"]

_TICKS = 480


def write_midi(path: Path, valence: float, arousal: float, seconds: float) -> None:
    """Write a piece of about `seconds`, a chord and four notes of its arpeggio a bar.

    Source: Standard MIDI Files 1.0 (MMA, 1996), format 0.
    """
    beat_s = 60 / (100 + 50 * arousal)
    triad = (0, 4, 7) if valence > 0 else (0, 3, 7)
    velocity = round(80 + 30 * arousal)
    track = bytearray(b"\0\xff\x51\x03" + round(beat_s * 1e6).to_bytes(3, "big"))
    for bar in range(max(1, round(seconds / (4 * beat_s)))):
        root = 60 + (0, 5, 7, 0)[bar % 4]
        chord = [root - 12 + step for step in triad]
        for note in chord:
            track += bytes((0, 0x90, note, velocity))
        for step in (*triad, 12):
            note = root + step
            track += bytes((0, 0x90, note, velocity)) + _delta(_TICKS) + bytes((0x80, note, 0))
        for note in chord:
            track += bytes((0, 0x80, note, 0))
    track += b"\0\xff\x2f\0"
    path.parent.mkdir(parents=True, exist_ok=True)
    head = b"MThd" + struct.pack(">IHHH", 6, 0, 1, _TICKS)
    path.write_bytes(head + b"MTrk" + struct.pack(">I", len(track)) + track)


def _delta(ticks: int) -> bytes:
    """Ticks as a variable-length quantity of two bytes."""
    return bytes((0x80 | ticks >> 7, ticks & 0x7F))
