"""`streammer plot`: a session or a song as a picture."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from streammer.cli.messages import complain, inform
from streammer.cli.options import option
from streammer.config import check_stream_name
from streammer.config.run import ModelOptions
from streammer.outputs.formats import TABLE_SUFFIXES
from streammer.system.signals import EXIT_INTERRUPTED, ending

__all__ = ["plot"]


def plot(
    session: Path,
    /,
    *,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    stream: str | None = None,
    title: str | None = None,
    model: Annotated[list[str] | None, option(ModelOptions, "name", "MODEL", flag=True)] = None,
) -> int:
    """Draw a session or a song: its mood over time, its path in the plane, its states.

    Parameters
    ----------
    session
        A recording (.parquet, .csv, .jsonl), or a song in any format that label takes.
    out
        Picture to write: .png, .svg, or .html, a page that needs nothing else.
    stream
        Which stream of a recording; needed where it has several.
    title
        Words above the picture; default the name of the file.
    """
    if stream is not None:
        check_stream_name(stream)
    with ending("interrupted", EXIT_INTERRUPTED):
        from streammer.recording.picture import check_picture

        check_picture(out)
        from streammer.recording.curves import curves_of
        from streammer.recording.figure import draw
        from streammer.recording.picture import facts, save_picture
        from streammer.recording.read import read_estimates, read_marks

        if session.suffix in TABLE_SUFFIXES:
            curves = curves_of(read_estimates(session, complain), stream, str(session))
            figure = draw(curves, title or session.name, marks=read_marks(session))
        else:
            from streammer.recording.song import hear

            song = hear(session, model or ["default"])
            curves = curves_of(song.moods, stream, str(session))
            figure = draw(curves, title or session.name, steps=song.features)
    save_picture(figure, out, title or session.name, facts(curves))
    inform(f"{len(curves.seconds)} estimates of {curves.stream} drawn in {out}")
    return 0
