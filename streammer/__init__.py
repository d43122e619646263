"""Estimate, twice a second, how music feels while it plays.

The public names are loaded on first use, so that `import streammer` stays quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streammer.api import label, listen
    from streammer.bus import Subscriber
    from streammer.estimate import MoodEstimate
    from streammer.inference.model import load_model

__all__ = ["MoodEstimate", "Subscriber", "__version__", "label", "listen", "load_model"]
__version__ = "0.1.0"

_HOME = {
    "MoodEstimate": "streammer.estimate",
    "Subscriber": "streammer.bus",
    "label": "streammer.api",
    "listen": "streammer.api",
    "load_model": "streammer.inference.model",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'streammer' has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
