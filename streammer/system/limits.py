"""Limits of the system behind the exceptions in which they show.

Libraries say them in their own ways: OSError, a RuntimeError of `threading`, an ImportError of the
dynamic loader, an error of ZeroMQ or FFmpeg.
"""

import errno
import sys
from collections.abc import Iterator

from streammer.errors import LimitError, StreammerError

__all__ = ["limit_behind"]

_DESCRIPTORS = {errno.EMFILE, errno.ENFILE}
_PROCESSES = {errno.EAGAIN}
_MEMORY = {errno.ENOMEM}


def limit_behind(error: BaseException) -> LimitError | None:
    """Return the limit of the system that an exception, or its cause, stands for, if any."""
    for cause in _chain(error):
        number = getattr(cause, "errno", None)
        # What one of ours says, or has made of an error, is said already.
        text = "" if isinstance(error, StreammerError) else str(cause).lower()
        if number in _DESCRIPTORS or "too many open files" in text:
            return LimitError(
                f"too many open files: this process may open {_limit('RLIMIT_NOFILE')}; raise the "
                "descriptor limit (ulimit -n 1024), or close what is open"
            )
        if "can't start new thread" in text or (number in _PROCESSES and text):
            return LimitError(
                f"no more threads or processes: this user may have {_limit('RLIMIT_NPROC')}; raise "
                "the limit (ulimit -u 4096), or end what is running"
            )
        if isinstance(cause, MemoryError) or number in _MEMORY:
            return LimitError("there is not enough memory: end what is running, or add memory")
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _limit(name: str) -> str:
    if sys.platform == "win32":
        return "no more"
    import resource

    limit = resource.getrlimit(getattr(resource, name))[0]
    return "no more" if limit == resource.RLIM_INFINITY else str(limit)
