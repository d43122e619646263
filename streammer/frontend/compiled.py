"""Compiling a kernel once per installation: numba's machine code on disk, and what can go wrong."""

import logging
from collections.abc import Callable
from threading import Lock
from typing import Any

import numba
from numba.core import config
from numba.core.errors import NumbaError

from streammer.errors import UsageError

__all__ = ["Kernel", "part"]

_log = logging.getLogger("streammer.frontend")
_njit: Any = numba.njit  # whose types differ from version to version


def part(function: Callable[..., Any]) -> Any:
    """Compile a function as part of a kernel in the same file only."""
    return _njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)(function)


class Kernel:
    """A function for numba to compile when it is first needed, the machine code kept on disk.

    numba keys the code by the time and size of the file that the function stands in: all that a
    kernel calls must stand there too, or an edited part would go unnoticed.

    Parameters
    ----------
    function : callable
        Compiled to run without the GIL, for the types of the first call.
    """

    def __init__(self, function: Callable[..., None]) -> None:
        self.__doc__ = function.__doc__
        self._function = function
        self._compiled: Any = None
        self._lock = Lock()

    @property
    def cache_path(self) -> str | None:
        """The folder in which machine code is kept, None where numba may write to none."""
        path = getattr(getattr(self._dispatcher(), "stats", None), "cache_path", None)
        return None if path is None else str(path)

    @property
    def signatures(self) -> list[Any]:
        """The types that the kernel has been compiled for, or read from disk."""
        return [] if self._compiled is None else list(self._compiled.signatures)

    def ready(self, *args: Any) -> Callable[..., None]:
        """Run the kernel once, compiled or read from disk if need be, and return what to call.

        A cache that cannot be read, such as one that a power cut left short, is rebuilt and said so
        once; where nothing can be written, the code is compiled for this process alone.

        Raises
        ------
        UsageError
            If NUMBA_DISABLE_JIT is set: as plain Python the kernels are slower than the sound.
        """
        if config.DISABLE_JIT:  # type: ignore[attr-defined,unused-ignore]
            raise UsageError(
                "NUMBA_DISABLE_JIT is set, and without numba's compiler the front end is slower "
                "than the sound: unset it"
            )
        with self._lock:
            if self._compiled is None:
                self._compiled = self._first_run(args)
            else:
                self._compiled(*args)
            return self._compiled  # type: ignore[no-any-return]

    def _first_run(self, args: tuple[Any, ...]) -> Any:
        compiled = self._dispatcher()
        try:
            compiled(*args)
            return compiled
        except NumbaError:  # the kernel itself is wrong
            raise
        except Exception as error:  # whatever a damaged file makes unpickling or LLVM raise
            if compiled.signatures:  # compiled, and could not be written: the disk is full
                compiled(*args)
                return compiled
            folder = compiled.stats.cache_path
            reason = " ".join(str(error).split()) or type(error).__name__
            _log.warning("numba's cache in %s cannot be read (%s): it is rebuilt", folder, reason)
        try:
            compiled.recompile()  # empties the index
            compiled(*args)
        except OSError:
            if not compiled.signatures:
                compiled = self._dispatcher(cache=False)
            compiled(*args)
        return compiled

    def _dispatcher(self, *, cache: bool = True) -> Any:
        """Return the function as numba compiles it, nothing compiled yet."""
        try:
            return _njit(cache=cache, nogil=True, error_model="numpy")(self._function)
        except RuntimeError:  # no folder that numba may write to
            return _njit(nogil=True, error_model="numpy")(self._function)
