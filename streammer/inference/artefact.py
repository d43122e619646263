"""Finding model artefacts and reading what they say of themselves (docs/design.md, contract 1).

An artefact is ``<name>.onnx`` with a card ``<name>.md`` beside it. Its one metadata property
``streammer`` holds JSON, read here into `ArtefactMeta`. This is the one resolver: package data
in an installed wheel, else the checkout's ``models/zoo``, else a path.
"""

import hashlib
import math
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from streammer.errors import ModelError
from streammer.inference.metadata import Malformed, body, metadata

__all__ = [
    "CONTRACT",
    "DEFAULT_MODEL",
    "MAX_BYTES",
    "OUTPUTS",
    "PROPERTY",
    "ArtefactMeta",
    "Prior",
    "card_path",
    "find_artefact",
    "graph_hash",
    "in_zoo",
    "list_zoo",
    "parse_metadata",
    "read_artefact",
    "read_metadata",
    "zoo_dir",
]

CONTRACT = 1
DEFAULT_MODEL = "default"
MAX_BYTES = 64 * 2**20
"""Largest artefact that is loaded [bytes]."""

PROPERTY = "streammer"
"""Name of the metadata property."""

Output = Literal[
    "valence", "arousal", "sigma_valence", "sigma_arousal", "p_positive", "p_energetic"
]
OUTPUTS: tuple[Output, ...] = (
    "valence",
    "arousal",
    "sigma_valence",
    "sigma_arousal",
    "p_positive",
    "p_energetic",
)
"""What a model may give, in the order in which it gives them."""

Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Text = Annotated[str, msgspec.Meta(min_length=1)]


class Prior(msgspec.Struct, frozen=True):
    """What is known of an axis before any input.

    Attributes
    ----------
    mean, sd : float
        Mean and standard deviation of the axis over the training songs, on [-1, 1].
    """

    mean: Annotated[float, msgspec.Meta(ge=-1.0, le=1.0)]
    sd: Annotated[float, msgspec.Meta(gt=0.0, le=2.0)]


class ArtefactMeta(msgspec.Struct, frozen=True, kw_only=True):
    """The metadata of an artefact.

    Attributes
    ----------
    contract : int
        Version of the artefact contract, 1.
    name, version : str
        As they appear on the wire and in the listing of the zoo.
    step_s : float
        Seconds of sound a step takes [s].
    outputs : tuple of str
        The columns of `mood`: some of `OUTPUTS`, in their order.
    front_ends : dict
        Name of a feature input -> front-end spec, see `streammer.frontend.FrontEndSpec`.
    warmup_s : float
        Input after which the outputs are trusted [s].
    causal : bool
        Whether an output depends on past sound alone; live, nothing else is accepted.
    prior : dict
        Axis -> `Prior`, for each axis among the outputs.
    licence, trained_on : str
        Terms of use, and the data that the weights come from.
    metrics : dict
        What `python -m offline evaluate` measured, with the `artefact_hash` of the graph that it
        was measured on; empty until then.
    recipe, data_hash : str
        The text of the training recipe and the hash of its data; empty where there is none.
    """

    contract: Literal[1]
    name: Name
    version: Text
    step_s: Annotated[float, msgspec.Meta(ge=0.05, le=10.0)]
    outputs: tuple[Output, ...]
    front_ends: dict[str, dict[str, Any]]
    warmup_s: Annotated[float, msgspec.Meta(ge=0.0, le=600.0)]
    causal: bool
    prior: dict[Literal["valence", "arousal"], Prior]
    licence: Text
    trained_on: Text
    metrics: dict[str, Any]
    recipe: str = ""
    data_hash: str = ""

    def __post_init__(self) -> None:
        if self.outputs != tuple(name for name in OUTPUTS if name in self.outputs):
            raise ValueError(
                f"outputs are {', '.join(self.outputs)}, expected each once, in the order "
                + ", ".join(OUTPUTS)
            )
        axes = {name for name in OUTPUTS[:2] if name in self.outputs}
        if not axes:
            raise ValueError("outputs have neither valence nor arousal, expected at least one")
        for axis in sorted(axes - set(self.prior)):
            raise ValueError(f"prior has no {axis}, expected a mean and sd for each axis given")
        if not self.front_ends:
            raise ValueError("front_ends is empty, expected a spec for each feature input")


