"""From samples to frames of features: mel, chroma or spectrum, incremental, to the bit exact."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import UsageError
from .filters import WINDOWS, chroma_filters, mel_filters, window

__all__ = ["FrontEnd", "FrontEndSpec"]

Samples = npt.NDArray[np.float32]
Frames = npt.NDArray[np.float32]

KINDS = ("mel", "chroma", "stft")
LOGS = ("none", "ln", "log10", "db", "log1p")
N_FFT_MIN, N_FFT_MAX = 16, 65536


@dataclass(frozen=True)
class FrontEndSpec:
    """What a model hears: how frames are cut, transformed, filtered and scaled.

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
        One of `streammer.filters.WINDOWS`, periodic.
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
        _real(self.floor, "floor", above=0.0)
        _real(self.gain, "gain", above=0.0)
        if self.norm == "default":
            default: str | float | None = {"mel": "slaney", "chroma": 2.0}.get(self.kind)
            object.__setattr__(self, "norm", default)
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
        """Return the filter matrix [shape=(n_bins, 1 + n_fft // 2)], float64."""
        if self.kind == "mel":
            assert self.fmax is not None
            norm = None if self.norm is None else str(self.norm)
            return mel_filters(
                sr=self.sr,
                n_fft=self.n_fft,
                n_bins=self.n_bins,
                fmin=self.fmin,
                fmax=self.fmax,
                htk=self.htk,
                norm=norm,
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


class FrontEnd:
    """Turn a stream of samples into frames, incrementally.

    Parameters
    ----------
    spec : FrontEndSpec
    max_block_frames : int >= 1
        Size of the inner buffer, in frames. Longer blocks are worked off in pieces; the results
        are the same to the bit.

    Notes
    -----
    A fresh front end puts out its first frame when n_fft samples have come; `prime` puts n_fft -
    hop_length zeros before them, and frame k then ends at sample (k + 1) * hop_length.
    """

    def __init__(self, spec: FrontEndSpec, max_block_frames: int = 64) -> None:
        _whole(max_block_frames, "max_block_frames", 1, 1_000_000)
        self.spec = spec
        assert spec.win_length is not None
        self._window = window(spec.window, spec.win_length, spec.n_fft).astype(np.float32)
        self._filters = spec.filters().astype(np.float32)
        self._tail = np.empty(0, np.float32)
        self._skip = 0

    def reset(self) -> None:
        """Return to the fresh state: nothing heard."""
        self._tail = np.empty(0, np.float32)
        self._skip = 0

    def prime(self) -> None:
        """Start afresh, n_fft - hop_length zeros heard: frame k ends at (k + 1) * hop_length."""
        self.reset()
        ahead = self.spec.n_fft - self.spec.hop_length
        self._tail = np.zeros(max(ahead, 0), np.float32)
        self._skip = max(-ahead, 0)

    def push(self, y: Samples) -> Frames:
        """Take a block and return the frames that it completes.

        Parameters
        ----------
        y : np.ndarray [shape=(n,)], float32
            Any number of finite samples at ``spec.sr``, none included.

        Returns
        -------
        np.ndarray [shape=(frames, n_bins)], float32
            A fresh array.
        """
        if not isinstance(y, np.ndarray) or y.dtype != np.float32 or y.ndim != 1:
            got = f"{y.dtype} {y.shape}" if isinstance(y, np.ndarray) else type(y).__name__
            raise UsageError(f"block is {got}, expected float32 (n,) mono; downmix first")
        spec = self.spec
        drop = min(self._skip, y.size)
        self._skip -= drop
        x = np.concatenate((self._tail, y[drop:]))
        n = max(0, (x.size - spec.n_fft) // spec.hop_length + 1)
        out = np.empty((n, spec.n_bins), np.float32)
        for k in range(n):
            at = k * spec.hop_length
            z = np.fft.rfft(x[at : at + spec.n_fft] * self._window)
            p = z.real**2 + z.imag**2
            out[k] = self._filters @ (p if spec.power == 2.0 else np.sqrt(p))
        self._skip += max(0, n * spec.hop_length - x.size)
        self._tail = x[n * spec.hop_length :].copy()
        return self._scaled(out)

    def _scaled(self, x: Frames) -> Frames:
        spec = self.spec
        if spec.kind == "chroma" and spec.frame_norm is not None:
            size = x.max(1) if spec.frame_norm == "max" else np.sqrt((x * x).sum(1))
            x /= np.where(size < np.finfo(np.float32).tiny, np.float32(1), size)[:, None]
        floor = np.float32(spec.floor)
        if spec.log == "ln":
            return np.log(np.maximum(x, floor))
        if spec.log == "log10":
            return np.log10(np.maximum(x, floor))
        if spec.log == "db":
            return np.float32(10) * np.log10(np.maximum(x, floor))
        if spec.log == "log1p":
            return np.log1p(np.float32(spec.gain) * x)
        return x


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
