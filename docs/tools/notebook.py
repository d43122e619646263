"""Run docs/notebook.ipynb and make a page of it, with its tables and pictures: a hook of mkdocs."""

from pathlib import Path

__all__ = ["on_files", "on_page_markdown", "run_notebook"]

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs" / "notebook.ipynb"


def run_notebook(path=NOTEBOOK):
    """Run a notebook from the root of the checkout.

    Returns
    -------
    (str, dict of str to bytes)
        The page in Markdown, and its pictures by file name.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell fails: its text and the traceback.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbconvert import MarkdownExporter

    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(ROOT)}}).execute()
    text, resources = MarkdownExporter().from_notebook_node(notebook)
    pictures = {
        f"notebook-{name}": picture for name, picture in (resources.get("outputs") or {}).items()
    }
    for name in pictures:
        text = text.replace(f"]({name.removeprefix('notebook-')})", f"]({name})")
    return text, pictures


def on_files(files, config):
    """Put the page and its pictures among the files of the site."""
    from mkdocs.structure.files import File

    text, pictures = run_notebook()
    files.append(File.generated(config, "notebook.md", content=text))
    for name, content in pictures.items():
        files.append(File.generated(config, name, content=content))
    files.remove(files.get_file_from_path("notebook.ipynb"))
    return files


def on_page_markdown(markdown, page, config, files):
    """Lead links from the notebook, as it lies in the checkout, to its page."""
    return markdown.replace("](notebook.ipynb)", "](notebook.md)")
