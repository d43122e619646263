"""A document that is written as Markdown and as HTML from the same parts."""

import html
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Document"]

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem;
  color: #222 } table { border-collapse: collapse; font-size: 13px; display: block;
  overflow-x: auto } th, td { padding: .25rem .5rem; border-bottom: 1px solid #ddd;
  text-align: left; vertical-align: top } th { background: #f4f4f4; position: sticky; top: 0 }
img { max-width: 100% } pre { background: #f4f4f4; padding: .6rem; overflow-x: auto }
figcaption { color: #555; font-size: 14px } @media (prefers-color-scheme: dark) {
body { background: #161616; color: #ddd } th, pre { background: #262626 }
th, td { border-color: #333 } img { background: #fff } figcaption { color: #aaa } }
"""


@dataclass
class Document:
    """Parts in order; `markdown` and `html` render them.

    Parameters
    ----------
    title : str
    """

    title: str
    _parts: list[tuple[str, object]] = field(default_factory=list)

    def heading(self, text: str, level: int = 2) -> None:
        """Add a heading."""
        self._parts.append((f"h{level}", text))

    def text(self, *paragraphs: str) -> None:
        """Add paragraphs."""
        self._parts += [("p", p) for p in paragraphs if p]

    def bullets(self, lines: Sequence[str]) -> None:
        """Add a list."""
        if lines:
            self._parts.append(("ul", list(lines)))

    def table(self, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Add a table; cells are shown as they are."""
        self._parts.append(
            ("table", ([str(h) for h in header], [[str(c) for c in r] for r in rows]))
        )

    def code(self, text: str) -> None:
        """Add a command or output."""
        self._parts.append(("pre", text))

    def figure(self, path: str, caption: str) -> None:
        """Add an image by its path relative to the document."""
        self._parts.append(("figure", (path, caption)))

    def markdown(self) -> str:
        """Render as Markdown."""
        out = [f"# {self.title}"]
        for kind, part in self._parts:
            if kind.startswith("h"):
                out.append(f"{'#' * int(kind[1])} {part}")
            elif kind == "p":
                out.append(str(part))
            elif kind == "ul":
                out.append("\n".join(f"- {line}" for line in part))  # type: ignore[attr-defined]
            elif kind == "pre":
                out.append(f"```sh\n{part}\n```")
            elif kind == "figure":
                path, caption = part  # type: ignore[misc]
                out.append(f"![{caption}]({path})\n\n*{caption}*")
            else:
                header, rows = part  # type: ignore[misc]
                lines = [header, ["---"] * len(header), *rows]
                cells = [[c.replace("|", "\\|") for c in line] for line in lines]
                out.append("\n".join("| " + " | ".join(line) + " |" for line in cells))
        return "\n\n".join(out) + "\n"

    def html(self) -> str:
        """Render as one HTML page that needs nothing from the network."""
        e = html.escape
        out = [f"<h1>{e(self.title)}</h1>"]
        for kind, part in self._parts:
            if kind.startswith("h"):
                out.append(f"<{kind}>{e(str(part))}</{kind}>")
            elif kind == "p":
                out.append(f"<p>{e(str(part))}</p>")
            elif kind == "ul":
                items = "".join(f"<li>{e(str(x))}</li>" for x in part)  # type: ignore[attr-defined]
                out.append(f"<ul>{items}</ul>")
            elif kind == "pre":
                out.append(f"<pre>{e(str(part))}</pre>")
            elif kind == "figure":
                path, caption = part  # type: ignore[misc]
                out.append(
                    f'<figure><img src="{e(path)}" alt="{e(caption)}">'
                    f"<figcaption>{e(caption)}</figcaption></figure>"
                )
            else:
                header, rows = part  # type: ignore[misc]
                head = "".join(f"<th>{e(c)}</th>" for c in header)
                body = "".join(
                    "<tr>" + "".join(f"<td>{e(c)}</td>" for c in row) + "</tr>" for row in rows
                )
                out.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
        return (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            f'<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{e(self.title)}</title><style>{STYLE}</style></head>\n<body>\n"
            + "\n".join(out)
            + "\n</body></html>\n"
        )
