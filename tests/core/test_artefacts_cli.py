"""`streammer models`: the listing, and the checks of artefact, metrics and card."""

import json
import re

import numpy as np
import pytest
from onnx import numpy_helper

from streammer.cli.models import models
from streammer.errors import ModelError
from streammer.inference import artefact as artefacts
from streammer.inference.artefact import graph_hash
from streammer.inference.audit import check_artefact
from streammer.inference.validate import card_hash
from tests.core.tiny_model import build_tiny, tiny_meta, tiny_model


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    folder = tmp_path / "zoo"
    folder.mkdir()
    monkeypatch.setattr(artefacts, "zoo_dir", lambda: folder)
    for name in ("another", "default"):
        with_card(folder / f"{name}.onnx", name=name)
    return folder


def with_card(path, **changes):
    """Write the tiny model and a card that carries its hash."""
    build_tiny(path, **changes)
    path.with_suffix(".md").write_text(f"# Tiny\n\n| artefact_hash | `{graph_hash(path)}` |\n")
    return path


def broken(path, weight, change):
    """Write the tiny model with one weight changed, and a card that belongs to it."""
    model = tiny_model(meta=tiny_meta(name=path.stem))
    tensor = next(t for t in model.graph.initializer if t.name == weight)
    tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor)), weight))
    path.write_bytes(model.SerializeToString())
    path.with_suffix(".md").write_text(f"artefact_hash: {graph_hash(path)}\n")
    return path


def test_the_zoo_is_listed_as_json_lines_when_piped(zoo, capsys):
    assert models() == 0
    out, err = capsys.readouterr()
    rows = [json.loads(line) for line in out.splitlines()]
    assert err == ""
    assert [(r["name"], r["default"]) for r in rows] == [("default", True), ("another", False)]
    first = rows[0]
    assert first["outputs"] == tiny_meta()["outputs"]
    assert first["size_bytes"] == (zoo / "default.onnx").stat().st_size
    assert {"version", "step_s", "trained_on", "licence", "evaluated", "path"} <= first.keys()


def test_the_zoo_is_a_table_in_a_terminal(zoo, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "160")
    assert models() == 0
    plain = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    head, first, second = plain.splitlines()
    assert head.split()[:5] == ["model", "version", "gives", "step", "size"]
    assert first.startswith("default (default)  1.0")
    assert "nothing: made by script" in first
    assert "2.3 KiB" in first
    assert second.startswith("another ")


def test_the_command_lists_a_file_and_checks_it(streammer_cli, tmp_path):
    path = with_card(tmp_path / "mine.onnx")
    ran = streammer_cli("models", "--check", path)
    assert (ran.code, ran.err) == (0, "")
    row = json.loads(ran.out)
    assert (row["name"], row["checked"]) == ("tiny", True)


def test_the_command_goes_on_after_a_refusal_and_exits_5(streammer_cli, tmp_path):
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"not a model")
    good = with_card(tmp_path / "good.onnx")
    ran = streammer_cli("models", "--check", bad, "nosuch", good)
    assert ran.code == 5
    assert [json.loads(line)["name"] for line in ran.out.splitlines()] == ["tiny"]
    assert len(ran.lines) == 2
    assert ran.lines[0].startswith(f"streammer: {bad}: is no ONNX model")
    assert "no model 'nosuch'" in ran.lines[1]


def test_all_of_the_zoo_is_checked(zoo, capsys):
    assert models(check=True) == 0
    (zoo / "another.md").write_text("# Another\n")
    assert models(check=True) == 5
    out, err = capsys.readouterr()
    assert err.count("\n") == 1
    assert "its card another.md has no artefact_hash" in err
    assert [json.loads(line)["name"] for line in out.splitlines()][-1] == "default"


def test_an_empty_zoo_is_a_clear_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("streammer.cli.models.list_zoo", dict)
    assert models() == 5
    assert "no models in " in capsys.readouterr().err


