"""`python -m offline`: the laboratory's commands."""

import os
import sys


def _calm_threads() -> None:
    # before numpy is imported: a laboratory beside a live engine must not take every core
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, str(max(1, (os.cpu_count() or 2) // 2)))


if __name__ == "__main__":
    _calm_threads()
    from offline.cli import main

    sys.exit(main())
