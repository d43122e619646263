"""What contract 1 asks of an artefact: its graph, its tensors, its hash and its card.

ONNX Runtime accepts operators of foreign domains and old opsets, and reads external data from any
path that a model names. Files from outside the package are therefore looked at with the onnx
package first (`check_graph`), whose import takes about .1 s; nothing else here needs it.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streammer.errors import ModelError
from streammer.frontend.spec import FrontEndSpec
from streammer.inference.artefact import MAX_BYTES, ArtefactMeta, card_path, graph_hash, in_zoo
from streammer.inference.ort import one_line

__all__ = [
    "MIN_OPSET",
    "Layout",
    "card_hash",
    "check_card",
    "check_graph",
    "check_hash",
    "check_layout",
    "following",
]

MIN_OPSET = 17
STANDARD_DOMAINS = ("", "ai.onnx")
_FLOAT = "tensor(float)"
_HASH_LINE = re.compile(r"artefact_hash[^0-9a-z]+([0-9a-f]{64})\b")


def check_graph(data: bytes, path: Path) -> None:
    """Refuse a serialized model that is more than a plain graph of standard operators.

    Parameters
    ----------
    data : bytes
    path : Path
        For messages.

    Raises
    ------
    ModelError
        For a file that is no model, external data, functions, training graphs, foreign operator
        domains at any depth, an opset before 17, or anything that onnx's own checker refuses.
    """
    import onnx

    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:
        raise ModelError(f"{path}: is no ONNX model ({one_line(error)})") from error
    if not model.HasField("graph") or not model.graph.node:
        raise ModelError(f"{path}: has no graph, expected an ONNX model")
    for message in _messages(model):
        if problem := _PROBLEMS.get(message.DESCRIPTOR.name, _fine)(message):
            raise ModelError(f"{path}: {problem}")
    versions = [o.version for o in model.opset_import if o.domain in STANDARD_DOMAINS]
    if len(versions) != 1:
        raise ModelError(
            f"{path}: imports the standard operators {len(versions)} times, expected once"
        )
    if versions[0] < MIN_OPSET:
        raise ModelError(
            f"{path}: uses opset {versions[0]}, expected {MIN_OPSET} or later; export it anew"
        )
    try:
        onnx.checker.check_model(data, full_check=True)
    except Exception as error:
        raise ModelError(f"{path}: onnx refuses it: {one_line(error)}") from error


def _messages(message: Any) -> Iterator[Any]:
    """Yield a protobuf message and all messages within it, at any depth."""
    stack = [message]
    while stack:
        message = stack.pop()
        yield message
        for field, value in message.ListFields():
            if field.message_type is not None:
                # A repeated field is a sequence of messages, any other a message.
                stack.extend([value] if hasattr(value, "ListFields") else value)


def _fine(message: Any) -> str:
    return ""


def _model_problem(model: Any) -> str:
    if model.functions:
        return f"defines function {model.functions[0].name!r}, expected plain operators only"
    if model.training_info:
        return "carries a training graph, expected one for inference only"
    return ""


def _opset_problem(opset: Any) -> str:
    if opset.domain in STANDARD_DOMAINS:
        return ""
    return f"imports operators of domain {opset.domain!r}, expected the standard domain only"


def _node_problem(node: Any) -> str:
    if node.domain in STANDARD_DOMAINS:
        return ""
    return (
        f"node {node.name!r} is {node.op_type} of domain {node.domain!r}, "
        "expected the standard domain only"
    )


def _tensor_problem(tensor: Any) -> str:
    # The one value of data_location other than DEFAULT is EXTERNAL.
    if not tensor.data_location and not tensor.external_data:
        return ""
    where = next((e.value for e in tensor.external_data if e.key == "location"), "?")
    return (
        f"tensor {tensor.name!r} lies in external data ({where!r}), "
        "expected all weights in the one file"
    )


_PROBLEMS = {
    "ModelProto": _model_problem,
    "OperatorSetIdProto": _opset_problem,
    "NodeProto": _node_problem,
    "TensorProto": _tensor_problem,
}


def card_hash(card: str) -> str | None:
    """Return the artefact hash that a card carries, or None."""
    found = _HASH_LINE.search(card)
    return None if found is None else found.group(1)


def check_hash(data: bytes, meta: ArtefactMeta, path: Path) -> None:
    """Refuse an artefact whose graph is not the one that its metrics were measured on.

    A bit that a disk or a download lost in the weights shows nowhere else. Where nothing was
    measured yet, the card of an artefact that comes with streammer carries the hash.

    Raises
    ------
    ModelError
        If the hash differs, or an artefact that comes with streammer carries none.
    """
    if meta.metrics:
        what, claimed = "its metrics have", meta.metrics.get("artefact_hash")
    elif in_zoo(path):
        what, claimed = f"its card {card_path(path).name} has", _hash_in_card(path)
    else:
        return
    _compare(path, what, claimed, graph_hash(data))


def check_card(data: bytes, path: Path) -> None:
    """Refuse an artefact whose card is missing, or that of another graph.

    Raises
    ------
    ModelError
        If there is no card, or its hash is missing or differs from that of the graph.
    """
    _compare(path, f"its card {card_path(path).name} has", _hash_in_card(path), graph_hash(data))


def _hash_in_card(path: Path) -> str | None:
    card = card_path(path)
    try:
        return card_hash(card.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(
            f"{path}: its card {card.name} cannot be read; `python -m offline export` writes one"
        ) from error


def _compare(path: Path, what: str, claimed: object, actual: str) -> None:
    if claimed == actual:
        return
    got = f"artefact_hash {claimed[:12]}…" if isinstance(claimed, str) else "no artefact_hash"
    raise ModelError(
        f"{path}: {what} {got}, expected {actual[:12]}…: the file is damaged, or they are those of "
        "another graph; get it again (or install streammer anew), or evaluate and export it anew"
    )


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