def zoo_dir() -> Path:
    """Return the folder of the artefacts that come with streammer: package data or checkout."""
    package = Path(__file__).resolve().parents[1]
    checkout = package.parent
    if not (package / "zoo").is_dir() and (checkout / "pyproject.toml").is_file():
        return checkout / "models" / "zoo"
    return package / "zoo"


def list_zoo() -> dict[str, Path]:
    """Return name -> path of the artefacts that come with streammer, the default first."""
    paths = {path.stem: path for path in zoo_dir().glob("*.onnx") if path.is_file()}
    names = sorted(paths, key=lambda name: (name != DEFAULT_MODEL, name))
    return {name: paths[name] for name in names}


def in_zoo(path: Path) -> bool:
    """Return whether a file comes with streammer; all others are checked before they are loaded."""
    return path.resolve().parent == zoo_dir().resolve()


def card_path(path: Path) -> Path:
    """Return where the card of an artefact lies."""
    return path.with_suffix(".md")


def find_artefact(name_or_path: str | os.PathLike[str]) -> Path:
    """Return the path of an artefact: a name in the zoo, else a file.

    Raises
    ------
    ModelError
        If there is neither; the message names the zoo.
    """
    zoo = list_zoo()
    if isinstance(name_or_path, str) and name_or_path in zoo:
        return zoo[name_or_path]
    path = Path(name_or_path)
    if path.is_dir():
        raise ModelError(f"model {str(path)!r} is a directory: an .onnx file is expected")
    if path.is_file():
        return path
    if path.exists():
        raise ModelError(f"model {str(path)!r} is no regular file: an .onnx file is expected")
    known = ", ".join(zoo) or "none"
    raise ModelError(
        f"no model {str(name_or_path)!r}: expected a path of an .onnx file or one of: {known}"
    )


def read_artefact(path: Path) -> bytes:
    """Return the bytes of an artefact of a permitted size.

    Raises
    ------
    ModelError
        If it cannot be read, is empty, or exceeds `MAX_BYTES`.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(data) > MAX_BYTES:
        raise ModelError(
            f"{path}: has {max(size, len(data)) / 2**20:.1f} MiB, expected at most "
            f"{MAX_BYTES // 2**20}"
        )
    if not data:
        raise ModelError(f"{path}: is empty, expected an ONNX model")
    return data


def read_metadata(path: str | os.PathLike[str]) -> ArtefactMeta:
    """Read and check the metadata of an artefact, without loading its graph.

    Raises
    ------
    ModelError
        If the file cannot be read, is no ONNX model, or its metadata break contract 1.
    """
    file = Path(path)
    return parse_metadata(read_artefact(file), file)


def parse_metadata(data: bytes, path: Path) -> ArtefactMeta:
    """Read and check the metadata of a serialized model; `path` is for messages."""
    try:
        properties = metadata(data)
    except Malformed as error:
        raise ModelError(f"{path}: is no whole ONNX model ({error})") from error
    found = [value for key, value in properties if key == PROPERTY]
    if len(found) != 1:
        raise ModelError(
            f"{path}: has {len(found)} metadata properties {PROPERTY!r}, expected one; "
            "export it with `python -m offline export`"
        )
    return decode_metadata(found[0], path)


def decode_metadata(text: str, path: Path) -> ArtefactMeta:
    """Decode and check the JSON of the metadata property; `path` is for messages."""
    try:
        meta = msgspec.json.decode(text, type=ArtefactMeta)
    except msgspec.MsgspecError as error:
        raise ModelError(f"{path}: metadata property {PROPERTY!r}: {error}") from error
    if not all(map(math.isfinite, (meta.step_s, meta.warmup_s))):
        raise ModelError(f"{path}: step_s and warmup_s are not finite")
    return meta


def graph_hash(model: str | os.PathLike[str] | bytes | Any) -> str:
    """Return the SHA-256 of a model without its metadata properties, in hex.

    Metrics and cards carry it, so that they cannot pass for those of another graph; attaching
    them does not change it.

    Parameters
    ----------
    model : path, bytes, or onnx.ModelProto
    """
    label = "the model"
    if isinstance(model, bytes):
        data = model
    elif isinstance(model, str | os.PathLike):
        label, data = str(model), read_artefact(Path(model))
    else:
        data = model.SerializeToString()
    digest = hashlib.sha256()
    try:
        for part in body(data):
            digest.update(part)
    except Malformed as error:
        raise ModelError(f"{label}: is no whole ONNX model ({error})") from error
    return digest.hexdigest()
