"""The backend that steps ONNX models with ONNX Runtime, on the CPU or an NVIDIA GPU."""

import threading
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from streammer.errors import UsageError
from streammer.inference.backends.buckets import BUCKETS, divided
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
    buckets : sequence of int
        Batch sizes that the model is run in, ascending; what is smaller is filled up. With one
        bucket a stream's numbers are to the bit the same whatever stands beside it.

    Raises
    ------
    UsageError
        If there is no such device.
    ModelError
        If ONNX Runtime has no provider for it.

    Notes
    -----
    The states of all slots lie in one array a state, [shape=(capacity, ...)], whose capacity
    doubles when slots run out. A batch has arrays of its own in each bucket, made once; a single
    slot in a bucket of one is passed as a view. Results are written back only when the whole step
    has succeeded.

    It may be used from several threads: a slot is acquired and released between two steps.
    """

    def __init__(
        self, model: Model, device: str = "cpu", *, buckets: Sequence[int] = BUCKETS
    ) -> None:
        self.model = model
        self.device = device
        self._session = (
            model.session if device == "cpu" else open_session(model.data, str(model.path), device)
        )
        self._buckets = tuple(buckets)
        self._batches: dict[int, dict[str, Float32]] = {}
        self._states = {
            name: np.zeros((_FIRST_CAPACITY, *shape), np.float32)
            for name, shape in model.state_shapes.items()
        }
        self._free = list(range(_FIRST_CAPACITY - 1, -1, -1))
        self._used: set[int] = set()
        self._lock = threading.RLock()

    @property
    def capacity(self) -> int:
        """Slots for which there is memory."""
        return len(self._free) + len(self._used)

    def acquire(self) -> int:
        """Return a slot that has heard nothing yet."""
        with self._lock:
            if not self._free:
                self._grow()
            slot = self._free.pop()
            self._used.add(slot)
            self.reset(slot)
            return slot

    def release(self, slot: int) -> None:
        """Give a slot back; its memory is lost."""
        with self._lock:
            self._check((slot,))
            self._used.remove(slot)
            self._free.append(slot)

    def reset(self, slot: int) -> None:
        """Make a slot forget all it has heard: an all-zero state is that of a fresh stream."""
        with self._lock:
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
        with self._lock:
            self._check(slots)
            batch = self.model.batch_of(features)
            if batch != len(slots):
                raise UsageError(f"features have a batch of {batch}, expected {len(slots)} slots")
            moods, news, at = [], [], 0
            for count, bucket in divided(len(slots), self._buckets):
                rows = slots[at : at + count]
                feeds = self._filled(bucket, rows, features, slice(at, at + count))
                mood, *new = run_session(
                    self._session, self.model.output_names, feeds, self.model.meta.name
                )
                moods.append(mood[:count])
                news.append((rows, new))
                at += count
            for rows, new in news:
                self._keep(rows, new)
            return moods[0] if len(moods) == 1 else np.concatenate(moods)

    def _filled(
        self, bucket: int, slots: Sequence[int], features: Mapping[str, Float32], part: slice
    ) -> dict[str, Float32]:
        """Return what the model is fed for these slots, in the arrays of a bucket."""
        if bucket == 1:
            slot = slots[0]
            feeds = {name: array[part] for name, array in features.items()}
            for name, states in self._states.items():
                feeds[name] = states[slot : slot + 1]
            return feeds
        if bucket not in self._batches:
            shapes = self.model.feature_shapes | self.model.state_shapes
            # Zeros: what fills a batch up is finite, and nobody looks at it.
            self._batches[bucket] = {
                name: np.zeros((bucket, *shape), np.float32) for name, shape in shapes.items()
            }
        feeds = self._batches[bucket]
        count = len(slots)
        for name, array in features.items():
            feeds[name][:count] = array[part]
        for name, states in self._states.items():
            np.take(states, slots, axis=0, out=feeds[name][:count], mode="clip")
        return feeds

    def _keep(self, slots: Sequence[int], new: Sequence[Float32]) -> None:
        if len(slots) == 1:
            for states, value in zip(self._states.values(), new, strict=True):
                states[slots[0]] = value[0]
            return
        rows = np.array(slots)
        for states, value in zip(self._states.values(), new, strict=True):
            states[rows] = value[: len(rows)]

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
