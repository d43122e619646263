"""A tagger of musicnn's layers with few channels and random weights, as Keras keeps one."""

import h5py
import numpy as np


def random_weights(seed=0, channels=3, tags=50, pooled=None):
    """Arrays by ``layer/parameter``."""
    rng = np.random.default_rng(seed)
    found = {}

    def norm(layer, n):
        # Factors of both signs: the published ones have both.
        found[f"{layer}/gamma"] = rng.standard_normal(n)
        found[f"{layer}/beta"] = rng.standard_normal(n)
        found[f"{layer}/moving_mean"] = rng.standard_normal(n)
        found[f"{layer}/moving_variance"] = rng.uniform(0.5, 2, n)

    def linear(layer, *shape):
        size = np.sqrt(np.prod(shape[:-1]))
        found[f"{layer}/kernel"] = rng.standard_normal(shape) / size
        found[f"{layer}/bias"] = rng.standard_normal(shape[-1]) * 0.1

    norm("batch_normalization", 1)
    for i, kernel in enumerate(((7, 38), (7, 67), (128, 1), (64, 1), (32, 1))):
        linear(f"conv2d_{i}" if i else "conv2d", *kernel, 1, channels)
        norm(f"batch_normalization_{i + 1}", channels)
    for i, width in ((1, 5 * channels), (2, channels), (3, channels)):
        linear(f"midend_conv{i}", 7, width, 1, channels)
        norm(f"bn_midend_conv{i}", channels)
    pooled = pooled or 2 * 8 * channels
    norm("bn_flatpool", pooled)
    linear("dense", pooled, 6)
    norm("bn_dense", 6)
    linear("dense_1", 6, tags)
    return {k: v.astype(np.float32) for k, v in found.items()}


def write_weights(path, weights):
    """Write arrays as the published file has them: ``layer/layer/parameter_1:0``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        for name, x in weights.items():
            layer, parameter = name.split("/")
            count = "" if layer.startswith(("midend", "bn_")) else "_1"
            file[f"model_weights/{layer}/{layer}/{parameter}{count}:0"] = x
    return path
