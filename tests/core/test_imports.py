"""Who may import whom (docs/design.md, layout), and what may be loaded behind which command."""

import ast
import graphlib
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

import streammer

ROOT = Path(__file__).parents[2]

# From the ground up. A module imports from its own room and from rooms on lower floors: never from
# a higher floor, nor from the room next door.
FLOORS = (
    ("streammer", "errors", "clock", "system"),
    ("config", "estimate", "schema"),
    ("frontend", "audio"),
    ("sources", "inference", "bus"),
    ("engine",),
    ("labelling", "outputs", "bridges", "web"),
    ("recording",),
    ("api", "cli", "__main__"),
)
NEXT_DOOR = {
    "errors",
    "clock",
    "system",
    "streammer",
    "config",
    "estimate",
    "schema",
    "api",
    "cli",
    "__main__",
}
"""Single files and doors, which may import one another as long as no circle comes of it."""

# The laboratory's rooms, by its verbs; the same rule, and no room of it is next door to another.
LABORATORY = (
    ("files", "progress", "prose"),
    ("systems",),
    ("datasets", "recipes"),
    ("features",),
    ("runs",),
    ("batches",),
    ("training",),
    ("evaluation",),
    ("export", "reporting"),
    ("reproduce",),
    ("cli",),
    ("__main__", "offline"),
)

# scipy is not among them: numba itself takes it for its BLAS where it is installed. That nothing of
# ours needs it shows the bare environment of test_packaging.py.
HEAVY = {
    "librosa", "lightning", "matplotlib", "models", "offline", "onnx", "pandas", "pyarrow",
    "sklearn", "sounddevice", "torch", "torchaudio", "mido", "paho", "pythonosc", "rtmidi2", "sacn",
    "stupidArtnet",
}  # fmt: skip


def modules():
    return sorted((ROOT / "streammer").rglob("*.py"))


def laboratory():
    return sorted((ROOT / "offline").rglob("*.py"))


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path, *, top_level_only=False):
    """Yield the modules that a file imports at run time (not under TYPE_CHECKING)."""
    known = {name_of(p) for p in (*modules(), *laboratory())}

    def visit(node):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        if top_level_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            return
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                package = path.parent.relative_to(ROOT).parts
                base = package[: len(package) - node.level + 1]
                module = ".".join([*base, module] if module else base)
            for alias in node.names:
                inner = f"{module}.{alias.name}"
                yield inner if inner in known else module
        else:
            for child in ast.iter_child_nodes(node):
                yield from visit(child)

    yield from visit(ast.parse(path.read_text()))


def room_of(name):
    return name.split(".")[1] if "." in name else name


def floor_of(name):
    floors = LABORATORY if name.split(".")[0] == "offline" else FLOORS
    found = [i for i, floor in enumerate(floors) if room_of(name) in floor]
    assert len(found) == 1, f"{name} has no floor yet: give its folder one in FLOORS or LABORATORY"
    return found[0]


def may_import(here, other):
    if room_of(here) == room_of(other):
        return True
    if floor_of(here) == floor_of(other):
        return here.startswith("streammer") and {room_of(here), room_of(other)} <= NEXT_DOOR
    return floor_of(other) < floor_of(here)


@pytest.mark.parametrize("path", [*modules(), *laboratory()], ids=name_of)
def test_no_module_imports_upward_or_from_next_door(path):
    here = name_of(path)
    for other in imports_of(path):
        if other.split(".")[0] == here.split(".")[0]:
            assert may_import(here, other), f"{here} imports {other}: docs/design.md, layout"


def test_the_arrows_forbid_what_the_layout_forbids():
    for here, other in (
        ("streammer.inference.ort", "streammer.sources.file"),
        ("streammer.engine.pipeline", "streammer.cli"),
        ("streammer.bus.publisher", "streammer.engine.engine"),
        ("streammer.bus.publisher", "streammer.inference.model"),
        ("streammer.outputs.jsonl", "streammer.labelling.files"),
        ("offline.training.train", "offline.evaluation.metrics"),
        ("offline.evaluation.live.evaluate", "offline.reporting.live.page"),
        ("offline.reporting.overview", "offline.reproduce"),
        ("offline.export.run", "offline.reporting.report"),
        ("offline.recipes.mood", "offline.training.live.terms"),
    ):
        assert not may_import(here, other)
    assert may_import("streammer.engine.pipeline", "streammer.audio.block")


