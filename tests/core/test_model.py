"""A loaded model: what it says of itself, and one step of it."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from streammer.errors import ModelError, UsageError
from streammer.frontend import FrontEndSpec
from streammer.inference.model import load_model
from tests.core.tiny_model import SPEC, build_tiny, numpy_step, set_metadata, tiny_meta

CHROMA = {"kind": "chroma", "sr": 22050, "n_fft": 4096, "hop_length": 2205, "n_bins": 12}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(build_tiny(tmp_path_factory.mktemp("zoo") / "tiny.onnx"))


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def chunk(rng, batch):
    return {"features": rng.lognormal(0.0, 3.0, (batch, 25, 80)).astype(np.float32)}


def test_a_model_names_its_inputs_and_outputs(model):
    assert model.step_s == 0.5
    assert model.warmup_s == 2.0
    assert model.outputs == tuple(tiny_meta()["outputs"])
    assert model.front_ends == {"features": FrontEndSpec.from_dict(SPEC)}
    assert model.prior["arousal"].sd == 0.4
    assert model.state_shapes == {"state.0": (3,)}


def test_steps_are_what_numpy_computes(model, rng):
    state, expected_state = model.zero_state(3), np.zeros((3, 3))
    for _ in range(70):
        features = chunk(rng, 3)
        mood, state = model.step(features, state)
        expected, expected_state = numpy_step(features["features"], expected_state)
        # float32 against float64; the state holds log powers of some tens.
        np.testing.assert_allclose(mood, expected, rtol=0, atol=2e-6)
        np.testing.assert_allclose(state[0], expected_state, rtol=0, atol=5e-5)
    assert state[0][0, 0] == 60.0


def test_a_step_changes_none_of_its_arguments(model, rng):
    _, state = model.step(chunk(rng, 2), model.zero_state(2))
    features = chunk(rng, 2)
    before = features["features"].copy(), state[0].copy()
    first, _ = model.step(features, state)
    again, _ = model.step(features, state)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(features["features"], before[0])
    np.testing.assert_array_equal(state[0], before[1])


def test_a_mood_does_not_depend_on_the_batch_it_is_stepped_in(model, rng):
    together, alone = model.zero_state(5), [model.zero_state(1) for _ in range(5)]
    for _ in range(10):
        features = chunk(rng, 5)
        moods, together = model.step(features, together)
        for row in range(5):
            single = {"features": features["features"][row : row + 1]}
            mood, alone[row] = model.step(single, alone[row])
            np.testing.assert_allclose(mood[0], moods[row], rtol=0, atol=1e-5)  # contract 1


def test_views_and_other_strides_are_taken(model, rng):
    features = chunk(rng, 4)
    turned = np.asfortranarray(features["features"])
    a, _ = model.step(features, model.zero_state(4))
    b, _ = model.step({"features": turned}, model.zero_state(4))
    np.testing.assert_array_equal(a, b)


WRONG = {
    "no features": ({}, r"features are none, expected features"),
    "another name": ({"mel": np.zeros((1, 25, 80), np.float32)}, "features are mel, expected"),
    "no batch axis": (
        {"features": np.zeros((25, 80), np.float32)},
        r"features is float32 \(25, 80\), expected float32 \(batch, 25, 80\)",
    ),
    "float64": (
        {"features": np.zeros((1, 25, 80))},
        r"features is float64 \(1, 25, 80\), expected float32 \(1, 25, 80\)",
    ),
    "too few frames": (
        {"features": np.zeros((1, 24, 80), np.float32)},
        r"features is float32 \(1, 24, 80\), expected float32 \(1, 25, 80\)",
    ),
    "an empty batch": (
        {"features": np.zeros((0, 25, 80), np.float32)},
        r"features is float32 \(0, 25, 80\), expected float32 \(batch, 25, 80\)",
    ),
    "a list": ({"features": [1.0]}, "features is list, expected float32"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_features_are_refused_in_one_line(model, case):
    features, message = WRONG[case]
    with pytest.raises(UsageError, match=message) as e:
        model.step(features, model.zero_state(1))
    assert "\n" not in str(e.value)


def test_a_wrong_state_is_refused_in_one_line(model, rng):
    with pytest.raises(UsageError, match="state has 0 arrays, expected 1: begin with zero_state"):
        model.step(chunk(rng, 1), ())
    with pytest.raises(UsageError, match=r"state.0 is float32 \(1, 3\), expected float32 \(2, 3\)"):
        model.step(chunk(rng, 2), model.zero_state(1))


@pytest.mark.parametrize("batch", [0, -1, 1.0, True, "2"])
def test_a_batch_is_a_whole_number(model, batch):
    with pytest.raises(UsageError, match="expected a whole number from 1"):
        model.zero_state(batch)


def test_a_session_runs_on_one_thread(model):
    options = model.session.get_session_options()
    assert (options.intra_op_num_threads, options.inter_op_num_threads) == (1, 1)


def test_a_model_leaves_the_arithmetic_of_its_thread_alone(tmp_path, rng):
    # Flushing subnormal numbers to zero would reach from a session into the caller's numpy.
    model = load_model(build_tiny(tmp_path / "m.onnx"))
    model.step(chunk(rng, 1), model.zero_state(1))
    tiny = np.full(8, 1e-40, np.float32)
    assert (tiny * np.float32(0.5)).all()


def test_a_failing_step_is_one_line_and_quiet(tmp_path, capfd):
    path = tmp_path / "touchy.onnx"
    path.write_bytes(touchy().SerializeToString())
    model = load_model(path)
    loud = {"features": np.full((1, 25, 80), 1e6, np.float32)}
    with pytest.raises(ModelError, match=r"^tiny: a step fails: ") as e:
        model.step(loud, ())
    assert "\n" not in str(e.value)
    assert capfd.readouterr() == ("", "")


def touchy():
    """Return a model without states whose Gather leaves its bounds when it gets loud."""
    node = helper.make_node
    info = helper.make_tensor_value_info
    table = helper.make_tensor("table", TensorProto.FLOAT, [2, 1], [0.25, 0.5])
    axes = helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2])
    nodes = [
        node("ReduceMax", ["features"], ["loudest"], axes=[1, 2], keepdims=0),
        node("Cast", ["loudest"], ["index"], to=TensorProto.INT64),
        node("Gather", ["table", "index"], ["mood"], axis=0),
    ]
    graph = helper.make_graph(
        nodes,
        "touchy",
        [info("features", TensorProto.FLOAT, ["batch", 25, 80])],
        [info("mood", TensorProto.FLOAT, ["batch", 1])],
        [table, axes],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return set_metadata(model, tiny_meta(["arousal"]))


def test_a_model_may_hear_two_front_ends_and_remember_nothing(tmp_path):
    node = helper.make_node
    info = helper.make_tensor_value_info
    nodes = [
        node("ReduceMean", ["features.mel"], ["a"], axes=[1, 2], keepdims=0),
        node("ReduceMean", ["features.chroma"], ["b"], axes=[1, 2], keepdims=0),
        node("Unsqueeze", ["a", "one"], ["a1"]),
        node("Unsqueeze", ["b", "one"], ["b1"]),
        node("Concat", ["a1", "b1"], ["mood"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "two",
        [
            info("features.mel", TensorProto.FLOAT, ["batch", 25, 80]),
            info("features.chroma", TensorProto.FLOAT, ["batch", 5, 12]),
        ],
        [info("mood", TensorProto.FLOAT, ["batch", 2])],
        [helper.make_tensor("one", TensorProto.INT64, [1], [1])],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    specs = {"features.mel": SPEC, "features.chroma": CHROMA}
    set_metadata(proto, tiny_meta(["valence", "arousal"], front_ends=specs))
    path = tmp_path / "two.onnx"
    path.write_bytes(proto.SerializeToString())
    model = load_model(path)
    assert model.feature_shapes == {"features.mel": (25, 80), "features.chroma": (5, 12)}
    assert model.zero_state(2) == ()
    features = {
        "features.chroma": np.full((2, 5, 12), 0.5, np.float32),
        "features.mel": np.full((2, 25, 80), 0.25, np.float32),
    }
    mood, state = model.step(features, ())
    np.testing.assert_allclose(mood, [[0.25, 0.5]] * 2, rtol=1e-6)
    assert state == ()
    with pytest.raises(UsageError, match=r"features.chroma is float32 \(1, 5, 12\)"):
        model.step({**features, "features.chroma": features["features.chroma"][:1]}, ())
