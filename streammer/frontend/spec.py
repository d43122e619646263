"""The input of a model: the specification of a front end, checked on construction."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from streammer.errors import UsageError
from streammer.frontend.filters import (
    WINDOWS,
    Packed,
    chroma_filters,
    mel_filters,
    packed,
    packed_identity,
)

__all__ = ["FrontEndSpec"]

NORMS: dict[str, str | float | None] = {"mel": "slaney", "chroma": 2.0, "stft": None}
KINDS = tuple(NORMS)
LOGS = ("none", "ln", "log10", "db", "log1p")
FLOAT32_MIN = 1.1754943508222875e-38  # the smallest normal one
N_FFT_MIN, N_FFT_MAX = 16, 65536


@dataclass(frozen=True)
class FrontEndSpec:
    """The input of a model: how frames are cut, transformed, filtered and scaled.

    Fields that a kind does not use are ignored. Values left open are filled in on construction
    (``win_length = n_fft``, ``fmax = sr / 2``, ``norm`` by kind), so that equal front ends compare
    equal; when changing `sr`, `n_fft` or `kind` of a spec, state those anew.

    Parameters
    ----------
    kind : 'mel', 'chroma' or 'stft'
    sr : int     [Hz]
    n_fft : int     [samples]
        Even, 16 to 65536, and its half a product of 2, 3 and 5.
    hop_length : int >= 1     [samples]
        May exceed `n_fft`; then samples between frames are skipped.
    n_bins : int >= 1
        Bands or pitch classes; for stft it must be 1 + n_fft / 2.
    fmin, fmax : float     [Hz]
        Edges of the mel bands, 0 <= fmin < fmax <= sr / 2.
    win_length : int <= n_fft     [samples]
        A shorter window is padded with zeros on both sides, as in librosa and torch.
    window : str
        One of `streammer.frontend.filters.WINDOWS`, periodic.
    power : 1.0 or 2.0
        Filters see magnitudes or powers.
    htk : bool
        HTK's mel scale in place of Slaney's.
    norm : 'slaney' or None (mel); float > 0 or None (chroma)
        Of the filters: equal area of bands; p-norm over the pitch classes of each FFT bin.
    tuning : float     [fractions of a pitch class]
    ctroct, octwidth : float, float or None     [octaves]
        Centre and width of the weight over octaves; None for no weight.
    frame_norm : None, 'max' or 2
        Chroma frames are divided by their maximum or Euclidean norm, silent ones left alone.
    log : 'none', 'ln', 'log10', 'db' or 'log1p'
        x, ln(max(x, floor)), log10(max(x, floor)), 10 log10(max(x, floor)), ln(1 + gain x).
    floor, gain : float > 0
        The floor is a normal float32, at least 1.2e-38.

    Raises
    ------
    UsageError
        For the first value that cannot be used, in one line.
    """

    kind: str
    sr: int
    n_fft: int
    hop_length: int
    n_bins: int
    fmin: float = 0.0
    fmax: float | None = None
    win_length: int | None = None
    window: str = "hann"
    power: float = 2.0
    htk: bool = False
    norm: str | float | None = "default"
    tuning: float = 0.0
    ctroct: float = 5.0
    octwidth: float | None = 2.0
    frame_norm: str | int | None = None
    log: str = "none"
    floor: float = 1e-10
    gain: float = 1.0

    def __post_init__(self) -> None:
        _choice(self.kind, "kind", KINDS)
        _whole(self.sr, "sr", 100, 1_000_000)
        _whole(self.n_fft, "n_fft", N_FFT_MIN, N_FFT_MAX)
        _check_n_fft(self.n_fft)
        _whole(self.hop_length, "hop_length", 1, 1_000_000)
        if self.win_length is None:
            object.__setattr__(self, "win_length", self.n_fft)
        _whole(self.win_length, "win_length", 1, self.n_fft)
        _choice(self.window, "window", tuple(WINDOWS))
        _choice(self.power, "power", (1.0, 2.0))
        _choice(self.log, "log", LOGS)
        _real(self.floor, "floor", at_least=FLOAT32_MIN)
        _real(self.gain, "gain", above=0.0)
        if self.norm == "default":
            object.__setattr__(self, "norm", NORMS[self.kind])
        if self.fmax is None:
            object.__setattr__(self, "fmax", self.sr / 2)
        if self.frame_norm == "none":
            object.__setattr__(self, "frame_norm", None)
        getattr(self, f"_check_{self.kind}")()

    def _check_mel(self) -> None:
        _whole(self.n_bins, "n_bins", 1, 4096)
        _choice(self.norm, "norm", ("slaney", None))
        _choice(self.htk, "htk", (False, True))
        fmin = _real(self.fmin, "fmin", at_least=0.0)
        fmax = _real(self.fmax, "fmax", above=fmin)
        if fmax > self.sr / 2:
            raise UsageError(f"fmax is {fmax:g} Hz, expected at most sr / 2 = {self.sr / 2:g} Hz")

    def _check_chroma(self) -> None:
        _whole(self.n_bins, "n_bins", 1, 4096)
        if self.norm is not None and self.norm != math.inf:
            _real(self.norm, "norm", above=0.0)
        _real(self.tuning, "tuning")
        _real(self.ctroct, "ctroct")
        if self.octwidth is not None:
            _real(self.octwidth, "octwidth", above=0.0)
        _choice(self.frame_norm, "frame_norm", (None, "max", 2))

    def _check_stft(self) -> None:
        n = 1 + self.n_fft // 2
        if self.n_bins != n:
            raise UsageError(f"n_bins is {self.n_bins!r}, expected 1 + n_fft / 2 = {n} for stft")

    @classmethod
    def from_dict(cls, d: Mapping[str, Any]) -> "FrontEndSpec":
        """Build a spec from a mapping of field names, such as the metadata of a model."""
        names = [f.name for f in fields(cls)]
        if unknown := [k for k in d if k not in names]:
            raise UsageError(
                f"front end has {unknown[0]!r}, expected only {', '.join(names)}; remove or rename"
            )
        required = names[:5]
        if missing := [k for k in required if k not in d]:
            raise UsageError(f"front end lacks {missing[0]!r}; {', '.join(required)} are required")
        return cls(**d)

    def to_dict(self) -> dict[str, Any]:
        """Return all fields, ready for JSON; `from_dict` gives the same spec back."""
        return asdict(self)

    def frames_per_step(self, step_s: float) -> int:
        """Return how many frames a step of `step_s` seconds has; refuse a fraction of a frame."""
        hops = self.sr * step_s / self.hop_length
        n = round(hops) if math.isfinite(hops) else 0
        if n < 1 or not math.isclose(hops, n, rel_tol=1e-9):
            raise UsageError(
                f"a step of {step_s:g} s is {hops:g} frames (sr {self.sr}, hop_length "
                f"{self.hop_length}), expected a whole number; choose another hop_length"
            )
        return n

    def filters(self) -> npt.NDArray[np.float64]:
        """Return the matrix [shape=(n_bins, 1 + n_fft / 2)] that a power spectrum is filtered by.

        For stft that is the identity, and gigabytes for a large `n_fft`.
        """
        if self.kind == "mel":
            assert self.fmax is not None
            return mel_filters(
                sr=self.sr,
                n_fft=self.n_fft,
                n_bins=self.n_bins,
                fmin=self.fmin,
                fmax=self.fmax,
                htk=self.htk,
                norm=None if self.norm is None else str(self.norm),
            )
        if self.kind == "chroma":
            return chroma_filters(
                sr=self.sr,
                n_fft=self.n_fft,
                n_bins=self.n_bins,
                tuning=self.tuning,
                ctroct=self.ctroct,
                octwidth=self.octwidth,
                norm=None if self.norm is None else float(self.norm),
            )
        return np.eye(self.n_bins)

    def packed_filters(self) -> Packed:
        """Return `filters` as the kernels read them."""
        return packed_identity(self.n_bins) if self.kind == "stft" else packed(self.filters())


def _choice(value: object, name: str, allowed: tuple[object, ...]) -> None:
    if value not in allowed:
        names = ", ".join(repr(a) for a in allowed)
        raise UsageError(f"{name} is {value!r}, expected one of {names}")


def _whole(value: object, name: str, low: int, high: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise UsageError(f"{name} is {value!r}, expected a whole number from {low} to {high}")


def _real(
    value: object, name: str, *, above: float = -math.inf, at_least: float = -math.inf
) -> float:
    ok = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not ok or not value > above or not value >= at_least:  # type: ignore[operator]
        bound = f" above {above:g}" if above > -math.inf else ""
        bound = f" of at least {at_least:g}" if at_least > -math.inf else bound
        raise UsageError(f"{name} is {value!r}, expected a finite number{bound}")
    return float(value)  # type: ignore[arg-type]


def _check_n_fft(n_fft: int) -> None:
    if not _is_supported(n_fft):
        low, high = n_fft, n_fft
        while not _is_supported(low):
            low -= 1
        while not _is_supported(high):
            high += 1
        raise UsageError(
            f"n_fft is {n_fft}, expected an even number whose half is a product of 2, 3 and 5; "
            f"the nearest are {low} and {high}"
        )


def _is_supported(n_fft: int) -> bool:
    half, odd = divmod(n_fft, 2)
    for p in (2, 3, 5):
        while half > 1 and half % p == 0:
            half //= p
    return odd == 0 and half == 1
