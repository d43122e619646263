"""What the published audio networks of DEAM share: labelled clips in, valence and arousal out."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.audio.stepping import ToUnit
from offline.batches.audio import ClipBatches
from offline.batches.clips import LabelledClip, LabelledClips, build_clips, scored, sequence_sizes
from offline.batches.example import Batch
from offline.batches.windows import to_unit
from offline.datasets import Dataset
from offline.progress import progress_bar, say
from offline.runs import Predictions, Run, prior_of
from offline.training.losses import axis_errors
from offline.training.network import NetworkSystem
from offline.training.system import Outputs, Stepping, TrainingData
from streammer.errors import InputError, UsageError

__all__ = ["AudioSystem", "device_of"]

_SAMPLE = 200
"""Clips of which means and spreads are fitted."""


class AudioSystem(NetworkSystem):
    """Frames of one front end -> the recipe's axes, one loss for all."""

    @abstractmethod
    def build(self, options: dict[str, Any]) -> nn.Module:
        """Build the network with the recipe's options."""

    @abstractmethod
    def frames(self, labelled: LabelledClip, at: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
        """Return the inputs of the labels `at` of a clip [shape=(n, frames, bins)], float32."""

    @abstractmethod
    def outputs(
        self, net: nn.Module, labelled: LabelledClip, at: np.ndarray, sizes: Sequence[int]
    ) -> Tensor:
        """Apply the network to the labels `at` of a clip [shape=(n, axes)], on the loss's scale."""

    @abstractmethod
    def stepper(
        self, net: nn.Module, unit: ToUnit, sizes: Sequence[int]
    ) -> tuple[nn.Module, float]:
        """Return the network as the exporter wants it, and the seconds of a step."""

    def network(self) -> nn.Module:
        """Build the untrained network."""
        try:
            return self.build(dict(self.recipe.network.options))
        except (TypeError, KeyError, RuntimeError) as error:
            raise UsageError(f"{self.recipe.name}: network cannot be built ({error})") from error

    def loss(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """Return the published loss over the labels that exist."""
        assert isinstance(outputs, Tensor)
        kind = self.recipe.training.loss
        axes = axis_errors(
            outputs, batch.targets["mood"], batch.mask("mood"), absolute=kind == "mae_sum"
        )
        return {"mood": axes.mean() if kind == "mse" else axes.sum()}

    def data(self, run: Run, dataset: Dataset, *, workers: int, show: bool) -> TrainingData:
        """Cut the songs of both sides into clips."""
        recipe, split = self.recipe, run.split
        common: dict[str, Any] = {"workers": workers, "show": show}
        train = build_clips(dataset, split.train, recipe, run.cache, **common)
        validation = build_clips(
            dataset, split.validation, recipe, run.cache, first_clip_only=True, **common
        )
        for side in (train, validation):
            for line in side.missed.lines():
                say(line)
        labels = train.labels()  # of the whole side: the constant knows all training songs
        if not len(labels):
            raise InputError(f"{dataset.root}: no labels to train on")
        read = set(split.train[:: recipe.data.every_song])
        train.items = [p for p in train.items if p.uid in read]
        if not train.items:
            raise InputError(
                f"{recipe.name}: none of every {recipe.data.every_song} songs has audio"
            )
        sizes = sequence_sizes(train.items, recipe)
        return TrainingData(
            ClipBatches(train.items, recipe, sizes, train=True),
            ClipBatches(validation.items, recipe, sizes, train=False),
            _facts(train, validation, labels, sizes, recipe.outputs),
        )

    @torch.no_grad()
    def prepare(self, net: nn.Module, data: TrainingData) -> None:
        """Fit the mean and spread buffers on a sample of the training clips."""
        if getattr(net, "original", False) or not hasattr(net, "compress"):
            return
        assert isinstance(data.train, ClipBatches)
        clips, sizes = data.train.clips, data.facts["sizes"]
        rng = np.random.default_rng(self.recipe.training.seed)
        total = square = torch.zeros(())
        n = 0
        net.mean.zero_()  # type: ignore[operator]
        net.std.fill_(1.0)  # type: ignore[operator]
        for labelled in [clips[i] for i in rng.permutation(len(clips))[:_SAMPLE]]:
            at = rng.integers(0, len(labelled.ends), 1)
            z = self.compressed(net, torch.from_numpy(self.frames(labelled, at, sizes)))
            z = z.double().flatten(0, -2)
            total, square, n = total + z.sum(0), square + z.square().sum(0), n + len(z)
        mean = total / n
        net.mean.copy_(mean.float())  # type: ignore[operator]
        std = (square / n - mean.square()).clamp_min(0).sqrt().float()
        # a row that hardly moves in training must not be blown up
        net.std.copy_(std.clamp_min(max(0.1 * float(std.mean()), 1e-3)))  # type: ignore[operator]

    def compressed(self, net: nn.Module, frames: Tensor) -> Tensor:
        """Return what the network standardises."""
        out: Tensor = net.compress(frames)  # type: ignore[operator]
        return out

    def predict(
        self, run: Run, dataset: Dataset, uids: Sequence[str], *, workers: int = 1,
        show: bool = True,
    ) -> Predictions:  # fmt: skip
        """Predict the scored labels of each song's first clip."""
        recipe, fitted = self.recipe, run.fitted
        clips = build_clips(
            dataset, uids, recipe, run.cache, first_clip_only=True, workers=workers, show=show
        )
        net = self.load(run)
        out = Predictions([], [], [], [], np.array(fitted["constant"]))
        with progress_bar(f"evaluate {recipe.name}", len(clips), show=show) as advance:
            for labelled in clips.items:
                at = np.flatnonzero(scored(labelled, recipe))
                advance()
                if not len(at):
                    continue
                out.uids.append(labelled.uid)
                out.t_s.append(labelled.t_s[at])
                out.y.append(labelled.y[at])
                out.p.append(self.predict_clip(net, labelled, at, fitted["sizes"]))
        if not out.uids:
            raise InputError(f"{dataset.root}: no test song has a scored label; check the folder")
        return out

    @torch.no_grad()
    def predict_clip(
        self, net: nn.Module, labelled: LabelledClip, at: np.ndarray, sizes: Sequence[int]
    ) -> np.ndarray:
        """Predict the labels `at` of a clip.

        Returns
        -------
        np.ndarray [shape=(len(at), 2)], float32
            Valence, arousal on [-1, 1]; NaN for an axis that the system does not give.
        """
        raw = self.outputs(net, labelled, at, sizes).float()
        given = to_unit(raw, self.recipe.data.target).numpy()
        out = np.full((len(at), 2), np.nan, np.float32)
        for column, axis in enumerate(self.recipe.outputs):
            out[:, ("valence", "arousal").index(axis)] = given[:, column]
        return out

    def stepping(self, run: Run) -> Stepping:
        """Return the fitted network as the exporter takes it."""
        fitted = run.fitted
        if not self.recipe.exports:
            raise UsageError(
                f"{run.path}: {self.recipe.name} cannot be exported, its "
                f"{fitted['n_weights']:,} weights fit no artefact"
            )
        module, step_s = self.stepper(
            self.load(run).cpu(), ToUnit(self.recipe.data.target), fitted["sizes"]
        )
        return Stepping(module, {"features": self.recipe.spec}, step_s)


def device_of(net: nn.Module) -> torch.device:
    """Return the device of a network's weights."""
    return next(net.parameters()).device


def _facts(
    train: LabelledClips, validation: LabelledClips, labels: np.ndarray, sizes: tuple[int, int],
    outputs: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    return {
        "sizes": list(sizes),
        "n_train": len({p.uid for p in train.items}),
        "n_validation": len(validation),
        "without": {"train": train.without, "validation": validation.without},
        "data_hash": train.data_hash(),
        "constant": [float(v) for v in labels.mean(axis=0)],
        "prior": prior_of(np.asarray(labels), outputs),
    }
