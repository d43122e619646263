"""Measure and write benchmarks/RESULTS.md: ``python -m benchmarks [SUBJECT ...]``.

``python -m benchmarks --against REVISION`` prints how a step compares with another revision's.
"""

import os
import sys

# One thread everywhere, as in the live program; libraries read these when they are loaded.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

from benchmarks.against import compare  # noqa: E402
from benchmarks.report import SUBJECTS, markdown, measure  # noqa: E402


def main(wanted: list[str]) -> int:
    if wanted[:1] == ["--against"] and len(wanted) == 2:
        print(markdown(compare(wanted[1])))
        return 0
    if unknown := [name for name in wanted if name not in SUBJECTS]:
        names = ", ".join(SUBJECTS)
        print(f"no subject {unknown[0]!r}: expected some of {names}, or none for all of them")
        return 2
    for name in wanted or SUBJECTS:
        measure(name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
