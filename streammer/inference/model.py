"""A checked model: its inputs, its outputs, one step of it (docs/design.md, contract 1)."""

import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from streammer.errors import ModelError, UsageError
from streammer.frontend.spec import FrontEndSpec
from streammer.inference.artefact import (
    ArtefactMeta,
    Prior,
    find_artefact,
    in_zoo,
    parse_metadata,
    read_artefact,
)
from streammer.inference.ort import open_session, run_session, runtime
from streammer.inference.trial import try_model
from streammer.inference.validate import Layout, check_hash, check_layout, following

__all__ = ["Model", "ModelState", "load_model"]

Float32 = npt.NDArray[np.float32]
ModelState = tuple[Float32, ...]
"""One array [shape=(batch, ...)] for each state of the graph, in the order of its inputs."""

DRY_STEP_S = 20.0
"""Time after which a first step is broken off [s]; the slowest machine needs far less."""


class Model:
    """A model whose artefact has passed the checks of contract 1.

    Made by `load_model`. `step` is for people and tests: a backend (`streammer.inference.backends`)
    keeps the states itself and steps many streams at once.

    Attributes
    ----------
    meta : ArtefactMeta
    path : Path
    data : bytes
        The serialized graph that was checked.
    front_ends : dict of str to FrontEndSpec
        The front end of each feature input.
    session : onnxruntime.InferenceSession
        On the CPU, with one thread; it may be run from several threads at once.
    feature_shapes : dict of str to (frames, bins)
    state_shapes : dict of str to tuple
        Per stream, without the batch axis.
    """

    def __init__(
        self,
        meta: ArtefactMeta,
        path: Path,
        data: bytes,
        front_ends: dict[str, FrontEndSpec],
        session: Any,
        layout: Layout,
    ) -> None:
        self.meta = meta
        self.path = path
        self.data = data
        self.front_ends = front_ends
        self.session = session
        self.feature_shapes = layout.features
        self.state_shapes = layout.states
        self.output_names = layout.outputs

    @property
    def step_s(self) -> float:
        """Seconds of sound that a step takes [s]."""
        return self.meta.step_s

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the columns of `mood`."""
        return self.meta.outputs

    @property
    def warmup_s(self) -> float:
        """Input after which the outputs are trusted [s]."""
        return self.meta.warmup_s

    @property
    def prior(self) -> Mapping[str, Prior]:
        """Mean and standard deviation of each axis when nothing is known, on [-1, 1]."""
        return self.meta.prior  # type: ignore[return-value]

    def zero_state(self, batch: int = 1) -> ModelState:
        """Return the initial state of `batch` streams, before any input."""
        if isinstance(batch, bool) or not isinstance(batch, int) or batch < 1:
            raise UsageError(f"batch is {batch!r}, expected a whole number from 1")
        return tuple(np.zeros((batch, *shape), np.float32) for shape in self.state_shapes.values())

    def batch_of(self, features: Mapping[str, Float32]) -> int:
        """Return the batch size of `features`, or raise `UsageError` if they do not fit."""
        if features.keys() != self.feature_shapes.keys():
            raise UsageError(
                f"features are {', '.join(features) or 'none'}, "
                f"expected {', '.join(self.feature_shapes)}"
            )
        batch = -1
        for name, (frames, bins) in self.feature_shapes.items():
            array = features[name]
            if batch < 0 and isinstance(array, np.ndarray) and array.ndim == 3 and len(array):
                batch = len(array)
            _check_array(name, array, (batch, frames, bins))
        return batch

    def step(
        self, features: Mapping[str, Float32], state: Sequence[Float32]
    ) -> tuple[Float32, ModelState]:
        """Run the model over one step of sound.

        Parameters
        ----------
        features : mapping of str to np.ndarray [shape=(batch, frames, bins)], float32
            For each of `front_ends`.
        state : sequence of np.ndarray [shape=(batch, ...)], float32
            From `zero_state` or the step before; it is not changed.

        Returns
        -------
        mood : np.ndarray [shape=(batch, len(outputs))], float32
        state : tuple of np.ndarray
            For the next step.

        Raises
        ------
        UsageError
            If a name, shape or type is not what the model takes.
        """
        batch = self.batch_of(features)
        if len(state) != len(self.state_shapes):
            raise UsageError(
                f"state has {len(state)} arrays, expected {len(self.state_shapes)}: "
                "begin with zero_state(batch)"
            )
        feeds: dict[str, Float32] = dict(features)
        for (name, shape), array in zip(self.state_shapes.items(), state, strict=True):
            _check_array(name, array, (batch, *shape))
            feeds[name] = array
        mood, *new = run_session(self.session, self.output_names, feeds, self.meta.name)
        return mood, tuple(new)


def _check_array(name: str, array: object, shape: tuple[int, ...]) -> None:
    if isinstance(array, np.ndarray) and array.dtype == np.float32 and array.shape == shape:
        return
    got = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array).__name__
    dims = ", ".join("batch" if n < 0 else str(n) for n in shape)
    raise UsageError(f"{name} is {got}, expected float32 ({dims})")


def load_model(name_or_path: str | os.PathLike[str] = "default") -> Model:
    """Find, check and open a model.

    A file from outside the package is checked with the onnx package, opened and stepped in a
    process of its own first, see `streammer.inference.trial`; then every artefact is checked
    against its own metadata and hash, and stepped once.

    Parameters
    ----------
    name_or_path : str or path
        A name in the zoo (see `streammer models`), else an ``.onnx`` file.

    Raises
    ------
    ModelError
        If there is no such model or it breaks contract 1: one line with the file, what is wrong,
        and what was expected.
    """
    path = find_artefact(name_or_path)
    data = read_artefact(path)
    if not in_zoo(path):
        try_model(data, path)
    return build_model(data, path)


def build_model(data: bytes, path: Path) -> Model:
    """Check a serialized model against its metadata and open it; `path` is for messages."""
    meta = parse_metadata(data, path)
    if not meta.causal:
        raise ModelError(
            f"{path}: model {meta.name} is not causal: it uses later sound and cannot run on a "
            "stream; expected causal true"
        )
    check_hash(data, meta, path)
    front_ends = _front_ends(meta, path)
    session = open_session(data, str(path))
    layout = check_layout(session, meta, front_ends, path)
    model = Model(meta, path, data, front_ends, session, layout)
    _dry_step(model)
    return model


def _front_ends(meta: ArtefactMeta, path: Path) -> dict[str, FrontEndSpec]:
    specs = {}
    for name, fields in meta.front_ends.items():
        try:
            specs[name] = FrontEndSpec.from_dict(fields)
            specs[name].frames_per_step(meta.step_s)
        except UsageError as error:
            raise ModelError(f"{path}: front end of {name}: {error}") from error
    return specs


def _dry_step(model: Model) -> None:
    """Step silence and noise side by side: shapes must hold and every number be finite."""
    rng = np.random.default_rng(0)
    feeds = {
        name: np.stack([np.zeros(size, np.float32), rng.random(size, np.float32)])
        for name, size in model.feature_shapes.items()
    }
    feeds.update(zip(model.state_shapes, model.zero_state(2), strict=True))
    shapes: dict[str, tuple[int, ...]] = {"mood": (2, len(model.outputs))}
    for name, shape in model.state_shapes.items():
        shapes[following(name)] = (2, *shape)
    results = _run_for(DRY_STEP_S, model, feeds)
    for name, array in zip(model.output_names, results, strict=True):
        if array.shape != shapes[name]:
            raise ModelError(
                f"{model.path}: in a dry step {name} has shape {array.shape}, expected "
                f"{shapes[name]}"
            )
        if not np.isfinite(array).all():
            raise ModelError(
                f"{model.path}: in a dry step {name} has NaN or infinite values, expected "
                "finite ones"
            )


def _run_for(limit_s: float, model: Model, feeds: Mapping[str, Float32]) -> list[Float32]:
    """Run a step that is broken off after `limit_s`: a graph may hold a loop without end."""
    options = runtime().RunOptions()
    late = threading.Timer(limit_s, setattr, (options, "terminate", True))
    late.daemon = True
    late.start()
    try:
        return run_session(model.session, model.output_names, feeds, str(model.path), options)
    except ModelError as error:
        if options.terminate:
            raise ModelError(
                f"{model.path}: a dry step has not ended after {limit_s:g} s, expected less than "
                f"the {model.step_s:g} s of sound it takes"
            ) from error
        raise
    finally:
        late.cancel()
