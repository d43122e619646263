"""From a torch module that steps to an artefact of contract 1 with its card.

A module that can be exported is called as ``module(features..., states...)`` and returns
``(mood, next states...)``: one step of features ``[batch, frames, bins]`` for each front end in
order, states ``[batch, ...]``, mood ``[batch, len(outputs)]``. ``module.zero_state(batch)`` gives
the states of streams without input, which are zeros.

The tracing exporter of torch is used: it keeps a GRU one operator (the newer one too, in
seventy times the time, opset 18, and a graph a third slower on a small convolution with GRU), and
writes no paths of the machine into the graph. What tracing may get wrong, a size taken for a
constant, shows in the comparison with the module at other batch sizes, without which nothing is
written.
"""

import io
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import torch

from offline.export.card import make_card, with_metrics
from offline.export.metadata import with_metadata
from offline.files import write_text, write_with
from streammer.errors import ModelError, UsageError
from streammer.frontend import FrontEnd, FrontEndSpec
from streammer.inference.artefact import (
    CONTRACT,
    PROPERTY,
    ArtefactMeta,
    card_path,
    decode_metadata,
    graph_hash,
    parse_metadata,
    read_artefact,
)
from streammer.inference.model import Model, build_model
from streammer.inference.validate import MIN_OPSET, check_card, check_graph

__all__ = ["TOLERANCE", "attach_metrics", "export_model", "parity", "write_card"]

TOLERANCE = 1e-5
"""Largest difference between an artefact and its module, and between batch sizes (contract 1)."""

_STEPS = 12
_BATCH = 3


def export_model(
    module: torch.nn.Module,
    front_ends: Mapping[str, FrontEndSpec],
    meta: Mapping[str, Any],
    out_dir: Path,
    sections: Mapping[str, str],
) -> Path:
    """Export a stepping module as ``<name>.onnx`` and ``<name>.md``.

    Parameters
    ----------
    module : torch.nn.Module
        See the head of this file. It is exported in its evaluation mode, which is left set.
    front_ends : mapping of str to FrontEndSpec
        ``features`` or ``features.<id>`` -> its input, in the order of the arguments.
    meta : mapping
        The fields of `ArtefactMeta` but `contract`, `causal`, `front_ends`
        and `metrics`, which are filled in (metrics by `attach_metrics`).
    out_dir : Path
    sections : mapping of str to str
        Of the card, see `offline.export.card.make_card`.

    Returns
    -------
    Path
        Of the artefact. Both files are written whole or not at all.

    Raises
    ------
    UsageError
        If the metadata or sections are not what an artefact needs.
    ModelError
        If the artefact breaks contract 1 or differs from the module by more than `TOLERANCE`.
    OutputError
        If it cannot be written.
    """
    full = _complete(meta, front_ends)
    path = Path(out_dir) / f"{full.name}.onnx"
    shapes = [(s.frames_per_step(full.step_s), s.n_bins) for s in front_ends.values()]
    module = module.eval()
    data = _trace(module, list(front_ends), shapes)
    data = with_metadata(data, {PROPERTY: _encoded(full)})
    check_graph(data, path)
    model = build_model(data, path)
    error = parity(model, module)
    if not error <= TOLERANCE:
        raise ModelError(
            f"{path}: differs from its torch module by {error:.2g} over {_STEPS} steps, expected "
            f"at most {TOLERANCE:g}: look for sizes or branches that tracing freezes"
        )
    card = make_card(model, graph_hash(data), sections)
    write_text(card_path(path), card)
    write_with(path, lambda part: _write(part, data))
    return path


def write_card(path: Path, sections: Mapping[str, str]) -> None:
    """Write the card of an artefact anew, with its facts and metrics as they are.

    Parameters
    ----------
    path : Path
        Of the artefact.
    sections : mapping of str to str
        See `offline.export.card.make_card`.
    """
    data = read_artefact(path)
    card = make_card(build_model(data, path), graph_hash(data), sections)
    write_text(card_path(path), card)


def attach_metrics(path: Path, metrics: Mapping[str, Any]) -> Path:
    """Put evaluated metrics into an artefact and its card; the graph keeps every byte.

    Parameters
    ----------
    path : Path
        An artefact with its card.
    metrics : mapping
        Any tree of figures by name; `artefact_hash` is added. A NaN becomes null.

    Raises
    ------
    ModelError
        If the card is not that of the artefact.
    """
    path = Path(path)
    data = read_artefact(path)
    meta = parse_metadata(data, path)
    # Old metrics are replaced, so only the card must still be the artefact's own.
    bare = msgspec.structs.replace(meta, metrics={})
    data = with_metadata(data, {PROPERTY: _encoded(bare)})
    check_card(data, path)
    tree = {**_plain(metrics), "artefact_hash": graph_hash(data)}
    meta = msgspec.structs.replace(meta, metrics=tree)
    data = with_metadata(data, {PROPERTY: _encoded(meta)})
    parse_metadata(data, path)
    card = with_metrics(card_path(path).read_text(encoding="utf-8"), tree)
    write_with(path, lambda part: _write(part, data))
    write_text(card_path(path), card)
    return path


