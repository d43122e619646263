"""Finding artefacts, reading what they say, and hashing their graphs."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import onnx
import pytest

from streammer.errors import ModelError
from streammer.inference import artefact as artefacts
from streammer.inference.artefact import OUTPUTS, Prior, find_artefact, graph_hash, read_metadata
from tests.core.tiny_model import build_tiny, set_metadata, tiny_meta, tiny_model

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """A zoo of two artefacts in place of the real one."""
    folder = tmp_path / "zoo"
    folder.mkdir()
    build_tiny(folder / "another.onnx", name="another")
    build_tiny(folder / "default.onnx", name="default")
    monkeypatch.setattr(artefacts, "zoo_dir", lambda: folder)
    return folder


def test_a_name_is_found_in_the_zoo_and_the_default_is_listed_first(zoo):
    assert find_artefact("default") == zoo / "default.onnx"
    assert list(artefacts.list_zoo()) == ["default", "another"]


def test_a_name_in_the_zoo_wins_over_a_file_of_that_name(zoo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "default").write_bytes(b"not this one")
    assert find_artefact("default") == zoo / "default.onnx"


def test_a_path_is_found_where_it_points(zoo, tmp_path):
    path = build_tiny(tmp_path / "mine.onnx")
    assert find_artefact(path) == path
    assert find_artefact(str(path)) == path


def test_an_unknown_name_lists_the_zoo(zoo):
    with pytest.raises(ModelError, match=r"no model 'nosuch': .* one of: default, another$") as e:
        find_artefact("nosuch")
    assert e.value.exit_code == 5


def test_a_directory_is_no_model(zoo, tmp_path):
    with pytest.raises(ModelError, match=r"is a directory: an \.onnx file is expected"):
        find_artefact(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_no_model_and_is_not_waited_for(zoo, tmp_path):
    os.mkfifo(tmp_path / "pipe.onnx")
    with pytest.raises(ModelError, match="no regular file"):
        find_artefact(tmp_path / "pipe.onnx")


def test_a_link_in_the_zoo_does_not_make_its_target_trusted(zoo, tmp_path):
    (zoo / "linked.onnx").symlink_to(build_tiny(tmp_path / "outside.onnx"))
    assert artefacts.in_zoo(zoo / "default.onnx")
    assert not artefacts.in_zoo(zoo / "linked.onnx")


def test_the_checkout_has_its_zoo_in_models():
    assert artefacts.zoo_dir() == CHECKOUT / "models" / "zoo"


def test_a_wheel_carries_the_zoo_and_finds_it_there(tmp_path):
    # A checkout in small: the real package and build file, a zoo of our own.
    source = tmp_path / "source"
    shutil.copytree(
        CHECKOUT / "streammer", source / "streammer", ignore=shutil.ignore_patterns("__pycache__")
    )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(CHECKOUT / name, source / name)
    (source / "examples").mkdir()
    for name in ("demo.ogg", "demo.json"):  # what the wheel carries of them
        shutil.copy(CHECKOUT / "examples" / name, source / "examples")
    (source / "models" / "zoo").mkdir(parents=True)
    made = build_tiny(source / "models" / "zoo" / "default.onnx", name="default")
    made.with_suffix(".md").write_text(f"# default\n\nartefact_hash: {graph_hash(made)}\n")
    subprocess.run(
        [
            sys.executable,
            "-c",
            "import hatchling.build, sys; print(hatchling.build.build_wheel(sys.argv[1]))",
            str(tmp_path),
        ],
        cwd=source,
        check=True,
        capture_output=True,
    )
    site = tmp_path / "site"
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        assert not [n for n in wheel.namelist() if n.startswith(("models", "offline", "tests"))]
        wheel.extractall(site)
    found = subprocess.run(
        [
            sys.executable,
            "-c",
            "from streammer.inference.model import load_model; print(load_model('default').path)",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(site)},
        check=True,
        capture_output=True,
        text=True,
    )
    assert Path(found.stdout.strip()) == site / "streammer" / "zoo" / "default.onnx"
    assert (site / "streammer" / "zoo" / "default.md").is_file()


def test_metadata_are_read(tmp_path):
    meta = read_metadata(build_tiny(tmp_path / "m.onnx", outputs=("arousal",), version="2.1"))
    assert (meta.name, meta.version, meta.step_s) == ("tiny", "2.1", 0.5)
    assert meta.outputs == ("arousal",)
    assert meta.prior["arousal"] == Prior(mean=0.0, sd=0.4)


def test_metadata_of_a_later_streammer_may_have_more_keys(tmp_path):
    assert read_metadata(build_tiny(tmp_path / "m.onnx", colour="blue")).name == "tiny"


def without(key):
    meta = tiny_meta()
    del meta[key]
    return meta


@pytest.mark.parametrize("key", sorted(tiny_meta()))
def test_every_key_of_the_contract_is_required(tmp_path, key):
    path = tmp_path / "m.onnx"
    path.write_bytes(tiny_model(meta=without(key)).SerializeToString())
    with pytest.raises(ModelError, match=f"missing required field `{key}`"):
        read_metadata(path)


BAD = {
    "contract 2": ({"contract": 2}, "contract"),
    "name with a plus": ({"name": "a+b"}, "name"),
    "empty version": ({"version": ""}, "version"),
    "step of nothing": ({"step_s": 0.0}, "step_s"),
    "step as text": ({"step_s": "0.5"}, "step_s"),
    "unknown output": ({"outputs": ["valence", "joy"]}, "outputs"),
    "outputs out of order": ({"outputs": ["arousal", "valence"]}, "in the order"),
    "output twice": ({"outputs": ["valence", "valence"]}, "each once"),
    "neither axis": ({"outputs": ["sigma_valence"]}, "neither valence nor arousal"),
    "negative warm-up": ({"warmup_s": -1.0}, "warmup_s"),
    "causal as text": ({"causal": "yes"}, "causal"),
    "no prior of an axis": ({"prior": {"valence": {"mean": 0.0, "sd": 0.3}}}, "no arousal"),
    "prior of no spread": (
        {"prior": {a: {"mean": 0.0, "sd": 0.0} for a in ("valence", "arousal")}},
        "sd",
    ),
    "empty licence": ({"licence": ""}, "licence"),
    "no front ends": ({"front_ends": {}}, "front_ends is empty"),
    "metrics as a list": ({"metrics": []}, "metrics"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_value_is_refused_in_one_line_that_names_it(tmp_path, case):
    changes, named = BAD[case]
    path = tmp_path / "m.onnx"
    path.write_bytes(tiny_model(meta={**tiny_meta(), **changes}).SerializeToString())
    with pytest.raises(ModelError) as e:
        read_metadata(path)
    assert str(path) in str(e.value)
    assert named in str(e.value)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"contract": NaN}', "\x00"])
def test_bad_json_is_refused(tmp_path, text):
    path = tmp_path / "m.onnx"
    path.write_bytes(tiny_model(meta=text).SerializeToString())
    with pytest.raises(ModelError, match="metadata property 'streammer': "):
        read_metadata(path)


def test_the_property_must_be_there_once(tmp_path):
    model = set_metadata(tiny_model(), None)
    path = tmp_path / "m.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="has 0 metadata properties 'streammer', expected one"):
        read_metadata(path)
    for _ in range(2):
        model.metadata_props.add(key="streammer", value=json.dumps(tiny_meta()))
    path.write_bytes(model.SerializeToString())
    with pytest.raises(ModelError, match="has 2 metadata properties"):
        read_metadata(path)


def test_the_hash_is_of_the_graph_and_not_of_its_metadata(tmp_path):
    a = build_tiny(tmp_path / "a.onnx")
    b = build_tiny(tmp_path / "b.onnx", name="other", metrics={"rmse": 0.1})
    assert a.read_bytes() != b.read_bytes()
    assert graph_hash(a) == graph_hash(b) == graph_hash(a.read_bytes())
    assert graph_hash(onnx.load(a)) == graph_hash(str(a))


def test_the_hash_sees_a_single_weight(tmp_path):
    model = tiny_model()
    before = graph_hash(model)
    weight = next(t for t in model.graph.initializer if t.name == "steep")
    weight.raw_data = weight.raw_data[:-1] + bytes([weight.raw_data[-1] ^ 1])
    assert graph_hash(model) != before


def test_outputs_stand_in_the_order_of_the_contract():
    assert OUTPUTS == (
        "valence",
        "arousal",
        "sigma_valence",
        "sigma_arousal",
        "p_positive",
        "p_energetic",
    )
