"""All that contract 1 asks of an artefact, for the laboratory and, in a process, `models --check`.

As a program it tries the model that comes on stdin, see `streammer.inference.trial`.
"""

import faulthandler
import os
import sys
from pathlib import Path

import numpy as np

from streammer.errors import ModelError
from streammer.inference.artefact import in_zoo, read_artefact
from streammer.inference.model import Model, build_model
from streammer.inference.validate import check_card, check_graph

__all__ = ["TOLERANCE", "check_artefact", "main"]

TOLERANCE = 1e-5
"""How much an output may depend on the batch that it is stepped in."""

_BATCH, _STEPS = 4, 6


def check_artefact(path: Path) -> Model:
    """Check an artefact as one from outside, and its card, metrics and outputs besides.

    Raises
    ------
    ModelError
        For the first thing that is wrong, in one line.
    """
    return _audit(read_artefact(path), path)


def _open(data: bytes, path: Path) -> Model:
    check_graph(data, path)
    return build_model(data, path)


def _audit(data: bytes, path: Path) -> Model:
    model = _open(data, path)
    if in_zoo(path) and model.meta.name != path.stem:
        raise ModelError(
            f"{path}: calls itself {model.meta.name!r}, expected {path.stem!r} as its file"
        )
    _check_steps(model)
    check_card(data, path)
    return model


def _check_steps(model: Model) -> None:
    """Step noise from soft to loud in one batch and alone, and look at the outputs."""
    rng = np.random.default_rng(1)
    loudness = np.logspace(-4, 2, _BATCH, dtype=np.float32)[:, None, None]
    together = model.zero_state(_BATCH)
    alone = [model.zero_state(1) for _ in range(_BATCH)]
    for _ in range(_STEPS):
        features = {
            name: loudness * rng.random((_BATCH, *shape), np.float32)
            for name, shape in model.feature_shapes.items()
        }
        mood, together = model.step(features, together)
        for row in range(_BATCH):
            single = {name: x[row : row + 1] for name, x in features.items()}
            own, alone[row] = model.step(single, alone[row])
            difference = float(np.abs(own[0] - mood[row]).max())
            if not difference <= TOLERANCE:
                raise ModelError(
                    f"{model.path}: mood depends on the batch it is stepped in by "
                    f"{difference:.2g}, expected at most {TOLERANCE:g}"
                )
        for name, values in zip(model.outputs, mood.T, strict=True):
            if name.startswith("sigma_") and not (values > 0).all():
                raise ModelError(f"{model.path}: {name} is {values.min():.3g}, expected above 0")
            if name.startswith("p_") and not ((values >= 0) & (values <= 1)).all():
                raise ModelError(f"{model.path}: {name} leaves 0 to 1, expected a probability")


def main() -> int:
    """Try the model on stdin, as ``open|audit PATH LIMIT_S``; say on stdout what is wrong with it.

    A thread outside of Python ends the process where a library does not return and nobody waits.
    """
    what, path, limit_s = sys.argv[1:]
    with Path(os.devnull).open("w") as nowhere:
        faulthandler.dump_traceback_later(float(limit_s) + 5.0, exit=True, file=nowhere)
        try:
            {"open": _open, "audit": _audit}[what](sys.stdin.buffer.read(), Path(path))
        except ModelError as error:
            sys.stdout.buffer.write(str(error).encode(errors="replace"))
            return ModelError.exit_code
        finally:
            faulthandler.cancel_dump_traceback_later()
    return 0


if __name__ == "__main__":
    sys.exit(main())
