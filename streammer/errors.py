"""Every error that streammer raises on purpose.

::

    StreammerError               70   root; anything that escapes as something else is a bug
    ├── UsageError  (ValueError)  2   a malformed value: endpoint, suffix, stream name, option, spec
    ├── InputError  (ValueError)  3   input missing, unreadable, or shorter than one step
    ├── DeviceError    (OSError)  4   no such sound device, or it does not open
    ├── NetworkError   (OSError)  4   port taken, host unreachable, bind beyond loopback refused
    ├── OutputError    (OSError)  4   an output file that cannot be written; disk full
    ├── LimitError     (OSError)  4   a limit of the system: open files, threads, memory
    └── ModelError  (ValueError)  5   model unknown or refused

The number is the exit code of the command line. A message is one line: what came, what was
expected, what to do.
"""

__all__ = [
    "DeviceError",
    "InputError",
    "LimitError",
    "ModelError",
    "NetworkError",
    "OutputError",
    "StreammerError",
    "UsageError",
]


class StreammerError(Exception):
    """Root of all errors that streammer raises on purpose."""

    exit_code = 70


class UsageError(StreammerError, ValueError):
    """A value that is malformed whatever the state of the machine."""

    exit_code = 2


class InputError(StreammerError, ValueError):
    """Input that is missing, unreadable, or shorter than one step."""

    exit_code = 3


class DeviceError(StreammerError, OSError):
    """A sound device that does not exist or does not open."""

    exit_code = 4


class NetworkError(StreammerError, OSError):
    """A port, host or endpoint that cannot be used."""

    exit_code = 4


class OutputError(StreammerError, OSError):
    """An output that cannot be written."""

    exit_code = 4


class LimitError(StreammerError, OSError):
    """A limit of the system that was reached: open files, threads and processes, memory."""

    exit_code = 4


class ModelError(StreammerError, ValueError):
    """A model artefact that is unknown or refused."""

    exit_code = 5
