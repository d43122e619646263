"""`streammer export`: a recording in the format of another program."""

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from streammer.cli.messages import complain, inform
from streammer.config import check_stream_name
from streammer.errors import InputError, UsageError
from streammer.recording.export import EXPORTS
from streammer.recording.picture import write_whole
from streammer.recording.read import marks_beside, read_estimates, read_marks

__all__ = ["export"]


def export(
    session: Path,
    /,
    *,
    to: Literal["csv", "osc-script", "midi"],
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    stream: str | None = None,
) -> int:
    """Write a recording for other programs: with seconds from its begin, and its marks.

    Parameters
    ----------
    session
        A recording: .parquet, .csv or .jsonl.
    to
        csv: a table; osc-script: for oscsendfile of liblo; midi: a MIDI file.
    out
        File to write; default session.export.csv, session.osc.txt or session.mid, beside it.
    stream
        One stream; default all.
    """
    if stream is not None:
        check_stream_name(stream)
    suffix, made_of = EXPORTS[to]
    if out is None:
        out = session.with_name(session.stem + (".export.csv" if to == "csv" else suffix))
    if out.absolute() in (session.absolute(), marks_beside(session).absolute()):
        raise UsageError(f"--out {out} is what is exported: name another file")
    moods = [m for m in read_estimates(session, complain) if stream in (None, m.stream)]
    if not moods:
        raise InputError(f"{session} holds no estimate{f' of {stream}' if stream else ''}")
    marks = [mark for mark in read_marks(session) if stream in (None, mark.stream)]
    write_whole(out, made_of(moods, marks))
    inform(f"{len(moods)} estimates and {len(marks)} marks exported to {out}")
    return 0
