"""What steps a batch of streams: a backend owns their states, the engine knows slots alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from streammer.errors import ModelError
from streammer.inference.model import Model

__all__ = ["Backend", "LoadedModel", "common_step_s"]


class Backend(Protocol):
    """Steps streams of one model, each in a slot of its own.

    States never cross this boundary, so that they can live where the model runs. Slots may be
    acquired, released and reset from any thread, between two steps.
    """

    def acquire(self) -> int:
        """Return a slot in its initial state."""
        ...

    def release(self, slot: int) -> None:
        """Give a slot back; its memory is lost."""
        ...

    def reset(self, slot: int) -> None:
        """Return a slot to its initial state."""
        ...

    def step(
        self, slots: Sequence[int], features: Mapping[str, npt.NDArray[np.float32]]
    ) -> npt.NDArray[np.float32]:
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
        """
        ...


@dataclass(frozen=True)
class LoadedModel:
    """A model and the backend that steps it; streams share both."""

    model: Model
    backend: Backend


def common_step_s(models: Sequence[LoadedModel]) -> float:
    """Return the models' `step_s`, or raise `ModelError` if they differ."""
    steps = {m.model.step_s for m in models}
    if len(steps) > 1:
        named = ", ".join(f"{m.model.meta.name} {m.model.step_s} s" for m in models)
        raise ModelError(f"the models step differently ({named}): combine models of one step_s")
    return steps.pop()
