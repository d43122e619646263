"""Compare this tree with another revision: ``python -m benchmarks --against REVISION``.

Both run the steps of `benchmarks.engine` of their own tree, in processes of their own and in turn.
In each process a reference kernel (numpy's real FFT of a fixed block) is timed before and after the
steps, and times are given as multiples of it, so that what else runs counts on both sides.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["compare"]

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 7
MODELS = ("default", "small")

PROBE = """
import json, statistics, sys, time
import numpy as np
from benchmarks import engine
noise = np.random.default_rng(0).standard_normal((64, 2048)).astype(np.float32)
def reference():
    times = []
    for _ in range(20):
        began = time.perf_counter(); np.fft.rfft(noise); times.append(time.perf_counter() - began)
    return 1e3 * statistics.median(times)
found = {}
x = engine.music(40.0)
for name in sys.argv[1:]:
    before = reference()
    step = float(np.median(engine._pipeline_steps(x, 40, name)))
    found[name] = (step, (before + reference()) / 2)
print(json.dumps(found))
"""


@contextmanager
def checkout(revision: str) -> Iterator[Path]:
    """Check a revision out beside this tree for as long as it is measured."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tree"
        git = ("git", "-C", str(ROOT), "worktree")
        subprocess.run([*git, "add", "--quiet", "--detach", str(path), revision], check=True)
        try:
            yield path
        finally:
            subprocess.run([*git, "remove", "--force", str(path)], check=True)


def probe(tree: Path) -> dict[str, tuple[float, float]]:
    """Return model -> (step, reference kernel), medians of one process [ms]."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *MODELS], cwd=tree, check=True, capture_output=True, text=True
    )
    found: dict[str, tuple[float, float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def compare(revision: str) -> list[dict[str, Any]]:
    """Measure both trees in turn and return a row a model."""
    ours: dict[str, list[tuple[float, float]]] = {name: [] for name in MODELS}
    theirs: dict[str, list[tuple[float, float]]] = {name: [] for name in MODELS}
    with checkout(revision) as other:
        for _ in range(ROUNDS):
            for tree, into in ((other, theirs), (ROOT, ours)):
                for name, pair in probe(tree).items():
                    into[name].append(pair)
    return [_row(name, revision, theirs[name], ours[name]) for name in MODELS]


def _row(
    name: str, revision: str, theirs: list[tuple[float, float]], ours: list[tuple[float, float]]
) -> dict[str, Any]:
    then, now = (
        [step / reference for step, reference in pairs] for pairs in (theirs, ours)
    )  # fmt: skip
    return {
        "one step, model": name,
        "rounds": ROUNDS,
        f"{revision} [ms]": statistics.median(step for step, _ in theirs),
        "this tree [ms]": statistics.median(step for step, _ in ours),
        f"{revision} [reference kernels]": statistics.median(then),
        "this tree [reference kernels]": statistics.median(now),
        "this tree / it": statistics.median(now) / statistics.median(then),
    }
