"""DEAM: its official layout, and the layout of 10 s clips at a known place of the song."""

from collections.abc import Mapping
from pathlib import Path

from offline.datasets.audio import find_audio
from offline.datasets.exchange import block_of, test_blocks
from offline.datasets.raters import read_deviations
from offline.datasets.song import Clip, Curve, Dataset, Findings, Scale, Song
from offline.datasets.tables import join_curves, number, read_rows, read_wide
from streammer.errors import InputError

__all__ = ["STATIC_SCALE", "group_of", "is_clips", "is_official", "load_clips", "load_deam"]

STATIC_SCALE = Scale(1.0, 9.0)
DYNAMIC_SCALE = Scale(-1.0, 1.0)
STATIC_FILES = (
    "static_annotations_averaged_songs_1_2000.csv",
    "static_annotations_averaged_songs_2000_2058.csv",
)
EXPECTED = {"2013": 744, "2014": 1000, "2015": 58}


def group_of(song_id: str) -> str:
    """Year of the MediaEval task that a song belongs to."""
    return {"<= 1000": "2013", "1001-2000": "2014", "> 2000": "2015"}[block_of(song_id)]


def is_official(root: Path) -> bool:
    """Whether a folder looks like DEAM as distributed."""
    return (root / "annotations").is_dir() or (root / "MEMD_audio").is_dir()


def is_clips(root: Path) -> bool:
    """Whether a folder looks like the layout of clips (or holds one called ``deam``)."""
    return any((r / "audio_30_40s").is_dir() or (r / "labels").is_dir() for r in _clip_roots(root))


def _clip_roots(root: Path) -> tuple[Path, ...]:
    return root / "deam", root


def load_deam(root: Path) -> Dataset:
    """Load DEAM as distributed: ``annotations/`` and ``MEMD_audio/``.

    Raises
    ------
    InputError
        There are no annotations, or a table is damaged.
    """
    notes = root / "annotations"
    dynamic = _folder_with(notes, "arousal.csv", ["dynamic (per second annotations)"])
    static = _folder_with(notes, STATIC_FILES[0], ["song_level"])
    clips = find_audio(root / "MEMD_audio")
    return _build("deam", root, dynamic, static, clips, _metadata(root / "metadata"))


def load_clips(root: Path) -> Dataset:
    """Load the layout of clips: ``labels/``, ``audio_30_40s/``, ``audio_segments/``, ``demo/``."""
    root = next(r for r in _clip_roots(root) if (r / "labels").is_dir() or r == root)
    labels = root / "labels"
    clips = find_audio(root / "audio_30_40s", 30.0)
    for more in (
        find_audio(root / "audio_segments", segments=True),
        find_audio(root / "demo"),
    ):
        for song, extra in more.items():
            clips.setdefault(song, []).extend(extra)
    meta = _metadata(root / "meta", labels / "emomusic" / "songs_info.csv")
    return _build("clips", root, labels, labels, clips, meta, labels / "emomusic")


def _folder_with(root: Path, name: str, likely: list[str]) -> Path:
    if not root.is_dir():
        raise InputError(
            f"{root}: no such folder; expected DEAM's annotations there, "
            "get them with `python -m offline data get deam`"
        )
    hits = sorted(root.rglob(name))
    hits = [h for h in hits if h.parent.name in likely] or hits
    if not hits:
        raise InputError(
            f"{root}: {name} is missing; expected DEAM's annotations, "
            "get them with `python -m offline data get deam`"
        )
    return hits[0].parent


def _read_static(folder: Path, findings: Findings) -> dict[str, dict[str, float]]:
    """Both static files, each song with the columns that its own file has."""
    static: dict[str, dict[str, float]] = {}
    for name in STATIC_FILES:
        path = folder / name
        if not path.exists():
            if name == STATIC_FILES[0]:
                raise InputError(f"{path}: missing; restore the published file")
            findings.note(f"{name} is missing: no static labels for ids > 2000")
            continue
        needed = ["song_id", "valence_mean", "valence_std", "arousal_mean", "arousal_std"]
        for row in read_rows(path, needed):
            song = str(int(number(row["song_id"], path, "song_id")))
            values = {
                key.replace("_ ", "_"): number(cell, path, f"song {song}, {key}")
                for key, cell in row.items()
                if key != "song_id"
            }
            if song in static:
                findings.count("songs twice in the static files (first kept)", song)
                continue
            static[song] = values
    return static


