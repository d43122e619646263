"""What the report says of a run beside its figures."""

import ast
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from offline.cli import app
from offline.datasets import load_dataset
from offline.datasets.splits import Split
from offline.datasets.synthetic import make_dataset
from offline.prose import REPORT, paragraphs, sections
from offline.recipes.load import load_recipe
from offline.reporting import report, systems, tables
from offline.reporting.document import Document
from offline.reporting.overview import commands, dead, deviation, overview
from offline.reporting.systems import System
from offline.reporting.tables import dynamic_table
from offline.reproduce import Plan, jobs
from offline.runs import Predictions, Run, make_run


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    root = tmp_path_factory.mktemp("rows") / "data"
    make_dataset(root, "clips", n_songs=20, sr=11025)
    return load_dataset(root)


class Trained(Run):
    """A run that says how it was trained."""

    @property
    def fitted(self):
        return {"steps": 20 + self.recipe.data.fold, "hash": f"{self.recipe.data.fold:064d}"}


def _system(recipes, p):
    split = Split("folds", (), (), ())
    runs = [Trained(None, r, None, "clips", None, split) for r in recipes]
    y = [np.array([[0.1, -0.2], [0.3, 0.4]]), np.array([[-0.1, 0.2], [0.5, -0.4]])]
    held = Predictions(["a", "b"], [np.arange(2.0)] * 2, y, p, np.zeros(2))
    return System(runs, [held] * len(runs), None)


SAME = [np.tile([0.0, -1.0], (2, 1))] * 2
MOVING = [np.array([[0.1, -0.2], [0.3, 0.4]]), np.array([[-0.1, 0.2], [0.5, -0.4]])]


@pytest.mark.parametrize(
    "plan",
    [
        Plan(("crnn-gru3", "conv"), width=0.25, steps=24, image=(80, 96), stride=5,
             precision="bf16-mixed", modes=("corrected",), labels=("dynamic",)),
        Plan(("window-m1",), folds=1, width=0.5, modes=("original",), labels=("dynamic",)),
        Plan(("chroma-lstm",), quick=True, modes=("corrected",), labels=("dynamic",)),
        Plan(("crnn-res",), folds=2, image=(64, 64), modes=("original",), labels=("static",)),
    ],
)  # fmt: skip
def test_the_command_beside_a_row_asks_for_the_same_runs(songs, plan):
    wanted = list(jobs(plan, songs))
    by_name = {}
    for name, recipe in wanted:
        by_name.setdefault(name, []).append(recipe)
    lines = commands([_system(recipes, MOVING) for recipes in by_name.values()]).splitlines()
    got = []
    for line in lines:
        tokens = shlex.split(line)
        assert tokens[:3] == ["python", "-m", "offline"]
        _, bound, _ = app.parse_args(tokens[3:], exit_on_error=False, print_error=False)
        said = bound.arguments
        again = Plan(
            tuple(said["only"]), quick=said.get("quick", False), folds=said.get("folds", 5),
            width=said.get("width"), steps=said.get("steps"),
            precision=said.get("precision"), image=said.get("image"), stride=said.get("stride"),
            modes=tuple(said["modes"]), labels=tuple(said["labels"]),
        )  # fmt: skip
        got += jobs(again, songs)
    assert sorted(r.slug for _, r in got) == sorted(r.slug for _, r in wanted)
    assert {r.slug: r for _, r in got} == {r.slug: r for _, r in wanted}


def test_a_row_says_width_image_steps_and_folds(songs):
    plan = Plan(("crnn-gru3",), folds=2, width=0.25, image=(80, 96), steps=24,
                modes=("corrected",), labels=("dynamic",))  # fmt: skip
    said = deviation(_system([r for _, r in jobs(plan, songs)], MOVING))
    for part in ("10 s clips", "width 0.25", "image 80x96", "20-21 steps",
                 "2 of 5 folds"):  # fmt: skip
        assert part in said
    assert re.search(r"; run [0-9a-f]{8}$", said)


