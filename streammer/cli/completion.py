"""`streammer completion`: commands and options at the touch of the tab key."""

from typing import Literal

from streammer.cli.commands import build_app

__all__ = ["completion"]


def completion(shell: Literal["bash", "zsh", "fish"], /) -> int:
    """Print a script that completes commands and options in a shell.

    Parameters
    ----------
    shell
        bash, zsh or fish.
    """
    print(build_app().generate_completion(shell=shell))
    return 0
