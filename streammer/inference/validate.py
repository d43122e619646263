"""What the onnx package is needed for: a look at a graph before ONNX Runtime sees it.

ONNX Runtime accepts operators of foreign domains and old opsets, and reads external data from any
path that a model names. Files from outside the package are therefore checked here first, and
every artefact by ``streammer models --check``. The import of onnx takes about .1 s.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from streammer.errors import ModelError
from streammer.inference.artefact import card_path, graph_hash, parse_metadata

__all__ = ["MIN_OPSET", "card_hash", "check_card", "check_graph"]

MIN_OPSET = 17
STANDARD_DOMAINS = ("", "ai.onnx")

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
        raise ModelError(f"{path}: is no ONNX model ({_flat(error)})") from error
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
        raise ModelError(f"{path}: onnx refuses it: {_flat(error)}") from error


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


def _flat(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else text[:197] + "..."


def card_hash(card: str) -> str | None:
    """Return the artefact hash that a card carries, or None."""
    found = _HASH_LINE.search(card)
    return None if found is None else found.group(1)


def check_card(data: bytes, path: Path) -> None:
    """Refuse an artefact whose metrics or card are those of another graph.

    Raises
    ------
    ModelError
        If there is no card, or a hash is missing or differs from that of the graph.
    """
    actual = graph_hash(data)
    metrics = parse_metadata(data, path).metrics
    if metrics:
        _compare(path, "its metrics", metrics.get("artefact_hash"), actual)
    card = card_path(path)
    try:
        text = card.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(
            f"{path}: its card {card.name} cannot be read; `python -m offline export` writes one"
        ) from error
    _compare(path, f"its card {card.name}", card_hash(text), actual)


def _compare(path: Path, what: str, claimed: object, actual: str) -> None:
    if claimed == actual:
        return
    got = f"artefact_hash {claimed[:12]}…" if isinstance(claimed, str) else "no artefact_hash"
    raise ModelError(
        f"{path}: {what} has {got}, expected {actual[:12]}…: it was measured on another graph; "
        "evaluate and export it anew"
    )
