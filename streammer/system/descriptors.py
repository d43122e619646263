"""Whether there are file descriptors left: libzmq ends the process where it gets none."""

import os

from streammer.system.limits import limit_behind

__all__ = ["check_descriptors"]


def check_descriptors(count: int) -> None:
    """Make sure that this process may open `count` more files and sockets.

    Raises
    ------
    LimitError
        If it may not.
    """
    opened: list[int] = []
    try:
        while len(opened) < count:
            opened.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        raise limit_behind(error) or error from error
    finally:
        for descriptor in opened:
            os.close(descriptor)
