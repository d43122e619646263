"""Opening an ONNX Runtime session: quiet, one thread, errors of one line."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from streammer.errors import ModelError, UsageError
from streammer.system.stderr import quiet

__all__ = ["DEVICES", "one_line", "open_session", "run_session", "runtime"]

DEVICES = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
"""Device -> name of its execution provider."""

_FATAL = 4
"""Severity under which ONNX Runtime writes nothing to the terminal; its errors are raised."""


def runtime() -> Any:
    """Return the module `onnxruntime`, loaded without its telemetry and without a word.

    From 1.31 on, its import makes an identifier of the device in the home folder and a thread that
    sends events to Microsoft; where it cannot, and where it looks for GPUs in vain, it prints.
    """
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # read by the import, not later
    with quiet():
        import onnxruntime
    onnxruntime.set_default_logger_severity(_FATAL)
    onnxruntime.disable_telemetry_events()  # on Windows another channel
    return onnxruntime


def open_session(data: bytes, label: str, device: str = "cpu") -> Any:
    """Open a session over a serialized model.

    One thread inside an operator and one between them: a step takes about a millisecond, and
    threads that spin would take the core from the sound card.

    Parameters
    ----------
    data : bytes
        The model itself rather than its path: what was checked is what runs, and nothing beside
        the file can be read.
    label : str
        Begins the messages of errors.
    device : 'cpu' or 'cuda'

    Raises
    ------
    UsageError
        If there is no such device.
    ModelError
        If ONNX Runtime has no provider for the device, or refuses the model.
    """
    if device not in DEVICES:
        raise UsageError(f"device {device!r} is unknown: expected one of {', '.join(DEVICES)}")
    ort = runtime()
    provider = DEVICES[device]
    if provider not in ort.get_available_providers():
        raise ModelError(
            f"{label}: device {device!r} needs {provider}, which this ONNX Runtime lacks: "
            "pip uninstall -y onnxruntime, then pip install onnxruntime-gpu"
        )
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _FATAL
    # Not session.set_denormal_as_zero: it changes the arithmetic of the calling thread for good.
    try:
        session = ort.InferenceSession(data, options, providers=[provider])
    except Exception as error:
        raise ModelError(f"{label}: ONNX Runtime refuses it: {one_line(error)}") from error
    if provider not in session.get_providers():
        raise ModelError(
            f"{label}: {provider} does not start here: check the GPU driver and the CUDA "
            "libraries, or use device 'cpu'"
        )
    return session


def run_session(
    session: Any,
    outputs: Sequence[str],
    feeds: Mapping[str, Any],
    label: str,
    options: Any = None,
) -> list[npt.NDArray[np.float32]]:
    """Run a session; what it raises becomes a `ModelError` of one line."""
    try:
        result: list[npt.NDArray[np.float32]] = session.run(outputs, feeds, options)
    except Exception as error:
        raise ModelError(f"{label}: a step fails: {one_line(error)}") from error
    return result


def one_line(error: BaseException) -> str:
    """Return the first telling line of an error, at most 200 characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    if text.startswith("[ONNXRuntimeError]"):
        text = text.split(" : ", 3)[-1] if text.count(" : ") >= 3 else text
    return text if len(text) <= 200 else text[:197] + "..."
