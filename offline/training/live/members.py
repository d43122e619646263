"""Training of the live model: members for each held-out fold and seed, resumable to the bit.

No member is chosen by its epoch: the schedule ends at a learning rate of zero and the average of
the last weights counts. So the held-out fold decides nothing but its own figures (and, over all
folds, the factors of sigma).
"""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.live.net import LiveNet
from offline.batches.live.batches import Batch, Batches
from offline.batches.live.data import LiveData
from offline.files import write_json, write_with
from offline.progress import say
from offline.recipes.live import CLUSTERS, GENRES, LivePlan
from offline.recipes.recipe import Recipe
from offline.training.losses import binary, detached_nll, masked_mean, squared
from streammer.errors import InputError

__all__ = [
    "EVERY",
    "Member",
    "load_member",
    "loss_of",
    "member_path",
    "train_member",
    "train_members",
]


EVERY = -1
"""In place of a held-out fold: trained on every fold."""


@dataclass(frozen=True)
class Member:
    """One network: the fold it is trained without, and its seed."""

    fold: int
    seed: int

    @property
    def name(self) -> str:
        """As in file names."""
        fold = "all" if self.fold == EVERY else f"fold{self.fold}"
        return f"{fold}-seed{self.seed}"


def member_path(run: Path, member: Member) -> Path:
    """Weights of a finished member."""
    return run / "members" / f"{member.name}.pt"


def loss_of(
    out: Tensor, batch: Batch, plan: LivePlan, spread: Tensor, rng: torch.Generator
) -> Tensor:
    """Sum of all losses of raw heads ``[rows, steps, heads]``.

    `spread` is the standard deviation of the training labels: for sounds that are no music sigma
    learns from labels drawn with it, so that it ends at the prior's, while the mean is drawn
    gently to the middle.
    """
    part, y, w = plan.loss, batch.targets, batch.weights
    early, sound = w["early"][..., None], w["sound"][..., None]
    mood = (w["mood"][..., None] + sound) * early
    drawn = torch.randn(y["mood"].shape, generator=rng) * spread
    loss = part.mean * squared(out[..., :2], y["mood"], mood * (1 - (1 - part.sound_mean) * sound))
    labels = torch.where(sound > 0, drawn, y["mood"])
    loss = loss + part.sigma * detached_nll(out[..., :2], out[..., 2:4], labels, mood)
    loss = loss + part.half * binary(out[..., 4:6], y["half"], w["half"][..., None] * early)
    at = 6
    genre, at = out[..., at : at + len(GENRES)], at + len(GENRES)
    cluster, at = out[..., at : at + CLUSTERS].log_softmax(-1), at + CLUSTERS
    words = out[..., at : at + 2]
    loss = loss + part.genre * binary(genre, y["genre"], w["genre"][..., None] * early)
    entropy = -(cluster * y["cluster"]).sum(-1)
    loss = loss + part.cluster * masked_mean(entropy, w["cluster"] * w["early"])
    return loss + part.words * squared(words, 2 * y["words"], w["words"][..., None] * early)


