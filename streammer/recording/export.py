"""Recordings in formats of other programs: a table, a script for OSC, a MIDI file.

All count time from the first estimate. Files are written beside and renamed when they are whole.
"""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence

import msgspec

from streammer.errors import UsageError
from streammer.estimate import MoodEstimate
from streammer.schema import ESTIMATE_COLUMNS
from streammer.web.messages import Mark

__all__ = ["EXPORTS", "as_csv", "as_midi", "as_osc_script"]

TICKS_A_SECOND = 960
"""Of a MIDI file: 480 a beat, at 120 beats a minute."""

CONTROLLERS = {"valence": 20, "arousal": 21}
"""Those that `streammer bridge midi` sends valence and arousal on."""

_NTP_ZERO = 0xE0000000
"""Where an OSC script begins; a player counts from its first line."""

Moods = Iterable[MoodEstimate]
Marks = Sequence[Mark]


def as_csv(moods: Moods, marks: Marks) -> bytes:
    """Return a table: seconds, the keys of an estimate, and the marks made at it."""
    words: dict[tuple[str, str, int], list[str]] = {}
    for mark in marks:
        key = mark.stream, mark.epoch, mark.seq
        words.setdefault(key, []).append(mark.label or "mark")
    text = io.StringIO()
    names = [column.name for column in ESTIMATE_COLUMNS]
    rows = csv.writer(text)
    rows.writerow(["seconds", *names, "mark"])
    for second, mood in _timed(moods):
        key = mood.stream, mood.epoch, mood.seq
        cells = msgspec.structs.asdict(mood)
        row = [cells[name] for name in names]
        rows.writerow([round(second, 3), *row, "; ".join(words.get(key, ()))])
    return text.getvalue().encode()


def as_osc_script(moods: Moods, marks: Marks) -> bytes:
    """Return what liblo's ``oscsendfile HOST PORT FILE`` plays, with the addresses of the bridge.

    Values are as they were estimated: valence and arousal in -1 to 1, twice a second.
    """
    lines: list[tuple[float, str]] = []
    offset: float | None = None
    for second, mood in _timed(moods):
        offset = _moment(mood) - second if offset is None else offset
        at = f"/mood/{mood.stream}"
        for name in ("valence", "arousal"):
            value = getattr(mood, name)
            if value is not None:
                lines.append((second, f"{at}/{name} f {value:.6f}"))
        if mood.quadrant is not None:
            lines.append((second, f"{at}/quadrant i {mood.quadrant[1]}"))
        lines.append((second, f'{at}/state s "{mood.state}"'))
    for mark in marks:
        if offset is not None and mark.t >= offset:
            # What a quote or a backslash would end, a player could not read.
            words = "".join(c for c in mark.label if c.isprintable() and c not in '"\\')
            lines.append((mark.t - offset, f'/mood/{mark.stream}/mark s "{words or "mark"}"'))
    lines.sort(key=lambda line: line[0])
    return "".join(f"{_ntp(second)} {line}\n" for second, line in lines).encode()


def as_midi(moods: Moods, marks: Marks) -> bytes:
    """Return a MIDI file: a track a stream, valence on controller 20, arousal on 21.

    -1 to 1 becomes 0 to 127. A change of quadrant is a program change, 0 to 3; a mark is a marker.

    Raises
    ------
    UsageError
        If mido is not installed.
    """
    try:
        import mido
    except ImportError as error:
        raise UsageError(
            "MIDI files need mido, which is not installed: pip install 'streammer[bridges]'"
        ) from error
    events: dict[str, list[tuple[float, object]]] = {}
    offset: float | None = None
    last: dict[tuple[str, str], object] = {}
    for second, mood in _timed(moods):
        offset = _moment(mood) - second if offset is None else offset
        channel = list(events).index(mood.stream) % 16 if mood.stream in events else None
        channel = len(events) % 16 if channel is None else channel
        track = events.setdefault(mood.stream, [])
        for name, control in CONTROLLERS.items():
            value = getattr(mood, name)
            scaled = None if value is None else round((value + 1.0) * 63.5)
            if scaled is not None and last.get((mood.stream, name)) != scaled:
                last[mood.stream, name] = scaled
                words = {"channel": channel, "control": control, "value": scaled}
                track.append((second, mido.Message("control_change", **words)))
        if mood.quadrant is not None and last.get((mood.stream, "quadrant")) != mood.quadrant:
            last[mood.stream, "quadrant"] = mood.quadrant
            program = int(mood.quadrant[1]) - 1
            track.append((second, mido.Message("program_change", channel=channel, program=program)))
    for mark in marks:
        if offset is not None and mark.t >= offset and mark.stream in events:
            text = mark.label.encode("latin-1", "replace").decode("latin-1") or "mark"
            events[mark.stream].append((mark.t - offset, mido.MetaMessage("marker", text=text)))
    file = mido.MidiFile(type=1, ticks_per_beat=480)
    for stream, timed in events.items():
        track, before = mido.MidiTrack(), 0
        track.append(mido.MetaMessage("track_name", name=stream))
        for second, message in sorted(timed, key=lambda event: event[0]):
            tick = round(second * TICKS_A_SECOND)
            track.append(message.copy(time=tick - before))  # type: ignore[attr-defined]
            before = tick
        file.tracks.append(track)
    data = io.BytesIO()
    file.save(file=data)
    return data.getvalue()


EXPORTS: dict[str, tuple[str, Callable[[Moods, Marks], bytes]]] = {
    "csv": (".csv", as_csv),
    "osc-script": (".osc.txt", as_osc_script),
    "midi": (".mid", as_midi),
}
"""Each format with its suffix, and what makes it."""


def _timed(moods: Moods) -> Iterator[tuple[float, MoodEstimate]]:
    """Yield estimates with their seconds, which never go back."""
    begin: float | None = None
    second = 0.0
    for mood in moods:
        begin = _moment(mood) if begin is None else begin
        second = max(second, _moment(mood) - begin)
        yield second, mood


def _moment(mood: MoodEstimate) -> float:
    return max(mood.t_publish, mood.t_capture)


def _ntp(second: float) -> str:
    whole, part = divmod(round(second * 2**32), 2**32)
    return f"{_NTP_ZERO + whole:08x}.{part:08x}"
