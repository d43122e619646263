"""The house is in order: sizes of files and bodies, and private names that stay private."""

import ast
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MAX_LINES = 350
MAX_BODY = 60

FILES = sorted(
    path
    for room in ("streammer", "offline", "models")
    for path in (ROOT / room).rglob("*.py")
)  # fmt: skip


def name_of(path):
    return str(path.relative_to(ROOT))


def functions(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_lines(function):
    """Count the lines of a function without its signature and docstring."""
    body = function.body
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def private(name):
    return name.startswith("_") and not name.startswith("__")


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_has_one_idea_and_few_lines(path):
    assert len(path.read_text().splitlines()) <= MAX_LINES


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_body_fits_on_a_screen(path):
    for function in functions(ast.parse(path.read_text())):
        assert body_lines(function) <= MAX_BODY, f"{function.name} at line {function.lineno}"


def private_names_from_elsewhere(tree):
    """Yield the private names of other modules that a file imports or reaches for."""
    ours, theirs = set(), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            theirs |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in (
            "streammer", "offline", "models",
        ):  # fmt: skip
            for alias in node.names:
                ours.add(alias.asname or alias.name)
                if private(alias.name):
                    yield f"{node.module}.{alias.name}"
        elif isinstance(node, ast.ImportFrom):
            theirs |= {alias.asname or alias.name for alias in node.names}
    own = {"self", "cls"}
    defined = {
        n.attr
        for n in ast.walk(tree)
        if isinstance(n, ast.Attribute) and isinstance(n.ctx, ast.Store)
    } | {n.name for n in ast.walk(tree) if hasattr(n, "name")}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and private(node.attr):
            base = node.value.id if isinstance(node.value, ast.Name) else None
            if base in ours or not (base in own | theirs or node.attr in defined):
                yield f"{ast.unparse(node)} at line {node.lineno}"


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_private_name_is_used_across_files(path):
    found = list(private_names_from_elsewhere(ast.parse(path.read_text())))
    assert not found, ", ".join(found)


def test_the_guards_see_what_they_guard_against():
    tree = ast.parse(
        "from streammer.engine import engine\n"
        "from offline.runs import _hidden\n"
        "def f(x):\n    '''doc'''\n" + "    x += 1\n" * 61 + "    return engine._stop\n"
    )
    assert [body_lines(f) for f in functions(tree)] == [62]
    assert list(private_names_from_elsewhere(tree)) == [
        "offline.runs._hidden",
        "engine._stop at line 66",
    ]


def test_no_two_test_files_have_one_name():
    # pytest imports them by their bare names: of two, the second stops the whole run.
    names = Counter(path.name for path in (ROOT / "tests").rglob("*.py"))
    names.pop("conftest.py")
    assert [name for name, count in names.items() if count > 1] == []
