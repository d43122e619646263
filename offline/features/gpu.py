"""Features in batches with torchaudio, for a GPU; equal to the live front end (parity tested)."""

from collections.abc import Sequence

import numpy as np
import torch
import torchaudio

from streammer.frontend import FrontEndSpec
from streammer.frontend.filters import window

__all__ = ["batch_features"]


def batch_features(
    signals: Sequence[np.ndarray], spec: FrontEndSpec, device: str = "cuda"
) -> list[np.ndarray]:
    """Features of several signals at once.

    Parameters
    ----------
    signals : sequence of np.ndarray [shape=(n,)], float32
        At ``spec.sr``; padded to the longest inside, cut back in the result.
    spec : FrontEndSpec
    device : str

    Returns
    -------
    list of np.ndarray [shape=(frames, bins)], float32
        As a primed `FrontEnd` gives them: frame k ends at sample (k + 1) * hop_length.
    """
    hop, ahead = spec.hop_length, max(spec.n_fft - spec.hop_length, 0)
    skip = max(spec.hop_length - spec.n_fft, 0)
    longest = max(len(y) for y in signals)
    x = torch.zeros(len(signals), max(ahead + longest - skip, spec.n_fft))
    for row, y in zip(x, signals, strict=True):
        row[ahead : ahead + len(y) - skip] = torch.from_numpy(y[skip:])
    weights = torch.from_numpy(window(spec.window, spec.win_length, spec.n_fft)).float()
    power = torchaudio.functional.spectrogram(
        x.to(device),
        pad=0,
        window=weights.to(device),
        n_fft=spec.n_fft,
        hop_length=hop,
        win_length=spec.n_fft,
        power=spec.power,
        normalized=False,
        center=False,
    )
    filters = torch.from_numpy(spec.filters()).float().to(device)
    bands = torch.einsum("fk,bkt->btf", filters, power)
    bands = _scaled(bands, spec).cpu().numpy()
    return [np.ascontiguousarray(b[: len(y) // hop]) for b, y in zip(bands, signals, strict=True)]


def _scaled(x: torch.Tensor, spec: FrontEndSpec) -> torch.Tensor:
    if spec.kind == "chroma" and spec.frame_norm is not None:
        size = x.amax(-1, True) if spec.frame_norm == "max" else x.norm(dim=-1, keepdim=True)
        x = x / torch.where(size < torch.finfo(torch.float32).tiny, 1.0, size)
    if spec.log == "log1p":
        return torch.log1p(spec.gain * x)
    if spec.log == "none":
        return x
    x = x.clamp_min(spec.floor)
    return {"ln": x.log, "log10": x.log10, "db": lambda: 10 * x.log10()}[spec.log]()
