"""The folder of a live run: what is kept in it, under which names, and how it is read back."""

import json
from pathlib import Path
from typing import Any

import torch

from models.live.mlp import Mlp, MlpEnsemble
from models.live.mood import KernelMood
from models.live.texture import Texture
from offline.batches.live.data import LiveData
from offline.batches.live.load import load_live
from offline.features.cache import FeatureCache
from offline.files import empty_folder, write_json, write_text
from offline.recipes.live import LivePlan
from offline.recipes.load import load_recipe
from offline.recipes.recipe import Recipe, recipe_toml
from offline.training.live.members import EVERY, Member
from streammer.errors import InputError, UsageError

__all__ = [
    "artefact_of",
    "is_live_run",
    "kernel_path",
    "load_kernel",
    "load_mlps",
    "members_of",
    "mlps_path",
    "networks_of",
    "open_data",
    "recipe_of_run",
    "shipped_of",
    "start_run",
]  # fmt: skip

ARTEFACTS = "artefacts"


def is_live_run(run: Path) -> bool:
    """Whether a folder is a run of the live family."""
    return (run / "live.json").is_file()


def recipe_of_run(run: Path) -> Recipe:
    """Return the recipe that a run keeps.

    Raises
    ------
    InputError
        The folder is no live run.
    """
    if not is_live_run(run):
        raise InputError(
            f"{run}: no run of the live model; expected live.json as `train` writes it"
        )
    return load_recipe(str(run / "recipe.toml"))


def members_of(plan: LivePlan) -> list[Member]:
    """All members of a plan: every fold held out once with every seed."""
    return [Member(fold, seed) for seed in range(plan.seeds) for fold in range(plan.folds)]


def networks_of(plan: LivePlan) -> list[Member]:
    """All networks of a plan: its members', and the one that ships, trained on all folds."""
    seeds = range(plan.network_seeds)
    return [Member(fold, s) for s in seeds for fold in range(plan.folds)] + [Member(EVERY, 0)]


def kernel_path(run: Path, fold: int | None, seed: int) -> Path:
    """Where a fitted kernel ridge is kept."""
    return run / "kernels" / f"{'all' if fold is None else f'fold{fold}'}-seed{seed}.pt"


def mlps_path(run: Path, fold: int | None, seed: int) -> Path:
    """Where fitted MLPs are kept."""
    return run / "mlps" / kernel_path(run, fold, seed).name


def artefact_of(run: Path, member: Member) -> Path:
    """Artefact of one fold and seed, kept in the run."""
    return run / ARTEFACTS / f"live-{member.name}.onnx"


def shipped_of(run: Path) -> Path:
    """Artefact of all folds, as it is kept in the run."""
    return run / f"{recipe_of_run(run).name}.onnx"


def start_run(run: Path, recipe: Recipe, data: Path, cache: Path, *, fresh: bool = False) -> None:
    """Write what the next commands need into a run's folder, or find it there.

    Raises
    ------
    UsageError
        The folder holds a run of another recipe or data set.
    """
    body = {"data": str(data.resolve()), "cache": str(cache.resolve())}
    text, there = recipe_toml(recipe), run / "live.json"
    if there.exists() and not fresh:
        old = json.loads(there.read_text(encoding="utf-8"))
        same = (run / "recipe.toml").read_text(encoding="utf-8") == text
        if same and old["data"] == body["data"]:
            return
        raise UsageError(
            f"{run}: holds a run of another configuration; choose another --name or start anew "
            "with --fresh"
        )
    if fresh and there.exists():
        empty_folder(run)
    write_text(run / "recipe.toml", text)
    write_json(there, body)


def open_data(run: Path, *, workers: int = 1) -> LiveData:
    """Load the data that a run was trained on."""
    body = json.loads((run / "live.json").read_text(encoding="utf-8"))
    return load_live(Path(body["data"]), FeatureCache(Path(body["cache"])), workers=workers)


def _fitted(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise InputError(f"{path}: not trained yet; run `train` again to finish it")
    body: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return body


def load_kernel(run: Path, plan: LivePlan, fold: int | None, seed: int) -> KernelMood:
    """Read a fitted kernel ridge.

    Raises
    ------
    InputError
        It is not trained yet.
    """
    body = _fitted(kernel_path(run, fold, seed))
    s, part = body["state"], plan.part
    texture = Texture(memory_s=part.memory_s, threshold=part.threshold)
    kernel = KernelMood(
        texture, s["landmarks"].T, s["shift"], s["scale"], s["limit"], s["project"], body["gamma"],
        s["heads"], s["log_variance"], s["offset"],
    )  # fmt: skip
    kernel.load_state_dict(s)
    return kernel.eval()


def load_mlps(run: Path, plan: LivePlan, fold: int | None, seed: int) -> MlpEnsemble:
    """Read fitted mlps.

    Raises
    ------
    InputError
        They are not trained yet.
    """
    body = _fitted(mlps_path(run, fold, seed))
    part, size = plan.mlp, len(body["shift"])
    blank = [Mlp(size, part.hidden, 0, 0.0) for _ in range(part.members)]
    none = torch.zeros(len(body["offset"]))
    bag = MlpEnsemble(blank, body["shift"], body["scale"], none, none)
    bag.load_state_dict(body)
    return bag
