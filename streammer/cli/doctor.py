"""`streammer doctor`: what works on this machine, what does not, and how to mend it."""

import importlib.metadata
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from cyclopts import Parameter

from streammer import __version__
from streammer.config import DEFAULT_ENDPOINT
from streammer.errors import ModelError, StreammerError, UsageError

__all__ = ["Finding", "doctor", "examine"]

PACKAGES = (
    "numpy", "numba", "soxr", "onnxruntime", "onnx", "pyzmq", "msgspec", "soundfile", "av",
    "sounddevice", "cyclopts", "rich", *(["pulsectl"] if sys.platform == "linux" else []),
)  # fmt: skip

CODECS = ("aac", "flac", "mp3", "opus", "vorbis")


_COMPLETIONS = {
    "bash": ".local/share/bash-completion/completions/streammer",
    "zsh": ".zfunc/_streammer",
    "fish": ".config/fish/completions/streammer.fish",
}
"""Shell -> the file, seen from home, that `streammer completion --help` puts its words into."""


@dataclass(frozen=True)
class Finding:
    """One thing that was examined.

    Attributes
    ----------
    what : str
    state : str
        'works', 'absent' (all else works without), or 'broken' (nothing works without).
    detail : str
    mend : str
        What to do; empty when it works.
    """

    what: str
    state: Literal["works", "absent", "broken"]
    detail: str
    mend: str = ""


def doctor(*, json: Annotated[bool, Parameter(negative=())] = False) -> int:
    """Examine this installation: what works, what does not, and how to mend it.

    Parameters
    ----------
    json
        One JSON object a finding, one a line.
    """
    broken = False
    for finding in examine():
        broken |= finding.state == "broken"
        if json:
            print(msgspec.json.encode(asdict(finding)).decode(), flush=True)
        else:
            mark = {"works": "ok", "absent": "--", "broken": "!!"}[finding.state]
            print(f"{mark}  {finding.what}: {finding.detail}", flush=True)
            if finding.mend:
                print(f"      {finding.mend}", flush=True)
    return ModelError.exit_code if broken else 0


def examine() -> Iterator[Finding]:
    """Yield the findings one after the other; none of them raises."""
    for what, look in _EXAMINATIONS.items():
        try:
            yield look(what)
        except Exception as error:  # a doctor does not fall ill of what it finds
            vital = what in _VITAL
            mend = "pip install --force-reinstall streammer" if vital else ""
            yield Finding(what, "broken" if vital else "absent", _flat(error), mend)


