"""Models that are slow to load, deadly, or damaged: refused, in time and in one line."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from streammer.errors import ModelError
from streammer.inference import trial
from streammer.inference.artefact import find_artefact
from streammer.inference.model import load_model
from tests.core.tiny_model import build_tiny

MATMULS = 400  # of 2048 x 2048: minutes on one core


@pytest.fixture
def folding(tmp_path):
    """A small model whose constants ONNX Runtime folds for minutes while it loads."""
    path = build_tiny(tmp_path / "folding.onnx")
    model = onnx.load(path)
    nodes = [
        helper.make_node(
            "ConstantOfShape",
            ["side"],
            ["m0"],
            value=helper.make_tensor("", TensorProto.FLOAT, [1], [1e-4]),
        )
    ]
    nodes += [helper.make_node("MatMul", [f"m{k}", f"m{k}"], [f"m{k + 1}"]) for k in range(MATMULS)]
    nodes.append(helper.make_node("ReduceMin", [f"m{MATMULS}"], ["floor_of_all"], keepdims=0))
    for node in model.graph.node:
        node.output[:] = ["soon" if name == "mood" else name for name in node.output]
    nodes.append(helper.make_node("Add", ["soon", "floor_of_all"], ["mood"]))
    model.graph.initializer.append(helper.make_tensor("side", TensorProto.INT64, [2], [2048, 2048]))
    model.graph.node.extend(nodes)
    onnx.save(model, path)
    assert path.stat().st_size < 40_000
    return path


def test_a_model_that_folds_constants_for_minutes_is_given_up(folding):
    with pytest.raises(ModelError, match="loading it has not ended after 4 s, expected"):
        trial.try_model(folding.read_bytes(), folding, limit_s=4.0)


@pytest.mark.skipif(sys.platform != "linux", reason="finds the child in /proc")
def test_checking_a_model_that_never_loads_ends_on_a_signal(folding):
    checking = subprocess.Popen(
        [sys.executable, "-m", "streammer", "models", "--check", str(folding)],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        children = Path(f"/proc/{checking.pid}/task/{checking.pid}/children")
        while checking.poll() is None and not children.read_text():
            os.sched_yield()
        checking.send_signal(signal.SIGINT)
        _, said = checking.communicate(timeout=trial.LIMIT_S * 6)
    finally:
        checking.kill()
    assert checking.returncode == 130, said
    assert "has not ended" not in said


def test_a_model_that_kills_its_process_is_refused(tmp_path, monkeypatch):
    (tmp_path / "deadly.py").write_text("import os; os.abort()")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(trial, "_PROGRAM", "deadly")
    path = build_tiny(tmp_path / "m.onnx")
    with pytest.raises(ModelError, match="does not survive this model"):
        load_model(path)


def test_a_model_from_outside_that_is_in_order_is_loaded(tmp_path):
    assert load_model(build_tiny(tmp_path / "m.onnx")).meta.name == "tiny"


@pytest.fixture
def flipped(tmp_path, monkeypatch):
    """The default model with 40 bits of its weights flipped, in a zoo of its own."""
    original = find_artefact("default")
    model = onnx.load(original)
    largest = max((t for t in model.graph.initializer if t.raw_data), key=lambda t: len(t.raw_data))
    data = bytearray(original.read_bytes())
    begin = bytes(data).index(largest.raw_data)
    rng = np.random.default_rng(0)
    for at in rng.integers(0, len(largest.raw_data), 40):
        data[begin + at] ^= 1 << int(rng.integers(8))
    path = tmp_path / "default.onnx"
    path.write_bytes(data)
    path.with_suffix(".md").write_bytes(original.with_suffix(".md").read_bytes())
    monkeypatch.setattr("streammer.inference.artefact.zoo_dir", lambda: tmp_path)
    return path


def test_flipped_bits_in_the_weights_of_the_zoo_are_refused(flipped):
    with pytest.raises(ModelError, match="the file is damaged, or"):
        load_model("default")


def test_flipped_bits_in_the_weights_are_refused_by_check_and_doctor(flipped, capsys):
    from streammer.cli.doctor import examine
    from streammer.cli.models import models

    assert models([str(flipped)], check=True) == 5
    assert "the file is damaged" in capsys.readouterr().err
    (found,) = [f for f in examine() if f.what == "models"]
    assert found.state == "broken"
    assert "the file is damaged" in found.detail


def test_a_damaged_model_from_outside_is_refused_too(flipped, monkeypatch):
    monkeypatch.undo()
    with pytest.raises(ModelError, match="the file is damaged, or"):
        load_model(flipped)
