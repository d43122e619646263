"""`train` and `export` of the live model: members and kernel machines per fold, then artefacts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models.live.ensemble import OUTPUTS, LiveEnsemble
from models.live.mlp import Perceptron, Perceptrons
from models.live.mood import KernelMood, LiveModel
from models.live.texture import Texture
from offline.batches.live.data import FRONT_ENDS, LiveData, load_live
from offline.batches.live.statistics import Rows, fit_change, make_rows
from offline.export.onnx import export_model
from offline.features.cache import FeatureCache
from offline.files import write_json, write_text, write_with
from offline.progress import say
from offline.recipes.live import LivePlan, plan_of
from offline.recipes.recipe import Recipe, load_recipe
from offline.training.live.members import EVERY, Member, load_member, train_members
from offline.training.live.mlp import fit_perceptrons, make_pairs
from offline.training.live.ridge import fit_kernel
from streammer.errors import InputError

__all__ = [
    "ARTEFACTS", "artefact_of", "export_live", "is_live_run", "members_of", "prior_of_data",
    "recipe_of_run", "train_live",
]  # fmt: skip

ARTEFACTS = "artefacts"
LICENCE = (
    "weights: for research, as the licences of the training data ask (DEAM: CC BY-NC; 4Q: research "
    "use); code: MIT"
)


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
    """All networks of a plan: those of its members, and the one that ships, taught by all folds."""
    seeds = range(plan.network_seeds)
    return [Member(fold, s) for s in seeds for fold in range(plan.folds)] + [Member(EVERY, 0)]


def prior_of_data(data: LiveData, folds: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and spread of the labels of folds."""
    labels = np.concatenate([data.clips[i].labels for i in data.first_clips(tuple(folds))])
    return np.nanmean(labels, 0), np.nanstd(labels, 0)


def train_live(
    recipe: Recipe, recipe_text: str, root: Path, cache: Path, run: Path, *, workers: int = 1
) -> LiveData:
    """Train everything that is not there yet in the run's folder.

    Parameters
    ----------
    recipe : Recipe
        Of the family ``live``.
    recipe_text : str
        Kept in the run and in every artefact.
    root, cache, run : Path
        Data, cached features, folder of the run.
    workers : int
        Processes for missing features.
    """
    plan = plan_of(recipe)
    data = load_live(root, FeatureCache(cache), workers=workers)
    for note in data.notes[:20]:
        say(note)
    write_text(run / "recipe.toml", recipe_text)
    write_json(run / "live.json", {"data": str(root.resolve()), "cache": str(cache.resolve())})
    if plan.has_networks:
        train_members(data, recipe, plan, run, networks_of(plan))
    train_kernels(data, plan, run)
    return data


def train_kernels(data: LiveData, plan: LivePlan, run: Path) -> None:
    """Fit what hears statistics, per fold and seed, and once on every fold."""
    for seed in range(plan.seeds):
        wanted: list[int | None] = [*range(plan.folds), *([None] if seed == 0 else [])]
        missing = [f for f in wanted if not _is_fitted(run, plan, f, seed)]
        if not missing:
            continue
        part = plan.part
        texture = Texture(memory_s=part.memory_s, threshold=part.threshold)
        # What changes inside songs says nothing of moods: one spread serves all folds.
        songs = data.first_clips(tuple(range(plan.folds)))
        fit_change(texture, data, [i for i in songs if len(data.mel[i]) >= 20][:400])
        moods, halves = make_rows(
            data, texture, plan.copied, seed, copies=part.copies, sounds=part.sounds
        )
        pairs = make_pairs(data, texture, plan.copied, seed) if plan.has_perceptrons else None
        for fold in missing:
            folds = [f for f in range(plan.folds) if f != fold]
            spread = prior_of_data(data, folds)[1]
            kernel = fit_kernel(moods, halves, texture, part, fold, spread, seed)
            _save_kernel(kernel, kernel_path(run, fold, seed))
            say(f"kernel machine without fold {fold}, seed {seed}: {_size(moods, fold)} rows")
            if pairs is not None:
                bag = fit_perceptrons(
                    moods, halves, pairs, plan.perceptron, fold, seed, _teacher(kernel)
                )
                body = bag.state_dict()
                write_with(perceptrons_path(run, fold, seed), lambda p, b=body: torch.save(b, p))
                say(f"perceptrons without fold {fold}, seed {seed}: {bag.n} members")


def _teacher(kernel: KernelMood) -> Any:
    @torch.no_grad()
    def said(x: np.ndarray) -> np.ndarray:
        raw = kernel.read(torch.from_numpy(x).float())
        return torch.cat((raw[:, :2], raw[:, 4:6]), 1).numpy()

    return said


def _is_fitted(run: Path, plan: LivePlan, fold: int | None, seed: int) -> bool:
    wanted = [kernel_path(run, fold, seed)]
    if plan.has_perceptrons:
        wanted.append(perceptrons_path(run, fold, seed))
    return all(path.exists() for path in wanted)


def kernel_path(run: Path, fold: int | None, seed: int) -> Path:
    """Where a fitted kernel machine is kept."""
    return run / "kernels" / f"{'all' if fold is None else f'fold{fold}'}-seed{seed}.pt"


