"""Model cards as HTML for the page; no script, picture or HTML of a card comes through."""

__all__ = ["card_html"]


def card_html(markdown: str) -> str:
    """Return a card as a fragment of HTML; what is HTML in it is shown as text.

    Links of a card lead into the checkout and are shown as their words.
    """
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["image"])
    tokens = reader.parse(markdown)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):  # the page has an h1 and an h2 above
            token.tag = f"h{min(6, int(token.tag[1]) + 1)}"
        token.attrs.pop(
            "style", None
        )  # columns to the right: the page's policy knows no such styles
        if token.children:
            token.children = [c for c in token.children if c.type not in _LINK]
    return str(reader.renderer.render(tokens, reader.options, {}))


_LINK = ("link_open", "link_close")
