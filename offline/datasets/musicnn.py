"""The published weights of musicnn (Pons and Serra 2019): where they lie and how they are read.

They are fetched by a user who wants a teacher (``python -m offline data get musicnn``). Neither
they nor anything initialised from them is part of the project or of an artefact.
"""

from pathlib import Path

import numpy as np

from streammer.errors import InputError, UsageError

__all__ = [
    "ADDRESS", "FOLDER", "HASH", "LICENCE", "PAGE", "TAGS", "WEIGHTS", "find_weights",
    "read_weights",
]  # fmt: skip

FOLDER, WEIGHTS = "tagger", "MSD_musicnn.h5"
PAGE = "https://github.com/jordipons/musicnn"
ADDRESS = (
    "https://github.com/Quint-e/musicnn_keras/raw/8e2d042f3a7bc560f825626144ae0f4ee20199ae/"
    f"musicnn_keras/keras_checkpoints/{WEIGHTS}"
)
"""The published weights in Keras's format, at one revision."""
HASH = "sha256:412a832c8527a813e084ba6f2cc7d068ecbbf1b68bda8c1de2e7de0d1f5fe7d1"
LICENCE = (
    "musicnn's weights are given under the ISC licence by the Music Technology Group, Universitat "
    "Pompeu Fabra. Cite Pons and Serra: musicnn: pre-trained convolutional neural networks for "
    "music audio tagging, ISMIR 2019."
)
TAGS = (
    "rock", "pop", "alternative", "indie", "electronic", "female vocalists", "dance", "00s",
    "alternative rock", "jazz", "beautiful", "metal", "chillout", "male vocalists",
    "classic rock", "soul", "indie rock", "Mellow", "electronica", "80s", "folk", "90s", "chill",
    "instrumental", "punk", "oldies", "blues", "hard rock", "ambient", "acoustic",
    "experimental", "female vocalist", "guitar", "Hip-Hop", "70s", "party", "country",
    "easy listening", "sexy", "catchy", "funk", "electro", "heavy metal", "Progressive rock",
    "60s", "rnb", "indie pop", "sad", "House", "happy",
)  # fmt: skip
"""Of the Million Song Dataset's listeners, in the order of the logits."""


def find_weights(data: Path) -> Path | None:
    """Return the weights in a data folder or beside it, None where there are none."""
    for root in (data, data.parent):
        path = root / FOLDER / WEIGHTS
        if path.is_file():
            return path
    return None


def read_weights(path: Path) -> dict[str, np.ndarray]:
    """Read every array of a Keras model in HDF5.

    Returns
    -------
    dict of str to np.ndarray
        ``layer/parameter``; Keras's count of copies (``kernel_1:0``) is taken off the names.

    Raises
    ------
    UsageError
        h5py is not installed.
    InputError
        It is no HDF5 file of Keras, or damaged.
    """
    try:
        import h5py
    except ImportError as error:
        raise UsageError(
            f"{path}: reading it needs h5py; run `pip install --group offline`"
        ) from error
    found: dict[str, np.ndarray] = {}
    try:
        with h5py.File(path, "r") as file:
            if "model_weights" not in file:
                raise InputError(f"{path}: no model_weights in it; expected a model of Keras")

            def keep(name: str, item: object) -> None:
                if isinstance(item, h5py.Dataset):
                    layer, *_, parameter = name.split("/")
                    found[f"{layer}/{parameter.split(':')[0].removesuffix('_1')}"] = item[()]

            file["model_weights"].visititems(keep)
    except OSError as error:
        reason = " ".join(str(error).split())[:100]
        raise InputError(f"{path}: no readable HDF5 file ({reason}); fetch it again") from error
    return found
