"""What every network is trained on: inputs by modality, targets by name, and what is known.

The same for a spectrogram, a curve of valence and arousal, a quadrant and the words of a song.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

__all__ = ["Batch", "Example", "collate"]


@dataclass(frozen=True)
class Example:
    """One row of a batch.

    Attributes
    ----------
    inputs : mapping of str to Tensor [shape=(...)]
        By modality, e.g. ``mel`` [frames, bins], ``tokens`` [words]. The first axis may differ
        between examples.
    targets : mapping of str to Tensor
        By name, e.g. ``mood`` [steps, axes], ``quadrant`` [] (an integer class). Finite everywhere.
    masks : mapping of str to Tensor
        Weight of each target, of a shape that broadcasts to it: 0 where it is unknown. One that is
        left out is known everywhere.
    """

    inputs: Mapping[str, Tensor]
    targets: Mapping[str, Tensor]
    masks: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch:
    """Rows of one optimiser step, each tensor with the rows as its first axis.

    Attributes
    ----------
    inputs, targets, masks : dict of str to Tensor [shape=(rows, ...)]
        See `Example`.
    rows : tuple of int
        Which rows of the data they are, for tests and logs.
    """

    inputs: dict[str, Tensor]
    targets: dict[str, Tensor]
    masks: dict[str, Tensor]
    rows: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(next(iter(self.inputs.values())))

    def to(self, device: torch.device | str, non_blocking: bool = True) -> "Batch":
        """Return the batch on a device."""
        return self._each(lambda x: x.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "Batch":
        """Return the batch in memory that a GPU can read by itself."""
        return self._each(Tensor.pin_memory)

    def mask(self, name: str) -> Tensor:
        """Weight of a target, broadcast to it; 1 where none was given."""
        target = self.targets[name]
        mask = self.masks.get(name)
        if mask is None:
            return torch.ones_like(target, dtype=torch.float32)
        while mask.ndim < target.ndim:
            mask = mask.unsqueeze(-1)
        return mask.expand_as(target)

    def _each(self, change) -> "Batch":  # type: ignore[no-untyped-def]
        parts = {
            name: {key: change(x) for key, x in getattr(self, name).items()}
            for name in ("inputs", "targets", "masks")
        }
        return replace(self, **parts)


def collate(examples: Sequence[Example], rows: Sequence[int] = ()) -> Batch:
    """Stack examples; what differs in its first axis is zero-padded at the end.

    The true lengths of a padded input ``x`` are the input ``x.length`` [shape=(rows,)], int64; a
    padded target gets a mask of 0 where it was padded.
    """
    inputs: dict[str, Tensor] = {}
    for name in examples[0].inputs:
        inputs[name], lengths = _stacked([e.inputs[name] for e in examples])
        if lengths is not None:
            inputs[f"{name}.length"] = lengths
    targets: dict[str, Tensor] = {}
    masks: dict[str, Tensor] = {}
    for name in examples[0].targets:
        targets[name], lengths = _stacked([e.targets[name] for e in examples])
        given = [e.masks.get(name) for e in examples]
        if lengths is not None or any(m is not None for m in given):
            known = [
                torch.ones_like(e.targets[name], dtype=torch.float32) if m is None else m
                for e, m in zip(examples, given, strict=True)
            ]
            masks[name] = _stacked(known)[0]
    return Batch(inputs, targets, masks, tuple(int(row) for row in rows))


def _stacked(parts: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
    if all(p.shape == parts[0].shape for p in parts):
        return torch.stack(list(parts)), None
    lengths = torch.tensor([len(p) for p in parts])
    out = parts[0].new_zeros(len(parts), int(lengths.max()), *parts[0].shape[1:])
    for row, part in zip(out, parts, strict=True):
        row[: len(part)] = part
    return out, lengths
