"""Prose that people wrote, in files of its own: about one artefact, or of the report."""

import re
from pathlib import Path

__all__ = ["CARDS", "DOCS", "PROTOCOL", "REPORT", "paragraphs", "prose_of", "sections", "unwrapped"]

DOCS = Path(__file__).resolve().parent.parent / "docs"
CARDS = DOCS / "cards"
"""Sections of the cards of the artefacts that ship, a file each."""
PROTOCOL = DOCS / "live" / "protocol.md"
"""What labels mean for the live model, and how it is chosen and scored: of every artefact."""
REPORT = DOCS / "report" / "prose.md"
"""Sections of the report on the published systems, by where they stand in it."""


def sections(text: str) -> dict[str, str]:
    """Split a page at its ``##`` headings.

    Parameters
    ----------
    text : str
        Markdown; what stands before the first heading is left out.

    Returns
    -------
    dict
        Title -> Markdown.
    """
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    pairs = zip(parts[::2], parts[1::2], strict=True)
    return {title.strip(): body.strip() for title, body in pairs}


def unwrapped(text: str) -> str:
    """Join the lines of each paragraph; tables keep theirs."""
    parts = text.split("\n\n")
    return "\n\n".join(p if p.startswith("|") else " ".join(p.split()) for p in parts)


def paragraphs(title: str, **figures: object) -> list[str]:
    """Return a section of the report's prose, a string a paragraph.

    Parameters
    ----------
    title : str
        Heading of the section in docs/report/prose.md.
    figures : object
        What was measured, for the names in braces.

    Raises
    ------
    KeyError
        No such section, or a name in braces without a figure.
    """
    text = sections(REPORT.read_text(encoding="utf-8"))[title]
    return unwrapped(text.format(**figures)).split("\n\n")


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
            return sections(text[head.end() :])
    return {}
