"""What a published tagger says of every clip: soft targets for the live network.

Windows of 3 s that end at steps of the live grid, every few steps, from the first 3 s on. The
table of a clip is kept under the hashes of its bytes and of the weights; a killed run goes on where
it was. The tagger's weights are the user's (`offline.datasets.musicnn`) and reach no artefact.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from models.audio.musicnn import WINDOW, Musicnn
from offline.datasets.musicnn import TAGS, read_weights
from offline.features.cache import FeatureCache, Missed, compute, content_hash, frames_of
from offline.features.variants import variant_sound
from offline.progress import progress_bar
from streammer.errors import InputError, ModelError
from streammer.frontend import FrontEndSpec

__all__ = ["SPEC", "TagTable", "Teacher", "tag_rows", "window_steps"]

SPEC = FrontEndSpec("mel", 16000, 512, 256, 96, log="log1p", gain=1e4)
"""Front end of the tagger, but for the base of the logarithm."""
STEP_S = 0.5


@dataclass(frozen=True)
class TagTable:
    """Soft targets of one clip.

    Attributes
    ----------
    steps : np.ndarray [shape=(n,)], int
        How many steps of 0.5 s have been heard at each row's end.
    pooled : np.ndarray [shape=(n, channels)], float32
    logits : np.ndarray [shape=(n, tags)], float32
    """

    steps: np.ndarray
    pooled: np.ndarray
    logits: np.ndarray


def window_steps(frames: int, every: int) -> list[int]:
    """Return the steps that windows end at: the first of 3 s, every few from there, the last."""
    first = math.ceil(3.0 / STEP_S)
    last = math.ceil((frames + 1) * SPEC.hop_length / (STEP_S * SPEC.sr)) - 1
    return sorted({*range(first, last + 1, every), last}) if last >= first else []


def _end(step: int) -> int:
    """Return how many whole frames have ended by a step."""
    return int(step * STEP_S * SPEC.sr / SPEC.hop_length)


@lru_cache(maxsize=2)
def _tagger(weights: Path, device: str) -> Musicnn:
    try:
        net = Musicnn(read_weights(weights)).to(device)
    except (KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:100]
        raise ModelError(f"{weights}: not the weights of musicnn ({reason})") from error
    if net.tags.out_features != len(TAGS):
        raise ModelError(
            f"{weights}: {net.tags.out_features} tags, expected the {len(TAGS)} of musicnn"
        )
    return net


class Teacher:
    """Tables of soft targets, computed once and kept.

    Parameters
    ----------
    weights : Path
        The tagger's.
    cache : FeatureCache
    every : int
        Steps between windows.
    device : str
        That torch computes on.
    """

    def __init__(
        self, weights: Path, cache: FeatureCache, *, every: int = 4, device: str = "cpu"
    ) -> None:
        self.weights, self.cache, self.every, self.device = weights, cache, every, device
        self.kind = f"musicnn-{content_hash(weights)}-{every}"

    def table(self, audio: Path, variant: int = 0) -> TagTable:
        """Return the table of a clip or of its changed copy `variant` (from 1).

        Raises
        ------
        InputError
            The audio or the weights cannot be read.
        ModelError
            The weights are of another network.
        """
        kept = self.cache.derived(
            audio, SPEC, self._kind(variant), lambda: self._make(audio, variant)
        )
        tags = len(TAGS)
        return TagTable(kept[:, 0].astype(int), kept[:, 1:-tags], kept[:, -tags:])

    def fill(
        self,
        audio: Sequence[Path],
        *,
        variants: int = 0,
        workers: int = 1,
        show: bool = True,
    ) -> Missed:
        """Compute every table that is not there yet, in parallel; say what could not be read."""
        missed = Missed()
        jobs = []
        for path in dict.fromkeys(audio):
            try:
                jobs += [(path, k) for k in range(variants + 1) if not self._has(path, k)]
            except InputError as error:
                missed.reasons[path] = str(error)
        if not jobs:
            return missed
        one = partial(_one, self.weights, self.cache.root, self.every, self.device)
        with progress_bar("teacher's tags", len(jobs), show=show) as advance:
            for path, reason in _in_order(one, jobs, workers if self.device == "cpu" else 1):
                if reason:
                    missed.reasons[path] = reason
                advance()
        return missed

    def _kind(self, variant: int) -> str:
        return f"{self.kind}-variant{variant}" if variant else self.kind

    def _has(self, audio: Path, variant: int) -> bool:
        return self.cache.derived_path(audio, SPEC, self._kind(variant)).exists()

    def _make(self, audio: Path, variant: int) -> np.ndarray:
        if variant:
            frames = frames_of(*variant_sound(audio, variant), SPEC)
        else:
            frames = compute(audio, SPEC)
        return tag_rows(_tagger(self.weights, self.device), frames, self.every, self.device)


def tag_rows(net: Musicnn, frames: np.ndarray, every: int, device: str = "cpu") -> np.ndarray:
    """Tag the windows of a clip: rows of step, pooled features, logits.

    Parameters
    ----------
    net : Musicnn
    frames : np.ndarray [shape=(n, bins)]
        Of the front end `SPEC`.
    every : int
        Steps between windows.
    """
    steps = window_steps(len(frames), every)
    ends = [_end(s) for s in steps]
    x = torch.from_numpy(np.array(frames, np.float32) / np.float32(math.log(10))).to(device)
    if not ends:
        x, ends = x.new_zeros(WINDOW, x.shape[1]), [WINDOW]  # gives the number of columns
    given = net.sliding(x, ends)
    rows = torch.cat((given.pooled, given.logits), 1)[: len(steps)].cpu().numpy()
    return np.concatenate((np.array(steps, np.float32).reshape(-1, 1), rows), 1)


def _one(
    weights: Path, root: Path, every: int, device: str, job: tuple[Path, int]
) -> tuple[Path, str]:
    path, variant = job
    try:
        Teacher(weights, FeatureCache(root), every=every, device=device).table(path, variant)
    except InputError as error:
        return path, str(error)
    return path, ""


def _in_order(
    one: Callable[[tuple[Path, int]], tuple[Path, str]],
    jobs: Sequence[tuple[Path, int]],
    workers: int,
) -> Iterable[tuple[Path, str]]:
    if workers <= 1:
        yield from map(one, jobs)
        return
    with ProcessPoolExecutor(
        workers, mp_context=get_context("spawn"), initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        for done in as_completed([pool.submit(one, job) for job in jobs]):
            yield done.result()
