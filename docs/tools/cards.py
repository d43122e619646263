"""Make a page of each model's card, as it lies beside the artefact: a hook of mkdocs."""

from pathlib import Path

__all__ = ["on_files", "on_page_markdown"]

CARDS = sorted((Path(__file__).parents[2] / "models" / "zoo").glob("*.md"))


def on_files(files, config):
    """Put the cards among the files of the site."""
    from mkdocs.structure.files import File

    for card in CARDS:
        text = card.read_text(encoding="utf-8")
        files.append(File.generated(config, f"model-{card.stem}.md", content=text))
    return files


def on_page_markdown(markdown, page, config, files):
    """Lead links from the cards, as they lie in the checkout, to their pages."""
    for card in CARDS:
        markdown = markdown.replace(f"](../models/zoo/{card.name})", f"](model-{card.name})")
    return markdown
