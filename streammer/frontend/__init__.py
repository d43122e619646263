"""From samples to frames of features: mel, chroma or spectrum.

The names are loaded on first use, so that reading a spec needs no compiler of kernels.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streammer.frontend.frontend import FrontEnd
    from streammer.frontend.spec import FrontEndSpec

__all__ = ["FrontEnd", "FrontEndSpec"]

_HOME = {
    "FrontEnd": "streammer.frontend.frontend",
    "FrontEndSpec": "streammer.frontend.spec",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'streammer.frontend' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
