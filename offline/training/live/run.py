"""The folder of a live run: what is kept in it, under which names, and how it is read back."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from models.live.mood_net import MoodNet
from models.live.mood_step import MoodStep
from offline.batches.live.data import LiveData
from offline.batches.live.load import load_live
from offline.datasets.nested import Folds
from offline.features.cache import FeatureCache
from offline.files import write_json
from offline.recipes.mood import MoodPlan, mood_plan
from offline.recipes.recipe import Recipe
from offline.runs import FITTED, facts_of, recipe_of_run
from offline.training.live.calibration import Calibration, mean_calibration
from offline.training.loop import load_weights
from streammer.errors import InputError, UsageError

__all__ = [
    "CALIBRATION",
    "EVERY",
    "Member",
    "artefact_of",
    "is_taught",
    "load_step",
    "members_of",
    "network_folder",
    "networks_of",
    "open_data",
    "save_calibration",
    "selected",
    "shipped_of",
]  # fmt: skip

ARTEFACTS, CALIBRATION = "artefacts", "calibration.json"
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

    def folds(self, plan: MoodPlan) -> Folds:
        """Return the folds as this network sees them."""
        return Folds(None if self.fold == EVERY else self.fold, plan.folds)


def members_of(recipe: Recipe) -> list[Member]:
    """All members of a run that are scored: every fold held out once with every seed.

    Of a run of selection the inner fold alone; the outer one is not in its data.
    """
    plan, inner = mood_plan(recipe), recipe.data.inner
    folds = range(plan.folds) if inner is None else (inner,)
    return [Member(fold, seed) for seed in range(plan.seeds) for fold in folds]


def networks_of(recipe: Recipe) -> list[Member]:
    """All networks of a run: its members, and the one that ships, trained on all folds."""
    ships = [] if recipe.data.inner is not None else [Member(EVERY, 0)]
    return [*members_of(recipe), *ships]


def selected(recipe: Recipe, data: LiveData) -> LiveData:
    """Return the data of a run: all, or for a run of selection all but its outer fold.

    Raises
    ------
    UsageError
        The inner fold is the outer one or none, there are too few, or an outer fold is named
        without an inner one.
    """
    if recipe.data.inner is None:
        if recipe.data.fold:
            raise UsageError(
                f"{recipe.name}: a run holds out every fold in turn; data.fold (--fold) has an "
                "effect only with data.inner (--inner)"
            )
        return data
    folds = mood_plan(recipe).folds
    Folds(recipe.data.fold, folds).inner(recipe.data.inner)
    if folds < 4:
        raise UsageError(
            f"{folds} folds: expected at least 4 for selection (one is put away, one chooses, one "
            "calibrates, the rest train)"
        )
    return data.without(recipe.data.fold)


def network_folder(run: Path, member: Member) -> Path:
    """Where a network is trained and kept."""
    return run / "networks" / member.name


def artefact_of(run: Path, member: Member) -> Path:
    """Artefact of one fold and seed, kept in the run."""
    return run / ARTEFACTS / f"live-{member.name}.onnx"


def shipped_of(run: Path) -> Path:
    """Artefact of all folds, as it is kept in the run."""
    return run / f"{recipe_of_run(run).name}.onnx"


def open_data(run: Path, *, workers: int = 1) -> LiveData:
    """Load the data that a run was trained on."""
    body = facts_of(run)
    recipe = recipe_of_run(run)
    data = load_live(
        Path(body["data"]),
        FeatureCache(Path(body["cache"])),
        sounds=mood_plan(recipe).sounds,
        workers=workers,
    )
    return selected(recipe, data)


def save_calibration(folder: Path, found: Calibration) -> None:
    """Keep the factors of a network beside it."""
    write_json(folder / CALIBRATION, asdict(found))


def _calibration(run: Path, plan: MoodPlan, member: Member) -> Calibration:
    """Factors of a network; of the one of all folds, the mean of the others'."""
    if member.fold == EVERY:
        return mean_calibration(
            [_calibration(run, plan, m) for m in members_of(recipe_of_run(run))]
        )
    path = network_folder(run, member) / CALIBRATION
    body = json.loads(_found(path).read_text(encoding="utf-8"))
    return Calibration(tuple(body["sigma"]), tuple(body["logit"]))


def is_taught(run: Path) -> bool:
    """Whether the networks of a run had a tagger's soft targets."""
    return bool(json.loads(_found(run / FITTED).read_text(encoding="utf-8"))["taught"])


def load_step(
    run: Path, plan: MoodPlan, member: Member, sigma_max: tuple[float, float]
) -> MoodStep:
    """Read a finished network as it is published: smoothed and calibrated.

    Raises
    ------
    InputError
        It is not trained yet.
    """
    folder = network_folder(run, member) / "checkpoints"
    facts = json.loads(_found(folder / FITTED).read_text(encoding="utf-8"))
    state = torch.load(folder / facts["best"], map_location="cpu", weights_only=False)
    head = state["state_dict"].get("net.heads.teacher.weight", ())
    net = MoodNet(plan.config(len(head)))
    load_weights(net, folder / facts["best"])
    factors = _calibration(run, plan, member)
    return MoodStep(net, sigma_scale=factors.sigma, logit_scale=factors.logit, sigma_max=sigma_max)


def _found(path: Path) -> Path:
    if not path.exists():
        raise InputError(f"{path}: not trained yet; run `train` again to finish it")
    return path