def train_member(
    data: LiveData,
    recipe: Recipe,
    plan: LivePlan,
    member: Member,
    path: Path,
    *,
    stop: Callable[[int], bool] = lambda epoch: False,
) -> LiveNet:
    """Train one member, or go on from its last whole epoch; its averaged weights go to `path`.

    Parameters
    ----------
    data : LiveData
    recipe, plan : Recipe, LivePlan
    member : Member
    path : Path
        Of the finished weights; the checkpoint stands beside it until then.
    stop : callable
        Asked after each epoch (for tests of resuming).
    """
    part = recipe.training
    torch.manual_seed(1000 * part.seed + 100 * member.seed + member.fold)
    folds = tuple(f for f in range(plan.folds) if f != member.fold)
    batches = Batches(data, folds, plan, seed=10_000 + 100 * member.seed + member.fold)
    if not batches.songs:
        raise InputError("no clip with valence and arousal is left to train on; check the data")
    labels = np.concatenate([data.clips[i].labels for i in data.where("curve", folds)])
    spread = torch.from_numpy(np.nanstd(labels, 0)).float()
    net = LiveNet(plan.config).to(memory_format=torch.channels_last)
    total = part.epochs * len(batches)
    optimiser = torch.optim.AdamW(net.parameters(), lr=part.lr, weight_decay=part.weight_decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, part.lr, total_steps=total + 1, pct_start=max(plan.warm_up, 2 / (total + 1))
    )
    average = copy.deepcopy(net)
    parts = {"net": net, "average": average, "optimiser": optimiser, "schedule": schedule}
    checkpoint = path.with_suffix(".part")
    first, spent = _resume(checkpoint, parts)
    fast = part.precision.startswith("bf16")
    for epoch in range(first, part.epochs):
        since = time.monotonic()
        torch.manual_seed(1_000_003 * (100 * member.seed + member.fold) + epoch)
        rng = torch.Generator().manual_seed(7919 * epoch + 31 * member.seed + member.fold)
        net.train()
        losses = []
        for k, batch in enumerate(batches.epoch(epoch)):
            state = net.zero_state(len(batch.mel))
            with torch.autocast("cpu", torch.bfloat16, enabled=fast):
                out = net(batch.mel, batch.chroma, *state)[0].float()
            loss = loss_of(out, batch, plan, spread, rng)
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), plan.clip)
            optimiser.step()
            schedule.step()
            _average(average, net, plan.average, epoch * len(batches) + k + 1)
            losses.append(float(loss.detach()))
        spent += time.monotonic() - since
        _save(checkpoint, {"epoch": epoch + 1, "spent": spent, **_states(parts)})
        say(f"{member.name}: epoch {epoch + 1} of {part.epochs}, loss {np.mean(losses):.4f}")
        if stop(epoch + 1):
            return average.eval()
    _save(path, {"average": average.state_dict(), "spent": spent, "epochs": part.epochs})
    checkpoint.unlink(missing_ok=True)
    return average.eval()


def train_members(
    data: LiveData, recipe: Recipe, plan: LivePlan, run: Path, members: Sequence[Member]
) -> None:
    """Train every member that is not there yet, and note what it was trained on."""
    all_folds = tuple(range(plan.folds))
    write_json(
        run / "fitted.json",
        {"data_hash": data.data_hash(), "notes": data.notes, "clips": len(data.clips),
         "songs": {kind: len({data.clips[i].song for i in data.where(kind, all_folds)})
                   for kind in ("curve", "quadrant", "cluster")}},
    )  # fmt: skip
    for member in members:
        path = member_path(run, member)
        if not path.exists():
            train_member(data, recipe, plan, member, path)


def load_member(run: Path, plan: LivePlan, member: Member) -> LiveNet:
    """Read a finished member.

    Raises
    ------
    InputError
        It is not trained yet.
    """
    path = member_path(run, member)
    if not path.exists():
        raise InputError(f"{path}: not trained yet; run `train` again to finish it")
    net = LiveNet(plan.config)
    net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True)["average"])
    return net.eval()


@torch.no_grad()
def _average(average: nn.Module, net: nn.Module, decay: float, step: int) -> None:
    """Move the average on; in the first steps faster, so that it forgets the random start."""
    decay = min(decay, (1 + step) / (10 + step))
    for a, b in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if a.dtype.is_floating_point:
            a.lerp_(b, 1 - decay)
        else:
            a.copy_(b)


def _states(parts: dict[str, object]) -> dict[str, object]:
    return {name: part.state_dict() for name, part in parts.items()}  # type: ignore[attr-defined]


def _resume(checkpoint: Path, parts: dict[str, object]) -> tuple[int, float]:
    if not checkpoint.exists():
        return 0, 0.0
    saved = torch.load(checkpoint, map_location="cpu", weights_only=False)
    for name, part in parts.items():
        part.load_state_dict(saved[name])  # type: ignore[attr-defined]
    return int(saved["epoch"]), float(saved["spent"])


def _save(path: Path, body: dict[str, object]) -> None:
    write_with(path, lambda part: torch.save(body, part))
