"""PMEmo: chorus clips with static and dynamic labels on 0..1, arousal first; lyrics if at hand."""

from pathlib import Path

import numpy as np

from offline.datasets.audio import find_audio
from offline.datasets.lyrics import lyrics_beside
from offline.datasets.song import Curve, Dataset, Findings, Scale, Song
from offline.datasets.tables import first_line, number, read_rows

__all__ = ["is_pmemo", "load_pmemo"]

STATIC = "static_annotations.csv"


def is_pmemo(root: Path) -> bool:
    """Whether a folder holds PMEmo's tables (emoMusic's static file has the same name)."""
    return any(
        first_line(notes / STATIC).startswith("musicId") for notes in (root, root / "annotations")
    )


def load_pmemo(root: Path) -> Dataset:
    """Load PMEmo: annotations, metadata, and ``chorus/`` audio if present."""
    findings = Findings()
    scale = Scale(0.0, 1.0)
    notes = root if (root / STATIC).exists() else root / "annotations"
    path = notes / STATIC
    rows = read_rows(path, ["musicId", "Arousal(mean)", "Valence(mean)"])
    static = {
        r["musicId"]: {
            "valence_mean": number(r["Valence(mean)"], path, "Valence(mean)"),
            "arousal_mean": number(r["Arousal(mean)"], path, "Arousal(mean)"),
        }
        for r in rows
    }
    spread = notes / "static_annotations_std.csv"
    if spread.exists():
        for r in read_rows(spread, ["musicId", "Arousal(std)", "Valence(std)"]):
            if r["musicId"] in static:
                static[r["musicId"]]["valence_std"] = number(r["Valence(std)"], spread, "std")
                static[r["musicId"]]["arousal_std"] = number(r["Arousal(std)"], spread, "std")
    curves = _curves(notes / "dynamic_annotations.csv", scale, findings)
    meta_path = next(
        (p for p in (root / "metadata.csv", notes / "metadata.csv") if p.exists()), None
    )
    meta = {r["musicId"]: r for r in read_rows(meta_path, ["musicId"])} if meta_path else {}
    clips = find_audio(root / "chorus") or find_audio(root / "audio")
    lyrics = lyrics_beside(root, "PMEmo2019", ["musicId", "song_id_from_src"], findings)
    songs = []
    for song in sorted(set(static) | set(curves), key=int):
        raw, own = static.get(song, {}), meta.get(song, {})
        songs.append(
            Song(
                id=song,
                dataset="pmemo",
                clips=tuple(clips.get(song, ())),
                artist=own.get("artist", ""),
                title=own.get("title", ""),
                valence=scale.to_unit(raw.get("valence_mean", float("nan"))),
                arousal=scale.to_unit(raw.get("arousal_mean", float("nan"))),
                raw=raw,
                parts=frozenset({"lyrics"} if song in lyrics else ()),
            )
        )
        if song not in clips:
            findings.count("songs with labels but no audio", song)
        if song not in curves:
            findings.count("songs without dynamic labels", song)
        if not own:
            findings.count("songs with labels but no metadata", song)
    for song in meta:
        if song not in static:
            findings.count("songs with metadata but no static labels", song)
    return Dataset(
        "pmemo", "pmemo", root, songs, curves.get, scale, scale, findings, lyrics_of=lyrics.get
    )


def _curves(path: Path, scale: Scale, findings: Findings) -> dict[str, Curve]:
    if not path.exists():
        findings.note("dynamic_annotations.csv is missing: no labels over time")
        return {}
    found: dict[str, list[tuple[float, float, float]]] = {}
    for r in read_rows(path, ["musicId", "frameTime", "Arousal(mean)", "Valence(mean)"]):
        found.setdefault(r["musicId"], []).append(
            (
                number(r["frameTime"], path, "frameTime"),
                scale.to_unit(number(r["Valence(mean)"], path, "Valence(mean)")),
                scale.to_unit(number(r["Arousal(mean)"], path, "Arousal(mean)")),
            )
        )
    curves = {}
    for song, values in found.items():
        table = np.array(sorted(values), np.float64)
        good = np.isfinite(table).all(axis=1)
        if not good.all():
            findings.count("songs with NaN in their dynamic labels", song)
        t, v, a = table[good].T
        curves[song] = Curve(t, v.astype(np.float32), a.astype(np.float32))
    return curves
