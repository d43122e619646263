"""The runner: subjects, their tables, and the file that they are published in.

A subject is a module of this folder. Each of its functions called `rows` or `..._rows` is a table:
it returns one dict a row, all with the same keys, and the first line of its docstring is the title.
The docstring of the module says how it was measured. RESULTS.md has a section a subject; measuring
one leaves the others as they are.
"""

import importlib
import inspect
import os
import platform
import re
import subprocess
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RESULTS = HERE / "RESULTS.md"
SUBJECTS = sorted(
    p.stem for p in HERE.glob("*.py") if p.stem not in {"__main__", "against", "report"}
)
PACKAGES = (
    "numpy", "numba", "soxr", "onnxruntime", "pyzmq", "msgspec", "scipy", "librosa", "torch",
    "torchaudio", "essentia", "aubio",
)  # fmt: skip
HEAD = """# Measurements

Written by `make bench` (`python -m benchmarks [SUBJECT ...]`), never by hand. Times depend on the
machine and on what else runs on it; ratios were taken in one process, round by round, and are
medians over the rounds.
"""

Row = dict[str, Any]
Table = Callable[[], list[Row]]


def measure(subject: str) -> None:
    """Measure one subject and write its section."""
    module = importlib.import_module(f"benchmarks.{subject}")
    parts = [f"## {subject}", inspect.cleandoc(module.__doc__ or ""), conditions()]
    for title, table in tables(module):
        print(f"{subject}: {title}", flush=True)
        text = markdown(table())
        print(text, flush=True)
        parts.append(f"### {title}\n\n{text}")
    write_section(subject, "\n\n".join(parts))


def tables(module: Any) -> list[tuple[str, Table]]:
    """Return title and function of a subject's tables, in the order of their definition."""
    found = [
        f
        for name, f in vars(module).items()
        if re.fullmatch(r"([a-z]\w*_)?rows", name)
        and getattr(f, "__module__", "") == module.__name__
    ]
    found.sort(key=lambda f: f.__code__.co_firstlineno)
    return [((inspect.getdoc(f) or f.__name__).splitlines()[0].rstrip("."), f) for f in found]


def markdown(rows: list[Row]) -> str:
    """Return rows as a Markdown table, numbers to the right."""
    names = list(rows[0])
    numeric = [any(isinstance(r[k], int | float) for r in rows) for k in names]
    lines = [names, ["---:" if n else "---" for n in numeric]]
    lines += [[cell(r[k]) for k in names] for r in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return str(value)


def conditions() -> str:
    """Say on what, of what and when: machine, revision, versions."""
    versions = [f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    # what else runs: above the number of cores, wall-clock times are longer than they need be
    load = f", load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    return (
        f"{when}, revision {revision()}; {processor()}, {os.cpu_count()} cores, "
        f"{platform.system()} {platform.machine()}{load}; one thread.\n{', '.join(versions)}."
    )


def processor() -> str:
    try:
        info = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(re.findall(r"^(model name|cpu family|model)\s*:\s*(.+)$", info, re.MULTILINE))
    return "{model name} (family {cpu family}, model {model})".format_map(
        {k: fields.get(k, "?") for k in ("model name", "cpu family", "model")}
    )


def revision() -> str:
    def git(*args: str) -> str:
        done = subprocess.run(["git", *args], cwd=HERE, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    changed = git("status", "--porcelain", "--untracked-files=no", "--", "../streammer", ".")
    return (git("rev-parse", "--short", "HEAD") or "unknown") + (" with changes" if changed else "")


def write_section(subject: str, text: str) -> None:
    """Put a subject's section in RESULTS.md, all at once, the others left as they are."""
    sections = read_sections()
    sections[subject] = text
    marked = [f"<!-- {name} -->\n{sections[name].strip()}\n" for name in sorted(sections)]
    beside = RESULTS.with_suffix(".md.new")
    beside.write_text("\n".join([HEAD, *marked]))
    beside.replace(RESULTS)


def read_sections() -> dict[str, str]:
    if not RESULTS.exists():
        return {}
    parts = re.split(r"^<!-- (\w+) -->\n", RESULTS.read_text(), flags=re.MULTILINE)
    return {
        name: text for name, text in zip(parts[1::2], parts[2::2], strict=True) if name in SUBJECTS
    }
