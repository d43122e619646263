"""The registry of systems: what each kind takes as input, reads of a recipe, and who handles it.

A recipe names a kind by its key ``family``. Whatever depends on the kind is asked here, and no
other module compares the name: a new kind is one entry, and a subclass of
`offline.training.system.System` that the entry names. Facts stand here as plain values, so that a
recipe is checked and listed without loading a framework; code is named as ``module:attribute`` and
loaded when it is called.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Literal

from streammer.errors import UsageError

__all__ = ["SYSTEMS", "SystemKind", "near", "system_kind"]

_VERBS = {
    "train": "offline.training.train:train_recipe",
    "evaluate": "offline.evaluation.evaluate:evaluate_folder",
    "export": "offline.export.run:export_folder",
    "features": "offline.training.train:feature_inputs",
}
_NETWORK_ONLY = (
    "network.image", "network.width", "training.accelerator", "training.average", "training.batch",
    "training.clip", "training.decay", "training.decay_epochs", "training.devices",
    "training.distil_seeds", "training.epochs", "training.keep", "training.least_lr",
    "training.loss", "training.lr", "training.momentum", "training.optimiser", "training.patience",
    "training.precision", "training.schedule", "training.steps", "training.warm_lr",
    "training.warm_share", "training.warm_steps", "training.weight_decay", "training.weights",
)  # fmt: skip


@dataclass(frozen=True)
class SystemKind:
    """One kind of systems.

    Parameters
    ----------
    name : str
        Value of a recipe's ``family``.
    system : str
        ``module:class`` of its `offline.training.system.System`.
    example : {'window', 'sequence', 'song'}
        What one example of training is.
    labels : tuple of str
        Kinds of labels it has a form for: ``dynamic``, ``static``.
    unused : tuple of str
        Keys of a recipe that it does not read (a key stands for all below it).
    front_end : bool
        Whether its recipes name a front end.
    images : bool
        Whether windows are resized to images, which are kept.
    half_precision : bool
        Whether the report may train it in mixed precision.
    published_split : str
        Split of the original paper.
    reported : bool
        Whether `reproduce` runs its recipes.
    options : tuple of str
        Names under ``network.options``.
    checked_by : str
        ``module:function`` that checks the options of a recipe further.
    verbs : mapping of str to str
        ``module:function`` in place of the common one, by verb: train, evaluate, export, features.
    """

    name: str
    system: str
    example: Literal["window", "sequence", "song"]
    labels: tuple[str, ...] = ("dynamic",)
    unused: tuple[str, ...] = ()
    front_end: bool = True
    images: bool = False
    half_precision: bool = False
    published_split: str = ""
    reported: bool = True
    options: tuple[str, ...] = ()
    checked_by: str = ""
    verbs: Mapping[str, str] = field(default_factory=dict)

    def reads(self, key: str) -> bool:
        """Whether a dotted key of a recipe has an effect on this kind."""
        parents = [key.rsplit(".", n)[0] for n in range(key.count(".") + 1)]
        return not any(parent in self.unused for parent in parents)

    def check(self, recipe: Any) -> None:
        """Refuse what a recipe has under ``network.options`` and its kind does not know.

        Raises
        ------
        UsageError
            Names the first one, with the near name.
        """
        if self.checked_by:
            _loaded(self.checked_by)(recipe)
            return
        for name in recipe.network.options:
            if name not in self.options:
                said = near(name, self.options) if self.options else "; expected none"
                raise UsageError(f"{recipe.name}: unknown key network.options.{name}{said}")

    def make(self, recipe: Any) -> Any:
        """Make the system of a recipe."""
        return _loaded(self.system)(recipe)

    def verb(self, name: str) -> Any:
        """Return the function behind a command of the laboratory."""
        return _loaded({**_VERBS, **self.verbs}[name])


def _loaded(reference: str) -> Any:
    module, _, attribute = reference.partition(":")
    return getattr(import_module(module), attribute)


SYSTEMS: dict[str, SystemKind] = {
    kind.name: kind
    for kind in (
        SystemKind(
            "spectral",
            "offline.training.systems.windows:Spectral",
            "window",
            labels=("dynamic", "static"),
            unused=("data.features", "data.sequence_s"),
            images=True,
            options=("dropout", "image"),
            half_precision=True,
            published_split="seed001",
        ),
        SystemKind(
            "window",
            "offline.training.systems.windows:Window",
            "window",
            unused=("data.features", "data.sequence_s", "data.song_s", "network.image"),
            half_precision=True,
            published_split="seed002",
            options=("features", "n_mfcc"),
        ),
        SystemKind(
            "chroma",
            "offline.training.systems.sequences:Chroma",
            "sequence",
            unused=(
                "data.features", "data.per_clip", "data.song_s", "data.window_s", "network.image",
                "network.name", "network.width",
            ),
            published_split="seed002",
            options=("both", "units"),
        ),
        SystemKind(
            "stacked",
            "offline.training.systems.sequences:Stacked",
            "sequence",
            unused=(
                "data.features", "data.per_clip", "data.song_s", "data.window_s", "network.image",
                "network.name",
            ),
            options=("dropout", "units"),
        ),
        SystemKind(
            "classical",
            "offline.training.classical:Classical",
            "song",
            labels=("static",),
            unused=(
                "causal", "exports", "data.consecutive", "data.every_song", "data.per_clip",
                "data.sequence_s", "data.smooth_labels", "data.song_s", "data.target",
                "data.window_s", "evaluation.from_s", "evaluation.stride", "front_end",
                "network.options",
                *_NETWORK_ONLY,
            ),
            front_end=False,
        ),
        SystemKind(
            "live",
            "",
            "window",
            unused=(
                "causal", "exports", "network.name",
                "data.consecutive", "data.every_song", "data.features", "data.per_clip",
                "data.sequence_s", "data.smooth_labels", "data.song_s", "data.split",
                "data.target", "data.window_s",
                "evaluation", "front_end", "network.image", "network.width", "outputs",
                "training.batch", "training.devices", "training.keep", "training.loss",
                "training.patience",
            ),
            front_end=False,
            reported=False,
            checked_by="offline.recipes.mood:mood_plan",
            verbs={
                verb: f"offline.cli.live:{verb}"
                for verb in ("train", "evaluate", "export", "features")
            },
        ),
    )
}  # fmt: skip
"""Every kind of systems by its name."""


def system_kind(name: str) -> SystemKind:
    """Return a kind by its name.

    Raises
    ------
    UsageError
        There is none; the near name is given.
    """
    if name not in SYSTEMS:
        raise UsageError(f"family {name!r} is unknown{near(name, SYSTEMS)}")
    return SYSTEMS[name]


def near(name: str, known: Any) -> str:
    """Return what to say after an unknown name: the near one, or all."""
    close = get_close_matches(name, list(known), 1) or [k for k in known if k.startswith(name)]
    return f"; did you mean {close[0]}?" if close else f"; expected one of {', '.join(known)}"
