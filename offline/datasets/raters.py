"""How far raters were apart: emoMusic's standard deviations over raters, at 2 Hz."""

from pathlib import Path

from offline.datasets.song import Curve, Findings
from offline.datasets.tables import join_curves, read_wide

__all__ = ["read_deviations"]

FILES = ("valence_cont_std.csv", "arousal_cont_std.csv")


def read_deviations(folder: Path, findings: Findings) -> dict[str, Curve]:
    """Read the deviation over raters of each label of emoMusic's songs (DEAM's ids <= 1000).

    Every song had ten raters or more: the error of their mean is about a third of it.

    Parameters
    ----------
    folder : Path
        Holds ``valence_cont_std.csv`` and ``arousal_cont_std.csv``; no song has any without.

    Returns
    -------
    dict
        Song id -> `Curve` of deviations, on the scale of the labels ([-1, 1]).
    """
    valence, arousal = (folder / name for name in FILES)
    if not (valence.is_file() and arousal.is_file()):
        return {}
    own = Findings()
    found = join_curves(read_wide(valence), read_wide(arousal), own)
    for line in own.lines():
        findings.note(f"deviations of raters: {line}")
    return found
