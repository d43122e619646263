"""The libraries of the protocols, which come with the extra `bridges`."""

from importlib import import_module

from streammer.errors import UsageError

__all__ = ["needs"]


def needs(*modules: str) -> None:
    """Import modules, or raise `UsageError` with the command that installs them."""
    for module in modules:
        try:
            import_module(module)
        except ImportError as error:
            raise UsageError(
                f"this bridge needs {module}, which cannot be imported ({error}): "
                "pip install 'streammer[bridges]'"
            ) from error