def _metadata(folder: Path, songs_info: Path | None = None) -> dict[str, dict[str, str]]:
    """Artist, title, genre per song id, from whatever tables there are."""
    meta: dict[str, dict[str, str]] = {}
    tables = [
        (folder / f"metadata_{y}.csv", ("song_id", "Song ID", "id")) for y in (2013, 2014, 2015)
    ]
    if songs_info is not None:
        tables.append((songs_info, ("song_id",)))
    for path, keys in tables:
        if not path.exists():
            continue
        for row in read_rows(path, may_be_empty=True):
            song = next((row[k] for k in keys if row.get(k, "").isdigit()), None)
            if song is None:
                continue
            low = {k.casefold(): v.strip().strip('"').strip() for k, v in row.items()}
            known = meta.setdefault(str(int(song)), {})
            known.update(
                {
                    k: v
                    for k, v in {
                        "artist": low.get("artist", ""),
                        "title": low.get("title")
                        or low.get("song title")
                        or low.get("track")
                        or "",
                        "genre": low.get("genre", ""),
                        "mediaeval2013": low.get("mediaeval 2013 set", ""),
                    }.items()
                    if v
                }
            )
    return meta


def _build(
    layout: str,
    root: Path,
    dynamic: Path,
    static_folder: Path,
    clips: Mapping[str, list[Clip]],
    meta: Mapping[str, dict[str, str]],
    raters: Path | None = None,
) -> Dataset:
    findings = Findings()
    deviations = read_deviations(raters, findings) if raters is not None else {}
    curves = join_curves(
        read_wide(dynamic / "valence.csv"), read_wide(dynamic / "arousal.csv"), findings
    )
    static = _read_static(static_folder, findings)
    static = _correct(static, curves, findings)
    songs = []
    for song in sorted(set(static) | set(curves), key=int):
        raw, own = static.get(song, {}), meta.get(song, {})
        official = {"mediaeval2015": "evaluation" if int(song) > 2000 else "development"}
        if int(song) <= 1000 and own.get("mediaeval2013"):
            official["mediaeval2013"] = own["mediaeval2013"]
        if int(song) <= 2000:
            official["mediaeval2014"] = "development" if int(song) <= 1000 else "evaluation"
        songs.append(
            Song(
                id=song,
                dataset="deam",
                clips=tuple(clips.get(song, ())),
                artist=own.get("artist", ""),
                title=own.get("title", ""),
                genre=own.get("genre", ""),
                group=group_of(song),
                official=official,
                valence=STATIC_SCALE.to_unit(raw.get("valence_mean", float("nan"))),
                arousal=STATIC_SCALE.to_unit(raw.get("arousal_mean", float("nan"))),
                raw=raw,
                same_as=(f"emomusic:{song}",) if int(song) <= 1000 else (),
            )
        )
        if song not in clips:
            findings.count("songs with labels but no audio", song)
        if not raw:
            findings.count("songs without static labels", song)
        elif songs[-1].has_static is False:
            findings.count("songs with NaN in their static labels", song)
        if song not in curves:
            findings.count("songs without dynamic labels", song)
        elif len(curves[song]) > 61:
            findings.count("songs labelled beyond 45 s (full songs)", song)
    for song in clips:
        if song not in static and song not in curves:
            findings.count("audio without labels", song)
    for group, n in EXPECTED.items():
        here = sum(s.group == group for s in songs)
        if here != n:
            findings.note(f"group {group}: {here} songs, the published set has {n}")
    return Dataset(
        "deam", layout, root, songs, curves.get, STATIC_SCALE, DYNAMIC_SCALE, findings,
        deviations.get,
    )  # fmt: skip


def _correct(
    static: dict[str, dict[str, float]], curves: Mapping[str, Curve], findings: Findings
) -> dict[str, dict[str, float]]:
    tests = test_blocks(
        {s: (v["valence_mean"], v["arousal_mean"]) for s, v in static.items()},
        {s: c.mean() for s, c in curves.items()},
    )
    for test in tests.values():
        findings.note(test.line())
    wrong = {name for name, test in tests.items() if test.exchanged}
    return {
        song: _exchanged(values) if block_of(song) in wrong else values
        for song, values in static.items()
    }


def _exchanged(values: dict[str, float]) -> dict[str, float]:
    other = {"valence": "arousal", "arousal": "valence"}
    return {
        (other[k.split("_")[0]] + k[len(k.split("_")[0]) :] if k.split("_")[0] in other else k): v
        for k, v in values.items()
    }
