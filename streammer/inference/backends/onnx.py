"""The backend that steps ONNX models with ONNX Runtime, on the CPU or an NVIDIA GPU."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from streammer.errors import UsageError
from streammer.inference.model import Model
from streammer.inference.ort import open_session, run_session

__all__ = ["OnnxBackend"]

Float32 = npt.NDArray[np.float32]

_FIRST_CAPACITY = 4


class OnnxBackend:
    """Step streams of one model with ONNX Runtime.

    Parameters
    ----------
    model : Model
    device : 'cpu' or 'cuda'

    Raises
    ------
    UsageError
        If there is no such device.
    ModelError
        If ONNX Runtime has no provider for it.

    Notes
    -----
    The states of all slots lie in one array a state, [shape=(capacity, ...)], whose capacity
    doubles when slots run out. Slots that follow one another are passed as a view, others are
    gathered; results are written back only when the whole step has succeeded.
    """

    def __init__(self, model: Model, device: str = "cpu") -> None:
        self.model = model
        self.device = device
        self._session = (
            model.session if device == "cpu" else open_session(model.data, str(model.path), device)
        )
        self._states = {
            name: np.zeros((_FIRST_CAPACITY, *shape), np.float32)
            for name, shape in model.state_shapes.items()
        }
        self._free = list(range(_FIRST_CAPACITY - 1, -1, -1))
        self._used: set[int] = set()

    @property
    def capacity(self) -> int:
        """Slots for which there is memory."""
        return len(self._free) + len(self._used)

    def acquire(self) -> int:
        """Return a slot in its initial state."""
        if not self._free:
            self._grow()
        slot = self._free.pop()
        self._used.add(slot)
        self.reset(slot)
        return slot

    def release(self, slot: int) -> None:
        """Give a slot back; its memory is lost."""
        self._check((slot,))
        self._used.remove(slot)
        self._free.append(slot)

    def reset(self, slot: int) -> None:
        """Return a slot to its initial state, which is all zeros."""
        self._check((slot,))
        for states in self._states.values():
            states[slot] = 0.0

    def step(self, slots: Sequence[int], features: Mapping[str, Float32]) -> Float32:
        """Hear one step of sound in each slot.

        Parameters
        ----------
        slots : sequence of int
            Distinct, acquired.
        features : mapping of str to np.ndarray [shape=(len(slots), frames, bins)], float32

        Returns
        -------
        np.ndarray [shape=(len(slots), n_outputs)], float32
            A fresh array, rows in the order of `slots`.

        Raises
        ------
        UsageError
            If a slot is not acquired or named twice, or the features do not fit.
        ModelError
            If ONNX Runtime fails; no state has changed then.
        """
        self._check(slots)
        batch = self.model.batch_of(features)
        if batch != len(slots):
            raise UsageError(f"features have a batch of {batch}, expected {len(slots)} slots")
        rows = _rows(slots)
        feeds: dict[str, Float32] = dict(features)
        for name, states in self._states.items():
            feeds[name] = states[rows]
        mood, *new = run_session(
            self._session, self.model.output_names, feeds, self.model.meta.name
        )
        for states, value in zip(self._states.values(), new, strict=True):
            states[rows] = value
        return mood

    def _check(self, slots: Sequence[int]) -> None:
        for slot in slots:
            if slot not in self._used:
                raise UsageError(f"slot {slot} is not acquired: call acquire() first")
        if len(set(slots)) != len(slots):
            raise UsageError(f"slots {list(slots)} name one twice: step each slot once")

    def _grow(self) -> None:
        old = self.capacity
        for name, states in self._states.items():
            self._states[name] = np.concatenate([states, np.zeros_like(states)])
        self._free.extend(range(2 * old - 1, old - 1, -1))


def _rows(slots: Sequence[int]) -> slice | list[int]:
    """Return slots as a slice if they follow one another, which numpy takes without a copy."""
    first = slots[0] if slots else 0
    if list(slots) == list(range(first, first + len(slots))):
        return slice(first, first + len(slots))
    return list(slots)
