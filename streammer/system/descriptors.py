"""Whether there are file descriptors left: libzmq ends the process where it gets none."""

import errno
import os

__all__ = ["descriptor_limit", "descriptors_left"]


def descriptors_left(count: int) -> bool:
    """Return whether this process may open `count` more files and sockets.

    Raises
    ------
    OSError
        If the null device cannot be opened for another reason.
    """
    opened: list[int] = []
    try:
        while len(opened) < count:
            opened.append(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        if error.errno not in (errno.EMFILE, errno.ENFILE):
            raise
        return False
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return True


def descriptor_limit() -> str:
    """Return the limit and how to raise it, as the end of a message."""
    try:
        import resource
    except ImportError:  # Windows
        return "close files or programs"
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return f"the descriptor limit is {limit}: raise it (ulimit -n 4096), or close what is open"
