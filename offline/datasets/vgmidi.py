"""VGMIDI: video-game pieces as MIDI with valence and arousal; rendered with FluidSynth."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

from offline.datasets.song import Clip, Dataset, Findings, Scale, Song
from offline.datasets.tables import number, read_rows
from streammer.errors import InputError

__all__ = ["is_vgmidi", "load_vgmidi", "render"]

TABLE = "vgmidi_labelled.csv"
SOUNDFONTS = (
    "/usr/share/sounds/sf2/default-GM.sf2",
    "/usr/share/sounds/sf2/FluidR3_GM.sf2",
    "/usr/share/sounds/sf2/TimGM6mb.sf2",
    "/usr/share/soundfonts/default.sf2",
)


def is_vgmidi(root: Path) -> bool:
    """Whether a folder holds VGMIDI's table of labelled pieces."""
    return (root / TABLE).exists()


def _no_curve(song_id: str) -> None:
    return None


def soundfont() -> Path | None:
    """Find the sound font to render with: ``$SOUNDFONT``, else a system one."""
    for name in (os.environ.get("SOUNDFONT", ""), *SOUNDFONTS):
        if name and Path(name).is_file():
            return Path(name)
    return None


def load_vgmidi(root: Path) -> Dataset:
    """Load VGMIDI: labels of -1 / 1 an axis; audio rendered beside it into ``rendered/``.

    Pieces already rendered are used; others only when FluidSynth and a sound font are there.
    """
    findings = Findings()
    scale = Scale(-1.0, 1.0)
    path = root / TABLE
    can_render = shutil.which("fluidsynth") is not None and soundfont() is not None
    if not can_render:
        findings.note("FluidSynth or a sound font is missing: only rendered pieces have audio")
    songs = []
    for row in read_rows(path, ["id", "series", "piece", "midi", "valence", "arousal"]):
        song, midi = row["id"], root / row["midi"]
        wav = root / "rendered" / f"{song}.wav"
        if not wav.exists() and can_render and midi.exists():
            try:
                render(midi, wav)
            except InputError as error:
                findings.note(str(error))
        v = number(row["valence"], path, f"song {song}, valence")
        a = number(row["arousal"], path, f"song {song}, arousal")
        songs.append(
            Song(
                id=song,
                dataset="vgmidi",
                clips=(Clip(wav),) if wav.exists() else (),
                artist=row["series"],
                title=row["piece"],
                valence=v,
                arousal=a,
                raw={"valence": v, "arousal": a},
                quadrant="Q" + {(1, 1): "1", (0, 1): "2", (0, 0): "3", (1, 0): "4"}[v > 0, a > 0],
            )
        )
        if not wav.exists():
            findings.count("pieces without audio", song)
    return Dataset("vgmidi", "vgmidi", root, songs, _no_curve, scale, findings=findings)


def render(midi: Path, wav: Path, sr: int = 44100) -> None:
    """Render one MIDI file to WAV, written beside and renamed.

    Raises
    ------
    InputError
        FluidSynth cannot read the file.
    """
    wav.parent.mkdir(parents=True, exist_ok=True)
    tag = hashlib.sha256(str(midi).encode()).hexdigest()[:8]
    part = wav.with_name(f".{wav.stem}.{tag}.wav")
    done = subprocess.run(
        ["fluidsynth", "-ni", "-q", "-r", str(sr), "-F", str(part), str(soundfont()), str(midi)],
        check=False,
        capture_output=True,
    )
    if done.returncode or not part.exists():
        part.unlink(missing_ok=True)
        raise InputError(f"{midi}: FluidSynth cannot render it; expected a standard MIDI file")
    part.replace(wav)