def perceptrons_path(run: Path, fold: int | None, seed: int) -> Path:
    """Where fitted perceptrons are kept."""
    return run / "perceptrons" / kernel_path(run, fold, seed).name


def _size(rows: Rows, fold: int | None) -> int:
    return int((rows.fold != fold).sum()) if fold is not None else len(rows.fold)


def _save_kernel(kernel: KernelMood, path: Path) -> None:
    body = {"state": kernel.state_dict(), "gamma": kernel.gamma}
    write_with(path, lambda part: torch.save(body, part))


def _fitted(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise InputError(f"{path}: not trained yet; run `train` again to finish it")
    body: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return body


def load_kernel(run: Path, plan: LivePlan, fold: int | None, seed: int) -> KernelMood:
    """Read a fitted kernel machine.

    Raises
    ------
    InputError
        It is not trained yet.
    """
    body = _fitted(kernel_path(run, fold, seed))
    s, part = body["state"], plan.part
    texture = Texture(memory_s=part.memory_s, threshold=part.threshold)
    kernel = KernelMood(
        texture, s["centres"].T, s["shift"], s["scale"], s["limit"], s["project"], body["gamma"],
        s["heads"], s["doubt"], s["offset"],
    )  # fmt: skip
    kernel.load_state_dict(s)
    return kernel.eval()


def load_perceptrons(run: Path, plan: LivePlan, fold: int | None, seed: int) -> Perceptrons:
    """Read fitted perceptrons.

    Raises
    ------
    InputError
        They are not trained yet.
    """
    body = _fitted(perceptrons_path(run, fold, seed))
    part, size = plan.perceptron, len(body["shift"])
    blank = [Perceptron(size, part.hidden, 0, 0.0) for _ in range(part.members)]
    none = torch.zeros(len(body["offset"]))
    bag = Perceptrons(blank, body["shift"], body["scale"], none, none)
    bag.load_state_dict(body)
    return bag


def artefact_of(run: Path, member: Member) -> Path:
    """Artefact of one fold and seed, kept in the run."""
    return run / ARTEFACTS / f"live-{member.name}.onnx"


def export_live(
    run: Path, data: LiveData, to: Path, *, name: str, version: str, sections: Mapping[str, str]
) -> Path:
    """Export each fold's and seed's artefact into the run, and the one that ships into `to`.

    The one that ships is made of parts that have heard every fold (the first seed of each).
    """
    recipe = recipe_of_run(run)
    plan = plan_of(recipe)
    text = (run / "recipe.toml").read_text(encoding="utf-8")
    for member in members_of(plan):
        path = artefact_of(run, member)
        if path.exists():
            continue
        folds = [f for f in range(plan.folds) if f != member.fold]
        note = {k: f"Held out: fold {member.fold}. Kept for evaluation only." for k in
                ("Data", "Splits", "Known failures")}  # fmt: skip
        module = _module(run, data, plan, member.fold, member.seed, folds)
        _export(data, plan, module, folds, path.parent, path.stem, "0", text, note)
        say(f"{path}: exported")
    everything = list(range(plan.folds))
    module = _module(run, data, plan, None, 0, everything)
    return _export(data, plan, module, everything, to, name, version, text, sections)


def _module(
    run: Path, data: LiveData, plan: LivePlan, fold: int | None, seed: int, folds: Sequence[int]
) -> LiveModel:
    """Put the parts together that have not heard a fold."""
    network = Member(EVERY if fold is None else fold, min(seed, plan.network_seeds - 1))
    spread = prior_of_data(data, folds)[1]
    return LiveModel(
        load_kernel(run, plan, fold, seed),
        LiveEnsemble([load_member(run, plan, network)]) if plan.has_networks else None,
        plan.share,
        plan.smoothing_s,
        (float(spread[0]), float(spread[1])),
        perceptrons=load_perceptrons(run, plan, fold, seed) if plan.has_perceptrons else None,
        perceptron_share=plan.perceptron_share,
    )


def _export(
    data: LiveData,
    plan: LivePlan,
    module: LiveModel,
    folds: Sequence[int],
    to: Path,
    name: str,
    version: str,
    recipe_text: str,
    sections: Mapping[str, str],
) -> Path:
    mean, spread = prior_of_data(data, folds)
    learned = plan.has_networks or plan.has_perceptrons
    counts = {
        kind: len({data.clips[i].song for i in data.where(kind, tuple(folds))})
        for kind in ("curve", "quadrant", "cluster")
    }
    meta = {
        "name": name,
        "version": version,
        "step_s": 0.5,
        "outputs": list(OUTPUTS),
        "warmup_s": 3.0,
        "prior": {
            axis: {"mean": round(float(mean[k]), 6), "sd": round(float(spread[k]), 6)}
            for k, axis in enumerate(("valence", "arousal"))
        },
        "licence": LICENCE,
        "trained_on": f"DEAM ({counts['curve']} songs), 4Q ({counts['quadrant']} clips)"
        + (f", MIREX-like ({counts['cluster']} clips)" if learned else ""),
        "recipe": recipe_text,
        "data_hash": data.data_hash(),
    }
    to.mkdir(parents=True, exist_ok=True)
    return export_model(module, FRONT_ENDS, meta, to, sections)
