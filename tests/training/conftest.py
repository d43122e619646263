"""Shared by the laboratory's tests: real labels when at hand, tiny cores for torch."""

import os
from pathlib import Path

import pytest

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real labels, from ``$STREAMMER_DATA`` or beside the checkout."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    root = Path(os.environ.get("STREAMMER_DATA") or beside)
    if not (root / "deam" / "labels").is_dir():
        pytest.skip(f"no real labels in {root}; set STREAMMER_DATA to run this")
    return root