def _flat(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _streammer(what: str) -> Finding:
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return Finding(what, "works", f"{__version__} on Python {platform.python_version()}, {system}")


def _packages(what: str) -> Finding:
    versions, missing = [], []
    for name in PACKAGES:
        try:
            versions.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            if name == "onnxruntime" and _installed("onnxruntime-gpu"):
                continue
            missing.append(name)
    if missing:
        names = " ".join(missing)
        return Finding(what, "absent", f"missing: {names}", f"pip install {names}")
    return Finding(what, "works", ", ".join(versions))


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _model(what: str) -> Finding:
    from streammer.inference.loading import load_models

    started = time.perf_counter()
    (loaded,) = load_models(["default"])
    meta = loaded.model.meta
    took = time.perf_counter() - started
    return Finding(what, "works", f"{meta.name} {meta.version}, ready in {took:.1f} s")


def _models(what: str) -> Finding:
    from streammer.inference.artefact import list_zoo, parse_metadata, read_artefact
    from streammer.inference.validate import check_hash

    names = []
    for name, path in list_zoo().items():
        data = read_artefact(path)
        check_hash(data, parse_metadata(data, path), path)
        names.append(name)
    return Finding(what, "works", f"{', '.join(names)}: undamaged, by their hashes")


def _kernels(what: str) -> Finding:
    from streammer.frontend import kernels

    path = kernels.transform.cache_path
    if path is None or not os.access(_existing(Path(path)), os.W_OK):
        return Finding(
            what,
            "absent",
            "compiled code cannot be kept: every start compiles for some seconds",
            "set NUMBA_CACHE_DIR to a folder that can be written",
        )
    return Finding(what, "works", f"compiled code is kept in {path}")


def _existing(path: Path) -> Path:
    return path if path.exists() else path.parent


def _files(what: str) -> Finding:
    import av
    import soundfile

    from streammer.sources.trial import FORMATS, decode_own

    versions = av.library_versions
    ffmpeg = ", ".join(
        f"{name} {'.'.join(map(str, versions[name]))}" for name in ("libavcodec", "libavformat")
    )
    detail = f"libsndfile {soundfile.__libsndfile_version__}, {ffmpeg}"
    trouble = [f"no {codec}" for codec in CODECS if codec not in av.codecs_available]
    for suffix in FORMATS:
        try:
            decode_own(suffix)
        except Exception as error:  # whatever a library raises, the other formats are tried
            trouble.append(f"{suffix} {_flat(error)}")
    if trouble:
        mend = "pip install --upgrade soundfile av"
        return Finding(what, "absent", f"{detail}; {'; '.join(trouble)}", mend)
    return Finding(what, "works", f"{detail}; {', '.join(FORMATS)} decoded; {', '.join(CODECS)}")


def _page(what: str) -> Finding:
    from streammer.cli.page import load_page

    try:
        load_page()
    except UsageError as error:
        detail, _, mend = str(error).partition(": ")
        return Finding(what, "absent", detail, mend)
    return Finding(what, "works", "streammer dash --open")


def _tables(what: str) -> Finding:
    try:
        import pyarrow
    except ImportError:
        mend = "pip install 'streammer[table]'"
        return Finding(what, "absent", "pyarrow is missing; CSV and JSON lines do without", mend)
    return Finding(what, "works", f"pyarrow {pyarrow.__version__}: label --out moods.parquet")


def _bridges(what: str) -> Finding:
    missing = [
        protocol
        for protocol, modules in _PROTOCOLS.items()
        if not any(find_spec(module) for module in modules)
    ]
    if missing:
        mend = "pip install 'streammer[bridges]'"
        return Finding(what, "absent", f"no library for {', '.join(missing)}", mend)
    return Finding(what, "works", f"{', '.join(_PROTOCOLS)}, WLED: streammer bridge")


def _urls(what: str) -> Finding:
    import av

    if "hls" not in av.formats_available:
        return Finding(
            what, "absent", "this PyAV has no HLS", "pip install --only-binary=:all: --upgrade av"
        )
    return Finding(what, "works", "http, https, Icecast, HLS")


def _completion(what: str) -> Finding:
    shell = Path(os.environ.get("SHELL", "")).name
    if shell not in _COMPLETIONS:
        names = "|".join(_COMPLETIONS)
        return Finding(what, "absent", "the shell is not known", f"streammer completion {names}")
    file = Path.home() / _COMPLETIONS[shell]
    if not file.is_file():
        make = f"streammer completion {shell} > {file}"
        return Finding(what, "absent", f"{shell} does not complete streammer yet", make)
    return Finding(what, "works", f"{shell}, by {file}")


def _microphone(what: str) -> Finding:
    from streammer.sources.device import process
    from streammer.sources.device.inputs import WantedInput, choose

    try:
        listing = process.list_inputs()
        device = choose(listing.inputs, WantedInput(None))
    except StreammerError as error:
        detail, _, mend = str(error).partition(": ")
        return Finding(what, "absent", detail, mend)
    channels = f"{device.channels} channel{'s' if device.channels > 1 else ''}"
    return Finding(
        what,
        "works",
        f"{device.name} ({device.api}, {channels}, {device.sr} Hz; {listing.version})",
    )


def _gpu(what: str) -> Finding:
    from streammer.inference.ort import runtime

    if "CUDAExecutionProvider" in runtime().get_available_providers():
        return Finding(what, "works", "ONNX Runtime has its CUDA provider: --device cuda")
    return Finding(
        what,
        "absent",
        "ONNX Runtime has no CUDA provider; the processor does, a step takes a millisecond",
        "with an NVIDIA card: pip uninstall -y onnxruntime, then pip install onnxruntime-gpu",
    )


def _bus(what: str) -> Finding:
    from streammer.bus import Publisher

    try:
        Publisher(DEFAULT_ENDPOINT).close()
    except StreammerError as error:
        detail, _, mend = str(error).rpartition(": ")
        return Finding(what, "absent", detail, mend or "choose another by --bind")
    return Finding(what, "works", f"{DEFAULT_ENDPOINT} is free")


_PROTOCOLS = {
    "OSC": ("pythonosc",),
    "sACN": ("sacn",),
    "Art-Net": ("stupidArtnet",),
    "MQTT": ("paho",),
    "MIDI": ("rtmidi", "rtmidi2"),
}

_EXAMINATIONS: dict[str, Callable[[str], Finding]] = {
    "streammer": _streammer,
    "packages": _packages,
    "default model": _model,
    "models": _models,
    "kernels": _kernels,
    "audio files": _files,
    "URLs": _urls,
    "Parquet tables": _tables,
    "browser page": _page,
    "lights and screens": _bridges,
    "microphone": _microphone,
    "GPU": _gpu,
    "bus": _bus,
    "shell completion": _completion,
}
_VITAL = frozenset({"streammer", "default model", "models"})
