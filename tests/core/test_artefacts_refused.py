"""What `load_model` refuses: each broken artefact gets one line, and ONNX Runtime keeps quiet."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from streammer.errors import ModelError
from streammer.inference.model import load_model
from tests.core.tiny_model import FRAMES, SPEC, build_tiny, tiny_meta, tiny_model


def edit(change, **meta):
    """Return the bytes of the tiny model after `change(model)`."""
    model = tiny_model(meta=tiny_meta(**meta))
    change(model)
    return model.SerializeToString()


def text(_):
    return b"model: default\nlicence: MIT\n"


def empty(_):
    return b""


def truncated(_):
    return tiny_model().SerializeToString()[:-200]


def no_graph(_):
    model = tiny_model()
    model.ClearField("graph")
    return model.SerializeToString()


def foreign_import(_):
    def change(model):
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))

    return edit(change)


def foreign_node(_):
    def change(model):
        next(n for n in model.graph.node if n.op_type == "Tanh").domain = "com.microsoft"
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))

    return edit(change)


def undeclared_foreign_node(_):
    def change(model):
        next(n for n in model.graph.node if n.op_type == "Tanh").domain = "evil.example"

    return edit(change)


def branch(node, initializers=()):
    info = helper.make_tensor_value_info("branch_out", TensorProto.FLOAT, None)
    return helper.make_graph([node], "branch", [], [info], initializers)


def with_branch(model, graph):
    """Put `graph` into both arms of an If whose result nothing needs."""
    true = numpy_helper.from_array(numpy_helper.to_array(model.graph.initializer[0]) > -1, "true")
    model.graph.initializer.append(true)
    model.graph.node.append(
        helper.make_node("If", ["true"], ["chosen"], then_branch=graph, else_branch=graph)
    )


def foreign_node_in_a_branch(_):
    node = helper.make_node("Tanh", ["pre"], ["branch_out"], domain="evil.example")
    return edit(lambda model: with_branch(model, branch(node)))


def external_tensor(name):
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/hostname")
    return tensor


def external_data(_):
    def change(model):
        steep = next(t for t in model.graph.initializer if t.name == "steep")
        steep.CopyFrom(external_tensor("steep"))

    return edit(change)


def external_data_in_a_branch(_):
    node = helper.make_node("Identity", ["hidden"], ["branch_out"])
    return edit(lambda model: with_branch(model, branch(node, [external_tensor("hidden")])))


def external_data_in_an_attribute(_):
    def change(model):
        model.graph.node.insert(
            0, helper.make_node("Constant", [], ["unused"], value=external_tensor("attribute"))
        )

    return edit(change)


def function(_):
    def change(model):
        body = [helper.make_node("Tanh", ["x"], ["y"])]
        model.functions.append(
            helper.make_function("mine", "Soft", ["x"], ["y"], body, [helper.make_opsetid("", 17)])
        )
        model.opset_import.append(helper.make_opsetid("mine", 1))

    return edit(change)


def training_graph(_):
    def change(model):
        model.training_info.add().algorithm.name = "sgd"

    return edit(change)


def old_opset(_):
    def change(model):
        model.opset_import[0].version = 13

    return edit(change)


def no_opset(_):
    def change(model):
        del model.opset_import[:]

    return edit(change)


def unknown_operator(_):
    def change(model):
        next(n for n in model.graph.node if n.op_type == "Tanh").op_type = "Nonsense"

    return edit(change)


def cyclic(_):
    def change(model):
        model.graph.node[0].input[0] = "mood"

    return edit(change)


def no_metadata(_):
    return edit(lambda model: model.ClearField("metadata_props"))


def bad_json(_):
    return tiny_model(meta="{'contract': 1}").SerializeToString()


def not_causal(_):
    return edit(lambda model: None, causal=False)


def set_dim(value, index, size):
    dim = value.type.tensor_type.shape.dim[index]
    dim.Clear()
    if isinstance(size, str):
        dim.dim_param = size
    else:
        dim.dim_value = size


def wrong_frames(_):
    return edit(lambda model: set_dim(model.graph.input[0], 1, FRAMES - 1))


def wrong_bins_of_spec(_):
    return edit(lambda model: None, front_ends={"features": {**SPEC, "n_bins": 64}})


def bad_spec(_):
    return edit(lambda model: None, front_ends={"features": {**SPEC, "fmax": 99999.0}})


def hop_that_does_not_fit(_):
    return edit(lambda model: None, front_ends={"features": {**SPEC, "hop_length": 400}})


def spec_without_input(_):
    return edit(lambda model: None, front_ends={"features": SPEC, "features.b": SPEC})


def input_without_spec(_):
    return edit(lambda model: None, front_ends={"features.b": SPEC})


def fixed_batch(_):
    return edit(lambda model: set_dim(model.graph.input[0], 0, 1))


def dynamic_frames(_):
    return edit(lambda model: set_dim(model.graph.input[0], 1, "frames"))


def wrong_type(_):
    def change(model):
        # A state of doubles, cast on the way in and out.
        for value in (model.graph.input[1], model.graph.output[1]):
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
        for node in model.graph.node:
            node.input[:] = ["in32" if x == "state.0" else x for x in node.input]
            node.output[:] = ["out32" if x == "next.0" else x for x in node.output]
        cast = helper.make_node
        model.graph.node.insert(0, cast("Cast", ["state.0"], ["in32"], to=TensorProto.FLOAT))
        model.graph.node.append(cast("Cast", ["out32"], ["next.0"], to=TensorProto.DOUBLE))

    return edit(change)


def renamed(before, after):
    def change(model):
        for value in (*model.graph.input, *model.graph.output):
            value.name = after if value.name == before else value.name
        for node in model.graph.node:
            node.input[:] = [after if x == before else x for x in node.input]
            node.output[:] = [after if x == before else x for x in node.output]

    return edit(change)


def state_without_next(_):
    return edit(lambda model: model.graph.output.pop())


def next_without_state(_):
    def change(model):
        model.graph.node.append(helper.make_node("Identity", ["axes"], ["next.7"]))
        info = helper.make_tensor_value_info("next.7", TensorProto.FLOAT, ["batch", 2])
        model.graph.output.append(info)

    return edit(change)


def next_of_another_size(_):
    def change(model):
        for node in model.graph.node:
            node.output[:] = ["full" if x == "next.0" else x for x in node.output]
        model.graph.node.append(helper.make_node("Identity", ["mean_new"], ["next.0"]))
        set_dim(model.graph.output[1], 1, 2)

    return edit(change)


def other_input(_):
    return renamed("state.0", "memory")


def no_mood(_):
    return renamed("mood", "feeling")


def mood_of_another_size(_):
    return edit(lambda model: None, outputs=["valence", "arousal"])


def overridable_weight(_):
    def change(model):
        model.graph.input.append(helper.make_tensor_value_info("steep", TensorProto.FLOAT, []))

    return edit(change)


def not_finite_at_silence(_):
    def change(model):
        floor = next(t for t in model.graph.initializer if t.name == "floor")
        floor.CopyFrom(
            numpy_helper.from_array(np.zeros_like(numpy_helper.to_array(floor)), "floor")
        )

    return edit(change)


def gather_beyond_the_end(_):
    def change(model):
        columns = next(t for t in model.graph.initializer if t.name == "columns")
        columns.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(columns) + 1, "columns"))

    return edit(change)


def rows_doubled(_):
    """A graph that declares one row for each stream and gives two."""

    def change(model):
        for node in model.graph.node:
            node.output[:] = ["rows" if x == "mood" else x for x in node.output]
        model.graph.node.append(helper.make_node("Concat", ["rows", "rows"], ["mood"], axis=0))

    return edit(change)


def enormous_state(_):
    def change(model):
        info = helper.make_tensor_value_info
        shape = ["batch", 2**20, 2**20]
        model.graph.input.append(info("state.1", TensorProto.FLOAT, shape))
        model.graph.output.append(info("next.1", TensorProto.FLOAT, shape))
        model.graph.node.append(helper.make_node("Identity", ["state.1"], ["next.1"]))

    return edit(change)


CASES = {
    text: "no ONNX model",
    empty: "is empty, expected an ONNX model",
    truncated: "no ONNX model",
    no_graph: "has no graph",
    foreign_import: "domain 'com.microsoft', expected the standard domain only",
    foreign_node: "domain 'com.microsoft', expected the standard domain only",
    undeclared_foreign_node: "Tanh of domain 'evil.example', expected the standard domain only",
    foreign_node_in_a_branch: "Tanh of domain 'evil.example', expected the standard domain only",
    external_data: "tensor 'steep' lies in external data ('/etc/hostname'), expected all weights",
    external_data_in_a_branch: "tensor 'hidden' lies in external data",
    external_data_in_an_attribute: "tensor 'attribute' lies in external data",
    function: "defines function 'Soft', expected plain operators only",
    training_graph: "carries a training graph",
    old_opset: "uses opset 13, expected 17 or later",
    no_opset: "imports the standard operators 0 times, expected once",
    unknown_operator: "Nonsense",
    cyclic: "onnx refuses it",
    no_metadata: "has 0 metadata properties 'streammer', expected one",
    bad_json: "metadata property 'streammer': JSON is malformed",
    not_causal: "is not causal: it uses later sound and cannot run on a stream; expected causal",
    wrong_frames: "features has [batch, 24, 80], expected [batch, 25, 80]",
    wrong_bins_of_spec: "features has [batch, 25, 80], expected [batch, 25, 64]",
    bad_spec: "front end of features: fmax is 99999 Hz, expected at most",
    hop_that_does_not_fit: "front end of features: a step of 0.5 s is 27.5625 frames",
    spec_without_input: "front_ends has 'features.b', which is no input, expected one spec",
    input_without_spec: "input features has no entry in front_ends, expected a spec",
    fixed_batch: "features has [1, 25, 80], expected a dynamic batch, then fixed sizes",
    dynamic_frames: "features has [batch, frames, 80], expected a dynamic batch",
    wrong_type: "state.0 is tensor(double), expected tensor(float)",
    state_without_next: "state.0 has no output next.0, expected a next.<k> for each state.<k>",
    next_without_state: "output 'next.7', expected only mood and a next.<k> for each state.<k>",
    next_of_another_size: "output next.0 has [batch, 2], expected [batch, 3] as state.0",
    other_input: "input 'memory', expected only features, features.<id> and state.<k>",
    no_mood: "outputs are feeling, next.0, expected mood among them",
    mood_of_another_size: "output mood has [batch, 6], expected [batch, 2] for valence, arousal",
    overridable_weight: "weight steep is also an input, expected fixed weights",
    not_finite_at_silence: "has NaN or infinite values, expected finite ones",
    gather_beyond_the_end: "a step fails: Non-zero status code",
    rows_doubled: "in a dry step mood has shape (4, 6), expected (2, 6)",
    enormous_state: "states take 4194304 MiB a stream, expected at most 64",
}


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
def test_a_broken_artefact_gets_one_line(tmp_path, capfd, make):
    path = tmp_path / "broken.onnx"
    path.write_bytes(make(None))
    with pytest.raises(ModelError) as e:
        load_model(path)
    message = str(e.value)
    assert message.startswith(f"{path}: ")
    assert CASES[make] in message
    assert "\n" not in message
    assert len(message) < 500
    assert capfd.readouterr() == ("", "")


def test_a_graph_that_never_ends_is_broken_off(tmp_path, monkeypatch, capfd):
    import streammer.inference.model

    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["go_on"]),
            helper.make_node("Sin", ["x"], ["y"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
        ],
    )

    def change(model):
        model.graph.initializer.append(helper.make_tensor("times", TensorProto.INT64, [], [2**60]))
        for node in model.graph.node:
            node.output[:] = ["soon" if x == "mood" else x for x in node.output]
        model.graph.node.append(
            helper.make_node("Loop", ["times", "", "soon"], ["mood"], body=body)
        )

    path = tmp_path / "endless.onnx"
    path.write_bytes(edit(change))
    monkeypatch.setattr(streammer.inference.model, "DRY_STEP_S", 0.3)  # in this process alone
    monkeypatch.setattr(streammer.inference.model, "try_model", lambda *_: None)
    with pytest.raises(ModelError, match=r"a dry step has not ended after 0\.3 s, expected less"):
        load_model(path)
    assert capfd.readouterr() == ("", "")


def test_an_artefact_over_the_limit_is_refused_unread(tmp_path):
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate(3 * 2**30)
    with pytest.raises(ModelError, match=r"has 3072\.0 MiB, expected at most 64$"):
        load_model(path)


def test_an_unreadable_artefact_is_refused(tmp_path, monkeypatch):
    path = build_tiny(tmp_path / "m.onnx")

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(type(path), "open", refuse)
    with pytest.raises(ModelError, match="cannot be read: Permission denied"):
        load_model(path)


def test_what_comes_with_streammer_needs_no_onnx_package(tmp_path, monkeypatch):
    import streammer.inference.model

    def never(*_):
        raise AssertionError("checked")

    monkeypatch.setattr(streammer.inference.model, "try_model", never)
    path = build_tiny(tmp_path / "m.onnx")
    with pytest.raises(AssertionError, match="checked"):
        load_model(path)
    monkeypatch.setattr(streammer.inference.model, "in_zoo", lambda _: True)
    assert load_model(path).meta.name == "tiny"


def test_standard_operators_in_a_branch_are_welcome(tmp_path):
    node = helper.make_node("Tanh", ["pre"], ["branch_out"])
    path = tmp_path / "m.onnx"
    path.write_bytes(edit(lambda model: with_branch(model, branch(node))))
    assert load_model(path).meta.name == "tiny"


def test_the_tiny_model_is_a_model_to_onnx(tmp_path):
    onnx.checker.check_model(str(build_tiny(tmp_path / "m.onnx")), full_check=True)