def parity(model: Model, module: torch.nn.Module, n_steps: int = _STEPS) -> float:
    """Return the largest difference between a model and its module over some steps of sound.

    Three streams are stepped together and the first also by itself, so that a frozen batch size
    shows as well as a wrong operator.
    """
    features = _sound(model, n_steps)
    together = _stepped(model, features)
    alone = _stepped(model, [{k: x[:1] for k, x in step.items()} for step in features])
    with torch.inference_mode():
        state = tuple(module.zero_state(_BATCH))  # type: ignore[operator]
        wanted = []
        for step in features:
            mood, *state = module(*map(torch.from_numpy, step.values()), *state)
            wanted.append(mood.numpy())
    worst = [float(np.abs(a - b).max()) for a, b in zip(together, wanted, strict=True)]
    worst += [float(np.abs(a[:1] - b).max()) for a, b in zip(together, alone, strict=True)]
    return float(np.max(worst))


def _complete(meta: Mapping[str, Any], front_ends: Mapping[str, FrontEndSpec]) -> ArtefactMeta:
    known = set(ArtefactMeta.__struct_fields__)
    filled = {"contract", "causal", "front_ends", "metrics"}
    for name in meta:
        if name not in known - filled:
            raise UsageError(
                f"metadata has {name!r}, expected only {', '.join(sorted(known - filled))}"
            )
    full = {
        **meta,
        "contract": CONTRACT,
        "causal": True,
        "front_ends": {name: spec.to_dict() for name, spec in front_ends.items()},
        "metrics": {},
    }
    try:
        return decode_metadata(json.dumps(full), Path(str(meta.get("name", "artefact"))))
    except ModelError as error:
        raise UsageError(str(error)) from error


def _trace(
    module: torch.nn.Module, inputs: Sequence[str], shapes: Sequence[tuple[int, int]]
) -> bytes:
    """Return the serialized graph of a module, without metadata."""
    state = _zero_state(module, 2)
    features = tuple(torch.rand(2, *shape) for shape in shapes)
    numbers = range(len(state))
    names = [*inputs, *(f"state.{k}" for k in numbers)]
    outputs = ["mood", *(f"next.{k}" for k in numbers)]
    buffer = io.BytesIO()
    with warnings.catch_warnings(), torch.inference_mode():
        # It calls itself old, and warns of sizes that it may freeze: `parity` looks at those.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (*features, *state),
            buffer,
            input_names=names,
            output_names=outputs,
            dynamic_axes={name: {0: "batch"} for name in (*names, *outputs)},
            opset_version=MIN_OPSET,
            dynamo=False,
            verbose=False,
        )
        sizes = [tuple(y.shape[1:]) for y in module(*features, *state)]
    proto = onnx.load_model_from_string(buffer.getvalue())
    for value, size in zip(proto.graph.output, sizes, strict=True):
        _declare(value, size)
    data: bytes = proto.SerializeToString()
    return data


def _zero_state(module: torch.nn.Module, batch: int) -> tuple[torch.Tensor, ...]:
    if not hasattr(module, "zero_state"):
        raise UsageError(
            f"{type(module).__name__} has no zero_state(batch): expected a stepping module"
        )
    state = tuple(module.zero_state(batch))
    if any(bool(s.any()) or s.dtype != torch.float32 or len(s) != batch for s in state):
        raise UsageError(
            f"{type(module).__name__}.zero_state({batch}) has other than float32 zeros of batch "
            f"{batch}: an all-zero state must mean that there was no input"
        )
    return state


def _declare(value: Any, size: Sequence[int]) -> None:
    """State the shape of an output, of which tracing may have lost a size behind a slice."""
    shape = value.type.tensor_type.shape
    shape.ClearField("dim")
    shape.dim.add(dim_param="batch")
    for n in size:
        shape.dim.add(dim_value=n)


def _sound(model: Model, n_steps: int) -> list[dict[str, np.ndarray]]:
    """Return features of three synthetic sounds, step by step: a chord, noise, silence first."""
    rng = np.random.default_rng(0)
    seconds = n_steps * model.step_s
    streams: list[dict[str, np.ndarray]] = []
    for kind in range(_BATCH):
        features = {}
        for name, spec in model.front_ends.items():
            n = round(seconds * spec.sr)
            t = np.arange(n) / spec.sr
            y = sum(np.sin(2 * np.pi * f * t) for f in (110.0, 277.2, 659.3)) / 6
            if kind == 1:
                y = y * (t % 0.5 < 0.1) + 0.1 * rng.standard_normal(n)
            if kind == 2:
                y = y * (t > seconds / 3)
            front_end = FrontEnd(spec)
            front_end.prime()
            frames = spec.frames_per_step(model.step_s)
            whole = front_end.push(y.astype(np.float32))[: n_steps * frames]
            features[name] = whole.reshape(n_steps, frames, spec.n_bins)
        streams.append(features)
    return [
        {name: np.stack([s[name][k] for s in streams]) for name in model.front_ends}
        for k in range(n_steps)
    ]


def _stepped(model: Model, features: Sequence[Mapping[str, np.ndarray]]) -> list[np.ndarray]:
    state = model.zero_state(len(next(iter(features[0].values()))))
    moods = []
    for step in features:
        mood, state = model.step(step, state)
        moods.append(mood)
    return moods


def _plain(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return metrics as JSON has them: dataclasses and tuples opened, NaN as null."""
    tree: dict[str, Any] = msgspec.json.decode(
        msgspec.json.encode(dict(metrics), enc_hook=lambda x: x.item())
    )
    return tree


def _encoded(meta: ArtefactMeta) -> str:
    return msgspec.json.encode(meta).decode()


def _write(part: Path, data: bytes) -> None:
    part.write_bytes(data)
