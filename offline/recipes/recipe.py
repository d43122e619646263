"""Recipes: one TOML file says data, split, front end, network, loss, optimiser, schedule, seed.

A recipe has a base and overlays. ``[static]`` is laid over it for whole-song labels, ``[original]``
for the mode with the original settings and their faults, ``[corrected]`` for the one without them;
the command line comes last. What results is one flat, checked `Recipe`, saved in every run and
artefact.
"""

from typing import Any, Literal

import msgspec
import tomli_w

from offline.systems import SYSTEMS, SystemKind, system_kind
from streammer.frontend import FrontEndSpec

__all__ = [
    "DataPart",
    "EvaluationPart",
    "NetworkPart",
    "Recipe",
    "TrainingPart",
    "recipe_toml",
]

Mode = Literal["corrected", "original"]
Labels = Literal["dynamic", "static"]


class DataPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is learned from.

    Attributes
    ----------
    labels : str
        ``dynamic`` (2 Hz) or ``static`` (one per song).
    window_s : float
        Sound before each label that the network takes [s]; 0 for sequences and whole songs.
    song_s : float
        Whole-song systems: audio cut or zero-padded to this [s]; 0 takes the clip's length.
    sequence_s : float
        Sequence systems: length of a training sequence [s]; 0 takes the clip's length.
    smooth_labels : int
        Train on the mean of so many labels ending at the window's end.
    target : str
        ``unit`` [-1, 1], ``sigmoid`` (x + 1) / 2, or ``raw9`` 1..9, as published.
    consecutive : bool
        Batches of consecutive windows of one song (a fault of the original).
    every_song : int
        Only every n-th song trains (a fault of the original: 60).
    per_clip : int
        Windows drawn from a clip in an epoch.
    split : str
        ``artist`` or ``song`` for 5 folds, or a published one
        (`offline.datasets.splits.known_split`).
    fold : int
        Outer fold: tested once, by nothing chosen.
    inner : int or None
        Inner fold that a run of selection is tested on in its place; the outer one is put away.
    features : str
        Classical baseline: table of song descriptors under the data folder.
    """

    labels: Labels = "dynamic"
    window_s: float = 0.0
    song_s: float = 0.0
    sequence_s: float = 0.0
    smooth_labels: int = 1
    target: Literal["unit", "sigmoid", "raw9"] = "unit"
    consecutive: bool = False
    every_song: int = 1
    per_clip: int = 1
    split: str = "artist"
    fold: int = 0
    inner: int | None = None
    features: str = ""


class NetworkPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which network; `options` go to its constructor."""

    name: str
    width: float = 1.0
    image: tuple[int, int] | None = None
    options: dict[str, Any] = {}


class TrainingPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How it is trained. Everything that counts time counts optimiser steps.

    Attributes
    ----------
    loss : str
        ``mse``, ``mse_sum`` or ``mae_sum``: the latter add the axes, as published.
    weights : dict
        Weight of each named term of the loss; 1 where not named.
    optimiser : str
        ``adam``, ``adamw`` or ``sgd``.
    momentum : float
        Of ``sgd``.
    schedule : str
        ``constant``, ``one_cycle`` (up over `warm_share`, then down to zero) or ``cosine`` (the
        same, without the cycle of momentum), over all steps; ``decay`` (by `decay`, every
        `decay_epochs`) or ``plateau`` (by `decay`, after `decay_epochs` without a better validation
        loss).
    decay, decay_epochs, least_lr : float, int, float
        See `schedule`; training ends where a plateau takes the learning rate under `least_lr`.
    warm_lr, warm_steps : float, int
        ``constant``: another learning rate for the first steps (CBAM: 1e-3 for 300).
    steps : int
        Optimiser steps in all; 0 takes `epochs` times the batches of an epoch.
    patience : int
        Epochs without a better validation loss before stopping; 0 never stops early.
    keep : str
        Which weights are the result: those of the ``best`` validation loss, or the ``last``.
    average : float
        Decay of the exponential average of weights, which is then validated and kept; 0 for none.
    clip : float
        Largest norm of the gradient; 0 for no limit.
    distil_seeds : int
        Train so many seeds first, and then this one also on the mean of their outputs.
    precision : str
        Lightning's names (``32``, ``bf16-mixed``, ``16-mixed``), or ``mixed``: the device's own.
    devices : int
    """

    loss: Literal["mse", "mse_sum", "mae_sum"] = "mse"
    weights: dict[str, float] = {}
    optimiser: Literal["adam", "adamw", "sgd"] = "adam"
    momentum: float = 0.0
    lr: float = 1e-3
    weight_decay: float = 0.0
    schedule: Literal["constant", "one_cycle", "cosine", "decay", "plateau"] = "constant"
    decay: float = 0.1
    decay_epochs: int = 3
    least_lr: float = 0.0
    warm_share: float = 0.2
    warm_lr: float = 0.0
    warm_steps: int = 0
    batch: int = 32
    epochs: int = 20
    steps: int = 0
    patience: int = 4
    keep: Literal["best", "last"] = "best"
    average: float = 0.0
    clip: float = 0.0
    distil_seeds: int = 0
    seed: int = 0
    precision: Literal["32", "mixed", "bf16-mixed", "16-mixed"] = "32"
    devices: int = 1
    accelerator: str = "auto"


class EvaluationPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where it is scored.

    Attributes
    ----------
    from_s : float
        Labels count from so long after the start of a clip on, so that all systems are scored on
        the same instants [s].
    stride : int
        Every n-th label of those.
    n_boot : int
        Bootstrap draws over songs.
    """

    from_s: float = 5.0
    stride: int = 1
    n_boot: int = 1000


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A system with everything that training, evaluation and export need.

    Attributes
    ----------
    family : str
        Kind of system, by its name in `offline.systems`.
    outputs : tuple of str
        Axes it predicts, in order.
    causal : bool
        Whether it could run live; static ones never can.
    exports : bool
        Whether it fits an artefact (dense does not).
    about, published, definition : str
        One line each for the report.
    faults : tuple of str
        What the original mode keeps.
    """

    name: str
    family: str
    network: NetworkPart
    data: DataPart = DataPart()
    front_end: dict[str, Any] = {}
    training: TrainingPart = TrainingPart()
    evaluation: EvaluationPart = EvaluationPart()
    outputs: tuple[str, ...] = ("valence", "arousal")
    causal: bool = True
    exports: bool = True
    mode: Mode = "corrected"
    about: str = ""
    published: str = ""
    definition: str = ""
    faults: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for axis in self.outputs:
            if axis not in ("valence", "arousal"):
                raise ValueError(f"outputs has {axis!r}, expected valence and / or arousal")
        if self.kind.front_end:
            FrontEndSpec.from_dict(self.front_end).frames_per_step(0.5)

    @property
    def kind(self) -> SystemKind:
        """What the registry knows of its kind."""
        return system_kind(self.family)

    @property
    def spec(self) -> FrontEndSpec:
        """The front end."""
        return FrontEndSpec.from_dict(self.front_end)

    @property
    def frames_per_step(self) -> int:
        """Frames in half a second."""
        return self.spec.frames_per_step(0.5)

    @property
    def slug(self) -> str:
        """Name of a run of it: system, labels, mode, fold, and the inner fold of selection."""
        parts = [self.name, self.data.labels, self.mode, f"{self.data.split}{self.data.fold}"]
        if self.data.inner is not None:
            parts.append(f"inner{self.data.inner}")
        return "-".join(parts)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return msgspec.to_builtins(self)


def recipe_toml(recipe: Recipe) -> str:
    """Return a recipe as the text of a file: all that differs from the defaults.

    Overlays and changes are laid over it already, so that the text is what was trained.
    """
    plain = next(kind.name for kind in SYSTEMS.values() if not kind.front_end)
    blank = Recipe(recipe.name, plain, NetworkPart(recipe.network.name)).to_dict()
    kept = {"name", "family", "mode"}
    return tomli_w.dumps(_differing(recipe.to_dict(), blank, kept))


def _differing(body: dict[str, Any], blank: dict[str, Any], kept: set[str]) -> dict[str, Any]:
    """Leave out what equals the blank and what is None, at every depth; `kept` stays."""
    out: dict[str, Any] = {}
    for key, value in body.items():
        default = blank.get(key)
        if isinstance(value, dict) and isinstance(default, dict):
            value = _differing(value, default, kept)
            if value:
                out[key] = value
        elif value is not None and (key in kept or value != default):
            out[key] = value
    return out