def test_a_row_of_other_weights_has_another_hash(songs):
    plans = [Plan(("crnn-gru3",), folds=n, modes=("corrected",), labels=("dynamic",))
             for n in (1, 2, 2)]  # fmt: skip
    hashes = [_system([r for _, r in jobs(p, songs)], MOVING).hash for p in plans]
    assert hashes[0] != hashes[1] == hashes[2]


def test_the_overview_puts_both_modes_of_a_system_beside_the_constant(songs):
    systems = []
    for mode, p in (("corrected", MOVING), ("original", SAME)):
        plan = Plan(("crnn-gru3",), folds=1, modes=(mode,), labels=("dynamic",))
        systems.append(_system([r for _, r in jobs(plan, songs)], p))
    header, rows = overview(systems)
    row = dict(zip(header[:4], rows[0][:4], strict=True))
    assert len(rows) == 1
    assert row["arousal: corrected"].startswith("0.000 (+1.00)")
    assert "(-" in row["original"]
    assert float(row["constant"]) > 0.2
    assert dead(systems) == ["crnn-gru3 (original): valence and arousal"]


def test_what_people_wrote_for_the_report_stands_in_a_file_of_its_own():
    for module in (report, tables):
        for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "doc.text":
                written = [n.value for n in ast.walk(node)
                           if isinstance(n, ast.Constant) and isinstance(n.value, str)]  # fmt: skip
                assert max(map(len, written)) < 80, written


def test_every_section_of_the_prose_is_used_and_filled_in():
    used = "".join(Path(m.__file__).read_text() for m in (report, tables))
    assert all(f'"{title}"' in used for title in sections(REPORT.read_text()))
    assert paragraphs("Above zero", shown=2, rows=7)[0].startswith("2 of 7 rows")
    assert len(paragraphs("Modes")) == 2
    assert all("\n" not in p for p in paragraphs("Opening"))
    with pytest.raises(KeyError):
        paragraphs("Above zero", shown=2)


@pytest.mark.parametrize(("width", "said"), [(0.25, True), (None, False)])
def test_the_report_says_so_only_where_runs_were_reduced(songs, width, said):
    plan = Plan(("crnn-gru3",), folds=1, width=width, modes=("corrected",), labels=("dynamic",))
    doc = Document("x")
    dynamic_table(doc, [_system([r for _, r in jobs(plan, songs)], MOVING)])
    assert ("processor time was short" in doc.markdown()) is said


def test_runs_of_selection_are_in_no_row(songs, tmp_path):
    for inner in (None, 2):
        recipe = load_recipe("conv", changes={"data.inner": inner})
        run = make_run(recipe, songs.root, songs, tmp_path / "cache", tmp_path / "runs")
        Predictions(["deam:2"], [np.zeros(1)], [np.zeros((1, 2))], [np.zeros((1, 2))],
                    np.zeros(2)).write(run.path / "predictions-test.npz")  # fmt: skip
    (system,) = systems.collect(tmp_path / "runs")
    assert [r.recipe.data.inner for r in system.runs] == [None]


def test_the_58_songs_stand_beside_constants_of_the_same_form(songs):
    y = [np.array([[0.2, -0.4], [0.2, -0.4]]), np.array([[0.0, 0.4]]), np.array([[0.4, 0.4]])]
    test58 = Predictions(["a", "b", "c"], [np.arange(float(len(a))) for a in y], y, y, np.ones(2))
    plan = Plan(("crnn-gru3",), folds=1, modes=("corrected",), labels=("dynamic",))
    system = _system([r for _, r in jobs(plan, songs)], MOVING)
    system = System(system.runs, system.predictions, test58)
    doc = Document("x")
    tables.test58_table(doc, [system])
    row = next(line for line in doc.markdown().splitlines() if "| arousal |" in line)
    cells = [c.strip() for c in row.strip("|").split("|")]
    assert cells[3] == "0.000"
    assert cells[4] == f"{np.mean([1.4, 0.6, 0.6]):.3f}"  # the training mean is 1
    assert cells[5] == f"{np.mean([0.8, 0, 0]):.3f}"  # .4 is best: per song, not pooled's .0
    assert cells[8] == "1.00"
