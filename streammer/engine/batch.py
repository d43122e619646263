"""One step of many streams: each model is called once for all that are due."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from streammer.engine.stream import Due, Stream
from streammer.estimate import MoodEstimate
from streammer.inference.backends import LoadedModel

__all__ = ["step_due"]


def step_due(due: Sequence[tuple[Stream, Due]]) -> list[MoodEstimate]:
    """Step the models of all streams that are due, one batch a backend.

    Parameters
    ----------
    due : sequence of (Stream, Due)
        At most one step a stream.
    """
    outputs: list[dict[int, dict[str, float]]] = [{} for _ in due]
    members: dict[int, list[tuple[int, int]]] = {}
    loaded_of: dict[int, LoadedModel] = {}
    gates = [stream.gate(item.step) for stream, item in due]
    for row, (stream, _) in enumerate(due):
        for position, loaded in enumerate(stream.models):
            if gates[row].reset:
                loaded.backend.reset(stream.slot(position))
            if gates[row].step:
                members.setdefault(id(loaded.backend), []).append((row, position))
                loaded_of[id(loaded.backend)] = loaded
    for key, rows in members.items():
        loaded = loaded_of[key]
        slots = [due[row][0].slot(position) for row, position in rows]
        features = {
            name: _stacked([due[row][1].step.features[spec] for row, _ in rows])
            for name, spec in loaded.model.front_ends.items()
        }
        moods = loaded.backend.step(slots, features).tolist()
        for (row, position), slot, mood in zip(rows, slots, moods, strict=True):
            if all(map(math.isfinite, mood)):
                outputs[row][position] = dict(zip(loaded.model.outputs, mood, strict=True))
            else:
                # No number came of it: the model is reset, and the last mood is held.
                loaded.backend.reset(slot)
    return [
        stream.finish(item, [outputs[row][p] for p in sorted(outputs[row])] or None)
        for row, (stream, item) in enumerate(due)
    ]


def _stacked(chunks: list[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    return chunks[0][None] if len(chunks) == 1 else np.stack(chunks)