def test_the_engine_takes_the_backend_that_it_is_given():
    loaded = loaded_by("import streammer.engine.engine")
    assert "streammer.inference.backends" in loaded
    assert not loaded & {"streammer.inference.backends.onnx", "streammer.inference.loading"}


def test_the_layout_names_every_module_of_a_room():
    drawn = (ROOT / "docs" / "design.md").read_text(encoding="utf-8").split("```")
    (layout,) = (part for part in drawn if part.startswith("\nstreammer/"))
    words = set(re.findall(r"\w+", layout))
    for path in modules():
        parts = name_of(path).split(".")[1:]
        if len(parts) > 1 and parts[0] != "cli":
            assert set(parts) <= words, f"docs/design.md, layout, does not name {path.name}"


def test_a_shape_check_compiles_no_kernel():
    assert "numba" not in loaded_by(
        "import streammer.inference.validate, streammer.inference.artefact"
    )


def test_no_two_modules_import_each_other():
    graph = {
        name_of(p): {o for o in imports_of(p) if o.split(".")[0] in ("offline", "streammer")}
        - {name_of(p)}
        for p in (*modules(), *laboratory())
    }
    graph["streammer"] = set()  # loads its public names on first use
    tuple(graphlib.TopologicalSorter(graph).static_order())


def test_the_laboratory_lists_its_commands_without_loading_a_framework():
    loaded = loaded_by("from offline.cli import main; main(['--help'])")
    assert not loaded & {"lightning", "librosa", "matplotlib", "sklearn", "torch"}


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_the_live_core_needs_no_laboratory(path):
    lazily = {o.split(".")[0] for o in imports_of(path)}
    assert not lazily & {"librosa", "models", "offline", "pandas", "scipy", "sklearn"}
    assert "torch" not in lazily or path.name == "torch.py"
    at_once = {o.split(".")[0] for o in imports_of(path, top_level_only=True)}
    assert not at_once & {"onnx", "pulsectl", "pyarrow", "sounddevice", "torch"}


def test_networks_import_torch_and_nothing_of_ours():
    for path in (ROOT / "models").rglob("*.py"):
        for other in imports_of(path):
            assert other.split(".")[0] not in {"streammer", "offline"}, f"{path}: {other}"


def test_the_public_names_are_these():
    assert streammer.__all__ == [
        "MoodEstimate", "Subscriber", "__version__", "label", "listen", "load_model",
    ]  # fmt: skip
    assert streammer.__all__ == sorted(streammer.__all__)
    for name in streammer.__all__:
        assert getattr(streammer, name) is not None
    with pytest.raises(AttributeError, match="listn"):
        _ = streammer.listn


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_every_module_names_what_it_offers_in_order(path):
    tree = ast.parse(path.read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names = ast.literal_eval(node.value)
            defined = {n.name for n in tree.body if hasattr(n, "name")} | {
                t.id
                for n in tree.body
                for t in getattr(n, "targets", [getattr(n, "target", None)])
                if isinstance(t, ast.Name)
            }
            for n in ast.walk(tree):
                if isinstance(n, ast.ImportFrom):
                    defined |= {a.asname or a.name for a in n.names}
            assert set(names) <= defined | {"__version__"}
            assert len(names) == len(set(names))
            return
    assert not [n for n in tree.body if hasattr(n, "name") and not n.name.startswith("_")], (
        f"{path} defines public names and has no __all__"
    )


def loaded_by(code, *args):
    """Run `code` in a fresh interpreter and return the names of all modules it has loaded."""
    tail = "\nimport json, sys; print('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code + tail, *args],
        capture_output=True, text=True, timeout=120, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_import_streammer_loads_next_to_nothing():
    loaded = loaded_by("import streammer")
    assert not loaded & (HEAVY | {"numpy", "zmq", "msgspec", "numba", "onnxruntime"})


def test_the_command_line_starts_without_the_engine():
    loaded = loaded_by("from streammer.cli import main; main(['--help'])")
    assert not loaded & (HEAVY | {"numba", "onnxruntime", "av", "zmq"})


def test_listening_to_a_file_loads_nothing_heavy(tmp_path):
    sr = 22050
    tone = 0.1 * np.sin(2 * np.pi * 440 * np.arange(2 * sr) / sr)
    soundfile.write(tmp_path / "tone.wav", tone, sr)
    code = (
        "import sys; from streammer.cli import main; "
        "assert main(['listen', sys.argv[1], '--pace', 'fast', '--no-publish']) == 0"
    )
    loaded = loaded_by(code, str(tmp_path / "tone.wav"))
    assert "streammer.engine.loop" in loaded
    assert not loaded & HEAVY
