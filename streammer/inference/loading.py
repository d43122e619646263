"""Models that are ready to be stepped: checked, each with its backend, everything warm."""

from collections.abc import Sequence

import numpy as np

from streammer.frontend import FrontEnd
from streammer.inference.backends import LoadedModel, common_step_s
from streammer.inference.backends.buckets import BUCKETS
from streammer.inference.backends.onnx import OnnxBackend
from streammer.inference.model import load_model

__all__ = ["load_models"]


def load_models(
    names: Sequence[str],
    *,
    device: str = "cpu",
    buckets: Sequence[int] = BUCKETS,
    streams: int = 1,
) -> list[LoadedModel]:
    """Load and check models, and step each once so that nothing is slow later.

    The kernels are compiled, or read from numba's cache, and the models are stepped: call this
    before a device is opened.

    Parameters
    ----------
    names : sequence of str
        Names in the zoo, or paths.
    device : str
        'cpu' or 'cuda'.
    buckets : sequence of int
        Batch sizes that the models are run in (`inference.backends.buckets`).
    streams : int
        How many there will be: the sizes for so many are tried at once.

    Raises
    ------
    ModelError
        If one is unknown or refused, or if they differ in `step_s`.
    UsageError
        If there is no such device.
    """
    loaded = []
    for name in names:
        model = load_model(name)
        loaded.append(LoadedModel(model, OnnxBackend(model, device, buckets=buckets)))
    step_s = common_step_s(loaded)
    for spec in dict.fromkeys(s for m in loaded for s in m.model.front_ends.values()):
        front_end = FrontEnd(spec)
        front_end.prime()
        front_end.push(np.zeros(round(step_s * spec.sr), np.float32))
    for m in loaded:
        for size in sorted({min(size, streams) for size in buckets}):
            _warm(m, step_s, size)
    return loaded


def _warm(loaded: LoadedModel, step_s: float, size: int) -> None:
    slots = [loaded.backend.acquire() for _ in range(size)]
    features = {
        name: np.zeros((size, spec.frames_per_step(step_s), spec.n_bins), np.float32)
        for name, spec in loaded.model.front_ends.items()
    }
    loaded.backend.step(slots, features)
    for slot in slots:
        loaded.backend.release(slot)
