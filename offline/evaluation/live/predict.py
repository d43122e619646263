"""The live model as it runs: stepped, clip by clip or as one long stream."""

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
import torch

from offline.batches.live.data import CHROMA, MEL, SR, LiveData
from streammer.frontend import FrontEnd

__all__ = [
    "Steps",
    "TorchSteps",
    "features_of",
    "run_batch",
    "run_clips",
    "run_sound",
    "run_stream",
]


class Steps(Protocol):
    """What is evaluated: an inference `Model`, or a torch module behind `TorchSteps`."""

    def zero_state(self, batch: int = 1) -> Sequence[np.ndarray]:
        """Return the states of streams without input."""

    def step(
        self, features: Mapping[str, np.ndarray], state: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, Sequence[np.ndarray]]:
        """Hear one step."""


class TorchSteps:
    """A torch module as `Steps`: for choosing a recipe; figures come from the artefact."""

    def __init__(self, module: torch.nn.Module) -> None:
        self.module = module.eval()

    def zero_state(self, batch: int = 1) -> Sequence[np.ndarray]:
        """Return the states of streams without input."""
        return [s.numpy() for s in self.module.zero_state(batch)]  # type: ignore[operator]

    @torch.no_grad()
    def step(
        self, features: Mapping[str, np.ndarray], state: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, Sequence[np.ndarray]]:
        """Hear one step."""
        given = [torch.from_numpy(x) for x in (*features.values(), *state)]
        mood, *new = self.module(*given)
        return mood.numpy(), [s.numpy() for s in new]


def run_batch(model: Steps, mel: np.ndarray, chroma: np.ndarray) -> np.ndarray:
    """Moods of clips stepped side by side from a fresh start.

    Parameters
    ----------
    mel, chroma : np.ndarray [shape=(batch, steps, frames, bins)], float32

    Returns
    -------
    np.ndarray [shape=(batch, steps, 6)]
    """
    state, moods = model.zero_state(len(mel)), []
    for t in range(mel.shape[1]):
        features = {
            "features.mel": np.ascontiguousarray(mel[:, t]),
            "features.chroma": np.ascontiguousarray(chroma[:, t]),
        }
        mood, state = model.step(features, state)
        moods.append(mood)
    return np.stack(moods, 1)


def run_clips(
    model: Steps, data: LiveData, clips: Sequence[int], steps: int, batch: int = 64
) -> np.ndarray:
    """Moods of clips, each from a fresh start [shape=(len(clips), steps, 6)]."""
    out = []
    for k in range(0, len(clips), batch):
        some = clips[k : k + batch]
        mel = torch.stack([data.mel[i][:steps] for i in some]).numpy()
        chroma = torch.stack([data.chroma[i][:steps] for i in some]).numpy()
        out.append(run_batch(model, mel, chroma))
    return np.concatenate(out)


def run_stream(
    model: Steps, data: LiveData, clips: Sequence[int], steps: int, seed: int = 7
) -> np.ndarray:
    """Moods of clips joined in random order into ONE stream, in the order given.

    Returns
    -------
    np.ndarray [shape=(len(clips), steps, 6)]
    """
    order = np.random.default_rng(seed).permutation(len(clips))
    mel = torch.cat([data.mel[clips[k]][:steps] for k in order])[None].numpy()
    chroma = torch.cat([data.chroma[clips[k]][:steps] for k in order])[None].numpy()
    moods = run_batch(model, mel, chroma)[0].reshape(len(clips), steps, -1)
    out = np.empty_like(moods)
    out[order] = moods
    return out


def features_of(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mel and chroma of mono sound at 22,050 Hz, whole steps ``[steps, frames, bins]``."""
    out = []
    for spec, frames in ((MEL, 25), (CHROMA, 5)):
        front_end = FrontEnd(spec)
        front_end.prime()
        x = np.array(front_end.push(np.ascontiguousarray(y, np.float32)))
        steps = len(y) // (SR // 2)
        out.append(x[: steps * frames].reshape(steps, frames, -1))
    return out[0], out[1]


def run_sound(model: Steps, y: np.ndarray) -> np.ndarray:
    """Moods of one sound [shape=(steps, 6)]."""
    mel, chroma = features_of(y)
    return run_batch(model, mel[None], chroma[None])[0]
