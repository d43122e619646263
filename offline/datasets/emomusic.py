"""emoMusic, the 744 clips of MediaEval 2013: the same songs as DEAM's ids <= 1000."""

from pathlib import Path

from offline.datasets.audio import find_audio
from offline.datasets.exchange import test_blocks
from offline.datasets.raters import read_deviations
from offline.datasets.song import Dataset, Findings, Scale, Song
from offline.datasets.tables import join_curves, number, read_rows, read_wide

__all__ = ["is_emomusic", "load_emomusic"]

AUDIO_FOLDERS = ("clips_45sec", "clips_45seconds", "audio")


def is_emomusic(root: Path) -> bool:
    """Whether a folder holds emoMusic's tables."""
    return any((r / "songs_info.csv").exists() for r in (root, root / "annotations"))


def load_emomusic(root: Path) -> Dataset:
    """Load emoMusic; its static file names arousal first, and is tested like DEAM's."""
    findings = Findings()
    notes = root if (root / "songs_info.csv").exists() else root / "annotations"
    curves = join_curves(
        read_wide(notes / "valence_cont_average.csv"),
        read_wide(notes / "arousal_cont_average.csv"),
        findings,
    )
    path = notes / "static_annotations.csv"
    needed = ["song_id", "mean_arousal", "std_arousal", "mean_valence", "std_valence"]
    static = {
        str(int(number(r["song_id"], path, "song_id"))): {
            "valence_mean": number(r["mean_valence"], path, "mean_valence"),
            "valence_std": number(r["std_valence"], path, "std_valence"),
            "arousal_mean": number(r["mean_arousal"], path, "mean_arousal"),
            "arousal_std": number(r["std_arousal"], path, "std_arousal"),
        }
        for r in read_rows(path, needed)
    }
    for test in test_blocks(
        {s: (v["valence_mean"], v["arousal_mean"]) for s, v in static.items()},
        {s: c.mean() for s, c in curves.items()},
    ).values():
        findings.note(test.line())
    clips: dict = {}
    for folder in AUDIO_FOLDERS:
        clips = clips or find_audio(root / folder)
    scale = Scale(1.0, 9.0)
    songs = []
    for row in read_rows(notes / "songs_info.csv", ["song_id", "Artist", "Mediaeval 2013 set"]):
        song = row["song_id"]
        raw = static.get(song, {})
        songs.append(
            Song(
                id=song,
                dataset="emomusic",
                clips=tuple(clips.get(song, ())),
                artist=row["Artist"],
                title=row.get("Song title", ""),
                genre=row.get("Genre", ""),
                group="2013",
                official={"mediaeval2013": row["Mediaeval 2013 set"]},
                valence=scale.to_unit(raw.get("valence_mean", float("nan"))),
                arousal=scale.to_unit(raw.get("arousal_mean", float("nan"))),
                raw=raw,
                same_as=(f"deam:{song}",),
            )
        )
        if song not in clips:
            findings.count("songs with labels but no audio", song)
        if song not in curves:
            findings.count("songs without dynamic labels", song)
        if not raw:
            findings.count("songs without static labels", song)
    findings.note(
        f"all {len(songs)} songs are DEAM's ids <= 1000: never train on one, test on the other"
    )
    return Dataset(
        "emomusic", "emomusic", root, songs, curves.get, scale, Scale(-1.0, 1.0), findings,
        read_deviations(notes, findings).get,
    )  # fmt: skip
