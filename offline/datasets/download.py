"""`data get`: download with pooch, resumable, licence shown first."""

import math
import shutil
import sys
import zipfile
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from offline.datasets import musicnn
from offline.files import write_with
from offline.progress import progress_bar, say
from streammer.errors import InputError, NetworkError, UsageError

__all__ = ["SOURCES", "Source", "fetch", "get_dataset", "unpack"]


BLOCK = 1 << 18


class Source(NamedTuple):
    """Where a data set lies.

    Attributes
    ----------
    page, licence : str
        Shown first.
    files : dict
        File name -> (address, hash or None where the publisher gives none).
    folder : str
        Where files that are no archives belong.
    """

    page: str
    licence: str
    files: dict[str, tuple[str, str | None]]
    folder: str = ""


SOURCES: dict[str, Source] = {
    "deam": Source(
        "https://cvml.unige.ch/databases/DEAM/",
        "DEAM is given for research; its terms, and those of each recording, are on its page. Cite "
        "Aljanaki, Yang, Soleymani: Developing a benchmark for emotional analysis of music, PLOS "
        "ONE 2017.",
        {
            name: (f"https://cvml.unige.ch/databases/DEAM/{name}", None)
            for name in ("DEAM_Annotations.zip", "metadata.zip", "DEAM_audio.zip")
        },
    ),
    "musicnn": Source(
        musicnn.PAGE,
        musicnn.LICENCE,
        {musicnn.WEIGHTS: (musicnn.ADDRESS, musicnn.HASH)},
        folder=musicnn.FOLDER,
    ),
}


def get_dataset(name: str, to: Path, *, accept: bool = False) -> None:
    """Download a data set and unpack it; files that are no archives are put where they belong.

    A file that is there and whole is not fetched again; a part of one carries another name and is
    gone on with.

    Raises
    ------
    UsageError
        Unknown name, or the licence was not accepted.
    NetworkError
        The network refuses: the address to fetch by hand is named.
    InputError
        What came is no archive.
    """
    if name not in SOURCES:
        raise UsageError(f"data set {name!r} is unknown; expected one of {', '.join(SOURCES)}")
    source = SOURCES[name]
    say(source.licence)
    say(f"page: {source.page}")
    if not accept:
        if not sys.stdin.isatty():
            raise UsageError("the licence must be accepted: run again with --yes")
        if input("accept? [y/N] ").strip().lower() not in ("y", "yes"):
            raise UsageError("licence not accepted, nothing downloaded")
    for file_name, (address, known_hash) in source.files.items():
        fetched = fetch(address, file_name, known_hash, to)
        if fetched.suffix == ".zip":
            unpack(fetched, to)
        else:
            write_with(to / source.folder / file_name, partial(shutil.copyfile, fetched))
    if source.folder:
        say(f"{to / source.folder}: done; `python -m offline train live` finds it there")
    else:
        say(f"{to}: done; look at it with `python -m offline data check {to}`")


def fetch(address: str, file_name: str, known_hash: str | None, to: Path) -> Path:
    """Download one file with a progress bar; a whole one is kept, a part is gone on with.

    Raises
    ------
    NetworkError
        Names the address and the folder to put the file into.
    """
    import pooch
    import requests

    folder = to / "archives"
    try:
        return Path(
            pooch.retrieve(
                address, known_hash, fname=file_name, path=folder, downloader=_Resuming(folder)
            )
        )
    except (requests.RequestException, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:120]
        raise NetworkError(
            f"{address} cannot be fetched ({type(error).__name__}: {reason}); fetch it by hand "
            f"into {folder} and run again"
        ) from error


class _Resuming:
    """Downloader for pooch that goes on where a broken connection left its ``.part`` file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, address: str, output_file: str, pooch: Any, **_: Any) -> None:
        import requests

        part = self.folder / f"{address.rsplit('/', 1)[-1]}.part"
        there = part.stat().st_size if part.exists() else 0
        headers = {"Range": f"bytes={there}-"} if there else {}
        with requests.get(address, headers=headers, stream=True, timeout=30) as answer:
            answer.raise_for_status()
            resumed = answer.status_code == 206
            if there and resumed:
                say(f"{part.name}: going on after {there / 2**20:.1f} MiB")
            blocks = math.ceil(int(answer.headers.get("Content-Length", 0)) / BLOCK)
            with (
                part.open("ab" if resumed else "wb") as file,
                progress_bar(part.stem, blocks, show=True) as advance,
            ):
                for block in answer.iter_content(BLOCK):
                    file.write(block)
                    advance()
        shutil.move(part, output_file)


def unpack(archive: Path, to: Path) -> None:
    """Unpack what is not unpacked yet; each file appears whole.

    Raises
    ------
    InputError
        It is no ZIP archive, or holds paths that lead out of the folder.
    """
    try:
        with zipfile.ZipFile(archive) as held:
            for entry in held.infolist():
                target = (to / entry.filename).resolve()
                if not target.is_relative_to(to.resolve()):
                    raise InputError(f"{archive}: {entry.filename} leads out of the folder")
                if entry.is_dir():
                    continue
                if target.exists() and target.stat().st_size == entry.file_size:
                    continue
                target.parent.mkdir(parents=True, exist_ok=True)
                part = target.with_name(f".{target.name}.part")
                part.write_bytes(held.read(entry))
                part.replace(target)
    except zipfile.BadZipFile as error:
        raise InputError(f"{archive}: no archive ({error}); delete it and run again") from error
