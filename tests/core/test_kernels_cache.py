"""The kernels' machine code on disk: edited, cut short, not writable, and without a compiler."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from streammer.frontend import kernels

START = (
    "import numpy as np\n"
    "from streammer.frontend import FrontEnd, FrontEndSpec\n"
    "fe = FrontEnd(FrontEndSpec('stft', 16000, 16, 8, 9))\n"
    "print(fe.push(np.ones(16, np.float32)).sum())\n"
)
EDITED = """
import sys, numpy as np
sys.path.insert(0, sys.argv[1])
import edited
out = np.zeros(1)
edited.double(out)
print(out[0])
"""
KERNEL = """
from streammer.frontend.compiled import Kernel, part

@part
def _inner(x):
    return x + {}

@Kernel
def double(out):
    out[0] = _inner(out[0])

double = double.ready
"""


def start(cache, *argv, code=START, **env):
    """Run a program with a cache of its own."""
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, argv)],
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache), **env},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def kept(cache, pattern):
    return list(Path(cache).rglob(pattern))


def test_editing_any_part_of_a_kernel_rebuilds_it(tmp_path):
    module = tmp_path / "edited.py"
    for value in (1.0, 22.0):  # another size, should the clock of the file system be coarse
        module.write_text(KERNEL.format(value))
        done = start(tmp_path / "cache", tmp_path, code=EDITED)
        assert done.stdout.split() == [str(value)], done.stderr
    assert kept(tmp_path / "cache", "*.nbc")


def test_all_that_the_kernels_call_stands_in_the_file_that_their_cache_is_keyed_by():
    tree = ast.parse(Path(kernels.__file__).read_text())
    imported = {
        node.module if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported == {"typing", "numpy", "streammer.frontend.compiled"}


@pytest.mark.parametrize(("pattern", "share"), [("*.nbi", 0), ("*.nbi", 0.5), ("*.nbc", 0.5)])
def test_a_cache_cut_short_is_rebuilt_and_said_so_once(tmp_path, pattern, share):
    first = start(tmp_path)
    assert first.returncode == 0, first.stderr
    (file,) = kept(tmp_path, pattern)
    whole = file.stat().st_size
    file.write_bytes(file.read_bytes()[: int(share * whole)])
    second = start(tmp_path)
    assert (second.returncode, second.stdout) == (0, first.stdout)
    (line,) = second.stderr.splitlines()
    assert "numba's cache" in line
    assert "rebuilt" in line
    third = start(tmp_path)
    assert (third.returncode, third.stdout, third.stderr) == (0, first.stdout, "")
    assert file.stat().st_size == whole


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no limit on the size of files")
def test_a_full_disk_leaves_the_kernels_uncached(tmp_path):
    # A file that may not grow fails like one on a full disk: with an OSError when written.
    full = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
    done = start(tmp_path, code=full + START)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) > 0
    assert not kept(tmp_path, "*.nbc")


def test_a_full_disk_and_a_cache_cut_short_leave_the_kernels_uncached(tmp_path):
    assert start(tmp_path).returncode == 0
    (index,) = kept(tmp_path, "*.nbi")
    index.write_bytes(b"")
    full = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
    done = start(tmp_path, code=full + START)
    assert done.returncode == 0, done.stderr


def test_without_numbas_compiler_there_is_one_line():
    done = subprocess.run(
        [sys.executable, "-m", "streammer", "listen", __file__],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert "NUMBA_DISABLE_JIT" in line
    assert "unset it" in line
