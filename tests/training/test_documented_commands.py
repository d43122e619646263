"""The laboratory's commands in the README exist, with these options and recipes."""

import re
import shlex
from pathlib import Path

import pytest

from offline.cli import app
from offline.recipes.extends import find_recipe
from offline.recipes.load import load_recipe

ROOT = Path(__file__).parents[2]
PATTERN = re.compile(r"python -m offline ([^#`\n]+)")
SHOWN = [
    line.strip()
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    for line in PATTERN.findall(page.read_text())
    if not re.match(r"data\||\S*…", line)
]


def test_the_readme_shows_how_to_train():
    assert {line.split()[0] for line in SHOWN} >= {
        "data",
        "features",
        "train",
        "evaluate",
        "export",
    }


@pytest.mark.parametrize("line", SHOWN)
def test_a_command_that_is_shown_can_be_given(line):
    tokens = shlex.split(line)
    app.parse_args(tokens, exit_on_error=False, print_error=False)
    if tokens[0] in ("features", "train"):
        assert find_recipe(tokens[1]).exists()


def test_the_block_of_the_readme_goes_from_data_to_a_model_in_this_order():
    lines = PATTERN.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    shown = [shlex.split(line) for line in lines]
    verbs = [" ".join(line[:2]) for line in shown]
    assert verbs == [
        "data make", "features live", "train live", "evaluate runs/live", "export runs/live",
    ]  # fmt: skip
    (made,) = shown[0][2:]
    assert all(line[line.index("--data") + 1] == made for line in shown[1:3])


def test_the_recipe_of_the_how_to_can_be_loaded(tmp_path):
    page = (ROOT / "docs" / "howto-train.md").read_text(encoding="utf-8")
    (text,) = (t for t in re.findall(r"```toml\n(.*?)```", page, re.S) if "extends" in t)
    (tmp_path / "mine.toml").write_text(text)
    recipe = load_recipe(str(tmp_path / "mine.toml"))
    assert (recipe.training.steps, recipe.training.batch) == (2000, 16)
    assert recipe.network.width == 0.5
