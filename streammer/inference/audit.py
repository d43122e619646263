"""All that contract 1 asks of an artefact, for `streammer models --check` and the laboratory."""

from pathlib import Path

import numpy as np

from streammer.errors import ModelError
from streammer.inference.artefact import in_zoo, read_artefact
from streammer.inference.model import Model, build_model
from streammer.inference.validate import check_card, check_graph

__all__ = ["TOLERANCE", "check_artefact"]

TOLERANCE = 1e-5
"""How much an output may depend on the batch that it is stepped in."""

_BATCH = 4
_STEPS = 6


def check_artefact(path: Path) -> Model:
    """Check an artefact as one from outside, and its card, metrics and outputs besides.

    Raises
    ------
    ModelError
        For the first thing that is wrong, in one line.
    """
    data = read_artefact(path)
    check_graph(data, path)
    model = build_model(data, path)
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
