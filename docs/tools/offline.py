"""Take the worker of the search from the site itself, not from a network: a hook of mkdocs."""

from mkdocs.utils import get_relative_url

__all__ = ["on_post_page", "on_post_template"]

FOREIGN = "https://unpkg.com/iframe-worker/shim"
OWN = "assets/iframe-worker.js"


def on_post_page(output, page, config):
    """Replace the address in a page."""
    return output.replace(FOREIGN, get_relative_url(OWN, page.url))


def on_post_template(output_content, template_name, config):
    """Replace the address in what is no page, such as 404.html."""
    return output_content.replace(FOREIGN, OWN)
