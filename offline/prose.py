"""Prose that people wrote about one artefact, tied to it by its hash."""

import re
from pathlib import Path

__all__ = ["CARDS", "DOCS", "prose_of"]

DOCS = Path(__file__).resolve().parent.parent / "docs"
CARDS = DOCS / "cards"
"""Sections of the cards of the artefacts that ship, a file each."""


def prose_of(folder: Path, artefact_hash: str) -> dict[str, str]:
    """Return the sections of the file in a folder that speaks of an artefact.

    A file begins with a head that names the artefact (``artefact_hash: …`` between two lines of
    dashes); every ``##`` heading begins a section.

    Parameters
    ----------
    folder : Path
    artefact_hash : str
        See `streammer.inference.artefact.graph_hash`.

    Returns
    -------
    dict
        Title -> Markdown; empty where nobody wrote about this artefact.
    """
    for path in sorted(folder.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        head = re.match(r"---\nartefact_hash: ([0-9a-f]{64})\n---\n", text)
        if head and head[1] == artefact_hash:
            parts = re.split(r"^## (.+)$", text[head.end() :], flags=re.MULTILINE)[1:]
            pairs = zip(parts[::2], parts[1::2], strict=True)
            return {title.strip(): body.strip() for title, body in pairs}
    return {}
