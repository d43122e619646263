"""A tiny artefact of contract 1, made by script: running means of loudness and brightness.

``state.0`` is [batch, 3]: steps heard, mean of the log-mel energy, mean of the spectral tilt. The
mean of n steps is exact up to 60 steps and leaky from there on, so that an all-zero state means
"heard nothing yet".
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STEP_S = 0.5
SPEC: dict[str, Any] = {
    "kind": "mel",
    "sr": 22050,
    "n_fft": 1024,
    "hop_length": 441,
    "n_bins": 80,
    "fmin": 30.0,
    "fmax": 11000.0,
}
FRAMES, BINS = 25, 80
OUTPUTS = (
    "valence",
    "arousal",
    "sigma_valence",
    "sigma_arousal",
    "p_positive",
    "p_energetic",
)


def tiny_meta(outputs: Sequence[str] = OUTPUTS, **changes: Any) -> dict[str, Any]:
    """Return valid metadata of a model that gives `outputs`, with `changes`."""
    meta: dict[str, Any] = {
        "contract": 1,
        "name": "tiny",
        "version": "1.0",
        "step_s": STEP_S,
        "outputs": list(outputs),
        "front_ends": {"features": SPEC},
        "warmup_s": 2.0,
        "causal": True,
        "prior": {"valence": {"mean": 0.1, "sd": 0.3}, "arousal": {"mean": 0.0, "sd": 0.4}},
        "licence": "MIT",
        "trained_on": "nothing: made by script",
        "metrics": {},
    }
    meta.update(changes)
    return meta


def tiny_model(
    outputs: Sequence[str] = OUTPUTS,
    frames: int = FRAMES,
    meta: dict[str, Any] | str | None = None,
) -> onnx.ModelProto:
    """Return the model; `meta` replaces its metadata, see `set_metadata`."""

    def constant(name: str, value: Any, dtype: Any = np.float32) -> onnx.TensorProto:
        return numpy_helper.from_array(np.asarray(value, dtype), name)

    constants = [
        constant("floor", 1e-10),
        constant("one", [[1.0]]),
        constant("sixty", [[60.0]]),
        constant("level", np.full((BINS, 1), 1.0 / BINS)),
        constant("tilt", TILT[:, None]),
        constant("gain", GAIN),
        constant("offset", OFFSET),
        constant("spread", SPREAD),
        constant("least", LEAST),
        constant("steep", 4.0),
        constant("split", [1, 2], np.int64),
        constant("columns", [OUTPUTS.index(name) for name in outputs], np.int64),
    ]
    node = helper.make_node
    nodes = [
        node("Max", ["features", "floor"], ["floored"]),
        node("Log", ["floored"], ["log_mel"]),
        node("ReduceMean", ["log_mel"], ["frame_mean"], axes=[1], keepdims=0),
        node("MatMul", ["frame_mean", "level"], ["energy"]),
        node("MatMul", ["frame_mean", "tilt"], ["brightness"]),
        node("Concat", ["energy", "brightness"], ["heard"], axis=1),
        node("Split", ["state.0", "split"], ["n", "mean"], axis=1),
        node("Add", ["n", "one"], ["n_more"]),
        node("Min", ["n_more", "sixty"], ["n_new"]),
        node("Sub", ["heard", "mean"], ["surprise"]),
        node("Div", ["surprise", "n_new"], ["move"]),
        node("Add", ["mean", "move"], ["mean_new"]),
        node("Concat", ["n_new", "mean_new"], ["next.0"], axis=1),
        node("MatMul", ["mean_new", "gain"], ["drive"]),
        node("Add", ["drive", "offset"], ["pre"]),
        node("Tanh", ["pre"], ["axes"]),
        node("Div", ["spread", "n_new"], ["unsure"]),
        node("Add", ["unsure", "least"], ["sigma"]),
        node("Mul", ["axes", "steep"], ["logit"]),
        node("Sigmoid", ["logit"], ["p"]),
        node("Concat", ["axes", "sigma", "p"], ["all"], axis=1),
        node("Gather", ["all", "columns"], ["mood"], axis=1),
    ]
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            info("features", TensorProto.FLOAT, ["batch", frames, BINS]),
            info("state.0", TensorProto.FLOAT, ["batch", 3]),
        ],
        [
            info("mood", TensorProto.FLOAT, ["batch", len(outputs)]),
            info("next.0", TensorProto.FLOAT, ["batch", 3]),
        ],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return set_metadata(model, tiny_meta(outputs) if meta is None else meta)


def set_metadata(model: onnx.ModelProto, meta: dict[str, Any] | str | None) -> onnx.ModelProto:
    """Replace the metadata property of a model: a dict as JSON, a str as it is, None for none."""
    del model.metadata_props[:]
    if meta is not None:
        text = meta if isinstance(meta, str) else json.dumps(meta)
        helper.set_model_props(model, {"streammer": text})
    return model


def build_tiny(
    path: str | os.PathLike[str],
    *,
    outputs: Sequence[str] = OUTPUTS,
    step_s: float = STEP_S,
    **changes: Any,
) -> Path:
    """Write the model, with `changes` to its metadata, and return its path."""
    file = Path(path)
    meta = tiny_meta(outputs, step_s=step_s, **changes)
    frames = round(SPEC["sr"] * step_s / SPEC["hop_length"])
    file.write_bytes(tiny_model(outputs, frames, meta).SerializeToString())
    return file


TILT = np.linspace(-1.0, 1.0, BINS) / BINS
GAIN = np.array([[0.1, 0.2], [-0.5, 0.1]])
OFFSET = np.array([[0.8, 1.5]])
SPREAD = np.array([[0.5, 0.4]])
LEAST = np.array([[0.15, 0.12]])


def numpy_step(
    features: np.ndarray, state: np.ndarray, outputs: Sequence[str] = OUTPUTS
) -> tuple[np.ndarray, np.ndarray]:
    """Return (mood, next state) as the graph computes them, in float64: the tests' oracle."""
    frame_mean = np.log(np.maximum(features.astype(np.float64), 1e-10)).mean(1)
    heard = np.stack([frame_mean.mean(1), frame_mean @ TILT], 1)
    n = np.minimum(state[:, :1].astype(np.float64) + 1.0, 60.0)
    mean = state[:, 1:] + (heard - state[:, 1:]) / n
    axes = np.tanh(mean @ GAIN + OFFSET)
    p = 1.0 / (1.0 + np.exp(-4.0 * axes))
    full = np.concatenate([axes, SPREAD / n + LEAST, p], 1)
    columns = [OUTPUTS.index(name) for name in outputs]
    return full[:, columns], np.concatenate([n, mean], 1)
