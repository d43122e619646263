"""MIDI: controllers that glide with the mood, programs for quadrants, notes for rules."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property

from streammer.bridges.extra import needs
from streammer.bridges.frame import Frame
from streammer.bridges.midi_ports import Api, MidiOut, midi_out
from streammer.bridges.options import Shaping, check_range
from streammer.bridges.outlet import Frames
from streammer.errors import UsageError
from streammer.system.stderr import quiet

__all__ = ["Midi", "MidiOptions"]

_KEYS = ("valence01", "arousal01", "x", "y", "intensity", "active", "p_positive", "p_energetic")
_LOOK_S = 1.0
"""How often a port that was named is looked for: one that is unplugged says nothing [s]."""

_AGAIN_S = 2.0
"""How often everything is sent although nothing changed, for who has joined since [s]."""

_NOTE_S = 0.2


@dataclass(frozen=True, kw_only=True)
class MidiOptions(Shaping):
    """The mood as MIDI.

    Attributes
    ----------
    port : str
        Name of an output, or the beginning of it; default a port of our own, called
        streammer:mood, to which others connect (not on Windows).
    channel : int
        1 to 16.
    cc : str
        Which controller carries what: of valence01, arousal01, x, y, intensity, active,
        p_positive, p_energetic.
    high_resolution : bool
        14 bits instead of 7: the controller, under 32, and the one 32 above it.
    programs : str
        Programs, 0 to 127, for Q1, Q2, Q3, Q4 and rest; empty: none is sent.
    note : tuple of str
        A note for a rule, such as drop=60; there may be several.
    api : str
        The sound system: auto, or on Linux alsa or jack.
    """

    port: str = ""
    channel: int = 1
    cc: str = "valence01=20,arousal01=21,intensity=22"
    high_resolution: bool = False
    programs: str = "0,1,2,3,4"
    note: tuple[str, ...] = ()
    api: Api = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("channel", self.channel, 1, 16)
        _ = self.controllers, self.quadrants, self.notes
        if self.api not in ("auto", "alsa", "jack"):
            raise UsageError(f"--api is {self.api!r}: auto, alsa or jack is expected")
        if self.api != "auto" and sys.platform != "linux":
            raise UsageError(f"--api {self.api} is for Linux: leave it out")
        if not self.port and sys.platform == "win32":
            raise UsageError(
                "Windows has no MIDI ports of programs: name one with --port, such as that of "
                "loopMIDI"
            )

    @cached_property
    def controllers(self) -> dict[str, int]:
        """The controller of each value."""
        pairs = _pairs("cc", self.cc.split(","), _KEYS)
        most = 31 if self.high_resolution else 119
        for key, number in pairs.items():
            if not 0 <= number <= most:
                raise UsageError(f"--cc {key}={number}: a controller from 0 to {most} is expected")
        if len(set(pairs.values())) != len(pairs):
            raise UsageError(f"--cc {self.cc} has two values on one controller: give each its own")
        return pairs

    @cached_property
    def quadrants(self) -> dict[str | None, int]:
        """The program of each quadrant, and of rest."""
        if not self.programs:
            return {}
        parts = self.programs.split(",")
        if len(parts) != 5 or not all(p.strip().isdecimal() and int(p) <= 127 for p in parts):
            raise UsageError(
                f"--programs {self.programs} are none: five numbers from 0 to 127 are expected, "
                "for Q1, Q2, Q3, Q4 and rest"
            )
        return dict(zip(("Q1", "Q2", "Q3", "Q4", None), map(int, parts), strict=True))

    @cached_property
    def notes(self) -> dict[str, int]:
        """The note of each rule that has one."""
        names = tuple(rule.name for rule in self.rules)
        pairs = _pairs("note", self.note, names)
        for name, number in pairs.items():
            if not 0 <= number <= 127:
                raise UsageError(f"--note {name}={number}: a note from 0 to 127 is expected")
        return pairs


class Midi:
    """Send frames as MIDI.

    Parameters
    ----------
    options : MidiOptions
    """

    def __init__(self, options: MidiOptions) -> None:
        needs("mido")
        self._options = options
        self.where = f"MIDI to {options.port or 'streammer:mood'}, channel {options.channel}"
        self._out: MidiOut | None = None
        self._quiet = ExitStack()
        self._name: str | None = None
        self._sent: dict[str, object] = {}
        self._sent_at = self._looked_at = -1e9
        self._sounding: dict[int, float] = {}

    def open(self) -> None:
        """Find the port, or make our own; what the sound system prints is kept off the terminal."""
        with ExitStack() as stack:
            stack.enter_context(quiet())
            out = midi_out(self._options.api)
            stack.callback(out.close)
            self._name = self._find(out) if self._options.port else None
            out.open(self._name)
            self._quiet = stack.pop_all()
        self._out = out
        self._sent_at = self._looked_at = -1e9

    def send(self, frames: Frames) -> None:
        """Send what has changed."""
        assert self._out is not None
        (frame,) = frames.values()
        if self._name is not None and frame.t - self._looked_at >= _LOOK_S:
            self._looked_at = frame.t
            if self._name not in self._out.names():
                raise OSError(f"port {self._name} is gone")
        if frame.t - self._sent_at >= _AGAIN_S:
            self._sent_at = frame.t
            self._sent.clear()
        for message in self._messages(frame):
            self._out.send(message)

    def leave(self) -> None:
        """End the notes, and let the intensity be 0."""
        assert self._out is not None
        for note in self._sounding:
            self._out.send(self._note(note, on=False))
        if "intensity" in self._options.controllers:
            for message in self._control("intensity", 0.0):
                self._out.send(message)

    def close(self) -> None:
        """Let go of the port."""
        self._out = None
        self._quiet.close()

    def _find(self, out: MidiOut) -> str:
        names = out.names()
        found = [name for name in names if name.startswith(self._options.port)]
        if not found:
            raise OSError(
                f"no such port; there {'is' if len(names) == 1 else 'are'} "
                f"{', '.join(names) or 'none'}"
            )
        return found[0]

    def _messages(self, frame: Frame) -> Iterator[list[int]]:
        from mido import Message

        channel = self._options.channel - 1
        program = self._options.quadrants.get(frame.quadrant)
        if program is not None and self._sent.get("program") != program:
            self._sent["program"] = program
            yield Message("program_change", channel=channel, program=program).bytes()
        for key in self._options.controllers:
            value = getattr(frame, key)
            if value is not None:
                yield from self._changed(key, value)
        for note, until in [*self._sounding.items()]:
            if frame.t >= until:
                del self._sounding[note]
                yield self._note(note, on=False)
        for name in frame.fired:
            if name in self._options.notes:
                note = self._options.notes[name]
                self._sounding[note] = frame.t + _NOTE_S
                yield self._note(note, on=True)

    def _changed(self, key: str, value: float) -> Iterator[list[int]]:
        steps = 16383 if self._options.high_resolution else 127
        number = round(steps * min(1.0, max(0.0, value)))
        if self._sent.get(key) != number:
            self._sent[key] = number
            yield from self._control(key, value)

    def _control(self, key: str, value: float) -> Iterator[list[int]]:
        from mido import Message

        control, channel = self._options.controllers[key], self._options.channel - 1
        part = min(1.0, max(0.0, value))
        # Coarse before fine: a receiver sets the fine part to 0 when the coarse one comes.
        bytes_ = (
            divmod(round(16383 * part), 128)
            if self._options.high_resolution
            else (round(127 * part),)
        )
        for offset, byte in zip((0, 32), bytes_, strict=False):
            yield Message(
                "control_change", channel=channel, control=control + offset, value=byte
            ).bytes()

    def _note(self, note: int, *, on: bool) -> list[int]:
        from mido import Message

        channel = self._options.channel - 1
        message: list[int] = Message(
            "note_on" if on else "note_off", channel=channel, note=note, velocity=127 if on else 0
        ).bytes()
        return message


def _pairs(
    option: str, texts: list[str] | tuple[str, ...], keys: tuple[str, ...]
) -> dict[str, int]:
    """Return the numbers that texts such as drop=60 give to names."""
    pairs: dict[str, int] = {}
    for text in texts:
        key, _, number = (part.strip() for part in text.partition("="))
        if key not in keys or not number.isdecimal():
            expected = f"NAME=NUMBER, NAME of {', '.join(keys)}" if keys else "a rule: give --rule"
            raise UsageError(f"--{option} {text!r} cannot be read: expected is {expected}")
        if key in pairs:
            raise UsageError(f"--{option} has {key} twice: give it once")
        pairs[key] = int(number)
    return pairs
