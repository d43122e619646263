"""The tensors of a graph against its metadata: names, ranks, fixed sizes, types (contract 1)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streammer.errors import ModelError
from streammer.frontend.spec import FrontEndSpec
from streammer.inference.artefact import MAX_BYTES, ArtefactMeta

__all__ = ["Layout", "check_layout", "following"]

_FLOAT = "tensor(float)"


@dataclass(frozen=True)
class Layout:
    """The tensors of a graph: per-stream shapes of features and states, by input name."""

    features: dict[str, tuple[int, int]]
    states: dict[str, tuple[int, ...]]

    @property
    def outputs(self) -> list[str]:
        """Names of the outputs: the mood, then the next of each state."""
        return ["mood", *map(following, self.states)]


def following(state: str) -> str:
    """Return the name of the output that follows a state: next.<k> for state.<k>."""
    return "next" + state.removeprefix("state")


def check_layout(
    session: Any, meta: ArtefactMeta, front_ends: Mapping[str, FrontEndSpec], path: Path
) -> Layout:
    """Return the tensors of an open graph, all of them as contract 1 and the metadata want them.

    Raises
    ------
    ModelError
        For the first that is not; `path` begins the message.
    """
    wanted = {
        name: (spec.frames_per_step(meta.step_s), spec.n_bins) for name, spec in front_ends.items()
    }
    layout = _inputs(session, wanted, meta.step_s, path)
    _check_outputs(session, layout, meta.outputs, path)
    size = 4 * sum(math.prod(shape) for shape in layout.states.values())
    if size > MAX_BYTES:
        raise ModelError(
            f"{path}: states take {size / 2**20:.0f} MiB a stream, expected at most "
            f"{MAX_BYTES // 2**20}"
        )
    return layout


def _inputs(
    session: Any, wanted: Mapping[str, tuple[int, int]], step_s: float, path: Path
) -> Layout:
    layout = Layout({}, {})
    if overridable := session.get_overridable_initializers():
        raise ModelError(
            f"{path}: weight {overridable[0].name} is also an input, expected fixed weights"
        )
    for node in session.get_inputs():
        name, shape = node.name, _per_stream_shape(node, path)
        if name == "features" or name.startswith("features."):
            if name not in wanted:
                raise ModelError(
                    f"{path}: input {name} has no entry in front_ends, expected a spec for it"
                )
            if shape != wanted[name]:
                raise ModelError(
                    f"{path}: input {name} has [batch, {_dims(shape)}], expected "
                    f"[batch, {_dims(wanted[name])}]: the frames of {step_s:g} s and the bins of "
                    "its front end"
                )
            layout.features[name] = wanted[name]
        elif name.startswith("state."):
            layout.states[name] = shape
        else:
            raise ModelError(
                f"{path}: input {name!r}, expected only features, features.<id> and state.<k>"
            )
    if missing := [name for name in wanted if name not in layout.features]:
        raise ModelError(
            f"{path}: front_ends has {missing[0]!r}, which is no input, expected one spec an input"
        )
    return layout


def _check_outputs(session: Any, layout: Layout, columns: Sequence[str], path: Path) -> None:
    outputs = {node.name: _per_stream_shape(node, path) for node in session.get_outputs()}
    if "mood" not in outputs:
        raise ModelError(f"{path}: outputs are {', '.join(outputs)}, expected mood among them")
    if outputs["mood"] != (len(columns),):
        raise ModelError(
            f"{path}: output mood has [batch, {_dims(outputs['mood'])}], expected "
            f"[batch, {len(columns)}] for {', '.join(columns)}"
        )
    for name, shape in layout.states.items():
        after = following(name)
        if after not in outputs:
            raise ModelError(
                f"{path}: {name} has no output {after}, expected a next.<k> for each state.<k>"
            )
        if outputs[after] != shape:
            raise ModelError(
                f"{path}: output {after} has [batch, {_dims(outputs[after])}], expected "
                f"[batch, {_dims(shape)}] as {name}"
            )
    if extra := [name for name in outputs if name not in layout.outputs]:
        raise ModelError(
            f"{path}: output {extra[0]!r}, expected only mood and a next.<k> for each state.<k>"
        )


def _per_stream_shape(node: Any, path: Path) -> tuple[int, ...]:
    """Return the fixed sizes of a tensor after its batch axis, which must be dynamic."""
    if node.type != _FLOAT:
        raise ModelError(f"{path}: {node.name} is {node.type}, expected {_FLOAT}")
    batch, *rest = node.shape or [None]
    if not node.shape or isinstance(batch, int) or not all(isinstance(n, int) for n in rest):
        raise ModelError(
            f"{path}: {node.name} has [{_dims(node.shape)}], expected a dynamic batch, "
            "then fixed sizes"
        )
    return tuple(rest)


def _dims(shape: Sequence[object]) -> str:
    return ", ".join("?" if n is None else str(n) for n in shape)