def test_a_card_of_another_graph_is_refused(tmp_path):
    path = with_card(tmp_path / "m.onnx")
    card = path.with_suffix(".md").read_text()
    broken(path, "steep", lambda x: x * np.float32(1.5))
    check_artefact(path)
    path.with_suffix(".md").write_text(card)
    with pytest.raises(ModelError, match=r"its card m\.md has artefact_hash .* another graph"):
        check_artefact(path)


def test_a_missing_card_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"its card m\.md cannot be read"):
        check_artefact(build_tiny(tmp_path / "m.onnx"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("0" * 64, r"its metrics have artefact_hash 000000000000…, expected .*another graph"),
        (None, "its metrics have no artefact_hash, expected"),
        (7, "its metrics have no artefact_hash, expected"),
    ],
)
def test_metrics_of_another_graph_are_refused(tmp_path, given, message):
    metrics = {"test": {"rmse_valence": 0.1}}
    if given is not None:
        metrics["artefact_hash"] = given
    path = with_card(tmp_path / "m.onnx", metrics=metrics)
    with pytest.raises(ModelError, match=message):
        check_artefact(path)


def test_metrics_of_this_graph_are_accepted(tmp_path):
    own = graph_hash(tiny_model())
    path = with_card(tmp_path / "m.onnx", metrics={"rmse": 0.1, "artefact_hash": own})
    assert check_artefact(path).meta.metrics["rmse"] == 0.1


def test_an_artefact_of_the_zoo_is_called_as_its_file(zoo):
    path = with_card(zoo / "wrong.onnx", name="right")
    with pytest.raises(ModelError, match=r"calls itself 'right', expected 'wrong' as its file"):
        check_artefact(path)


def test_artefacts_of_the_zoo_pass_the_onnx_package_too(zoo):
    path = zoo / "another.onnx"
    model = tiny_model(meta=tiny_meta(name="another"))
    model.opset_import[0].version = 16
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="uses opset 16, expected 17 or later"):
        check_artefact(path)


def test_a_spread_below_zero_is_refused(tmp_path):
    path = broken(tmp_path / "m.onnx", "least", lambda x: x - np.float32(1.0))
    with pytest.raises(ModelError, match=r"sigma_valence is -0\.\d+, expected above 0"):
        check_artefact(path)


def test_a_probability_beyond_one_is_refused(tmp_path):
    # The columns of p_positive and p_energetic show the spread, made large.
    path = broken(tmp_path / "m.onnx", "least", lambda x: x + np.float32(1.0))
    model = tiny_model(meta=tiny_meta(["valence", "p_positive"], name="m"))
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 2
    for tensor in model.graph.initializer:
        if tensor.name == "columns":
            tensor.CopyFrom(numpy_helper.from_array(np.array([0, 2]), "columns"))
        if tensor.name == "least":
            tensor.CopyFrom(numpy_helper.from_array(np.full((1, 2), 2.0, np.float32), "least"))
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="p_positive leaves 0 to 1, expected a probability"):
        check_artefact(path)


def test_a_mood_that_depends_on_its_batch_is_refused(tmp_path):
    path = tmp_path / "m.onnx"
    model = tiny_model()
    # Loudness above that of the whole batch: what a stream says depends on its neighbours.
    from onnx import helper

    for node in model.graph.node:
        node.input[:] = ["against" if x == "heard" else x for x in node.input]
    at = next(k for k, n in enumerate(model.graph.node) if "heard" in n.output) + 1
    model.graph.node.insert(at, helper.make_node("Sub", ["heard", "all_heard"], ["against"]))
    model.graph.node.insert(
        at, helper.make_node("ReduceMean", ["heard"], ["all_heard"], axes=[0], keepdims=1)
    )
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="mood depends on the batch it is stepped in by"):
        check_artefact(path)


@pytest.mark.parametrize(
    "line",
    [
        "artefact_hash: {}",
        "| artefact_hash | `{}` |",
        "artefact_hash = {} and more",
    ],
)
def test_a_card_carries_its_hash_in_any_of_these_forms(line):
    assert card_hash(f"# Card\n\n{line.format('ab' * 32)}\n") == "ab" * 32


def test_a_card_without_a_whole_hash_has_none():
    assert card_hash("artefact_hash: abc123\n") is None
    assert card_hash("hash: " + "ab" * 32) is None
