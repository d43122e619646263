"""The table of aims as text, from ``scores.json`` alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from offline.evaluation.live.scores import n_seeds, over_seeds

__all__ = ["Row", "rows_of", "table_lines", "table_markdown"]

Row = tuple[str, str, str, str, str, str]
"""What, measured, constant, boosting, at least, stretch."""

HEAD: Row = ("what", "measured", "constant", "boosting", "at least", "stretch")

_SIMPLE = (
    ("skill arousal, stream, per 500 ms after 3 s", "skill_arousal", "0", "≥ .38", "≥ .46"),
    ("skill valence, stream, per 500 ms after 3 s", "skill_valence", "0", "≥ .23", "≥ .30"),
    ("r of song means, arousal", "r_arousal", "0", "≥ .81", "≥ .85"),
    ("r of song means, valence", "r_valence", "0", "≥ .63", "≥ .70"),
    ("4Q: AUC energetic", "auc_energetic", ".5", "≥ .95", "≥ .97"),
    ("4Q: AUC positive", "auc_positive", ".5", "≥ .81", "≥ .86"),
    ("4Q: AUC positive, energetic half", "auc_positive_energetic_half", ".5", "≥ .85", "≥ .90"),
    ("4Q: AUC positive, calm half", "auc_positive_calm_half", ".5", "≥ .76", "≥ .82"),
    ("4Q: quadrant accuracy", "quadrant_accuracy", ".27", "≥ .66", "≥ .74"),
    ("reaction t63, arousal [s]", "t63_arousal", "", "≤ 1.5", "≤ 1"),
    ("reaction t63, valence [s]", "t63_valence", "", "≤ 1.5", "≤ 1"),
    ("reaction t90, arousal [s]", "t90_arousal", "", "≤ 3.2", "≤ 2"),
    ("reaction t90, valence [s]", "t90_valence", "", "≤ 3.2", "≤ 2"),
    ("RMSE 3 s after a cut less a fresh start's, arousal", "after_cut_arousal", "0", "≤ .00", ""),
    ("RMSE 3 s after a cut less a fresh start's, valence", "after_cut_valence", "0", "≤ .00", ""),
    ("inside 1 sigma, arousal", "inside1_arousal", "", ".63-.73", ""),
    ("inside 1 sigma, valence", "inside1_valence", "", ".63-.73", ""),
    ("inside 2 sigma, arousal", "inside2_arousal", "", ".92-.97", ""),
    ("inside 2 sigma, valence", "inside2_valence", "", ".92-.97", ""),
    ("rank correlation of sigma and error, arousal", "rank_arousal", "0", "≥ .2", "≥ .3"),
    ("rank correlation of sigma and error, valence", "rank_valence", "0", "≥ .2", "≥ .3"),
    ("movement per step", "movement", "0", "≤ .012", "≤ .006"),
)  # fmt: skip
_CHANGES = (
    ("gain +12 dB", "≤ .01"), ("gain -12 dB", "≤ .01"), ("low-pass 4 kHz", "≤ .03"),
    ("MP3 64 kbit/s", "≤ .03"), ("room", "≤ .05"), ("pink noise 20 dB", "≤ .03"),
)  # fmt: skip


def _number(value: float) -> str:
    text = f"{value:.3f}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def rows_of(body: Mapping[str, Any]) -> list[Row]:
    """Rows of the table."""
    folds, boosting = body["folds"], body.get("boosting", {})
    one_seed = n_seeds(body) < 2
    beside = [v for k, v in boosting.items() if k.startswith("fold")]
    rows: list[Row] = []
    for what, key, flat, least, stretch in _SIMPLE:
        if not any(key in s for s in folds.values()):
            continue
        mean, sd = over_seeds(folds, key)
        given = [s[key] for s in beside if key in s]
        rows.append(
            (what, _number(mean) if one_seed else f"{_number(mean)} ± {_number(sd)}", flat,
             _number(float(np.mean(given))) if given else "", least, stretch)
        )  # fmt: skip
    test = body.get("shipped", {}).get("test58", {})
    for axis, least, stretch in (("arousal", "≤ .205", "≤ .185"), ("valence", "≤ .190", "≤ .175")):
        if test:
            other = boosting.get("test58", {}).get(f"rmse_{axis}")
            rows.append(
                (f"58 songs of 2015, per-song RMSE, {axis} (shipped artefact)",
                 _number(test[f"rmse_{axis}"]), _number(test[f"constant_{axis}"]),
                 _number(other) if other is not None else "", least, stretch)
            )  # fmt: skip
    for name, least in _CHANGES:
        moved = body.get("robustness", {}).get(name)
        if moved:
            rows.append(
                (f"{name}: mean change, arousal / valence",
                 f"{_number(moved['arousal'])} / {_number(moved['valence'])}", "0", "", least,
                 "half of it")
            )  # fmt: skip
    return rows


def table_lines(body: Mapping[str, Any]) -> list[str]:
    """Return the table as aligned lines."""
    rows = [HEAD, *rows_of(body)]
    widths = [max(len(r[k]) for r in rows) for k in range(len(HEAD))]
    lines = ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows]
    for name, s in body.get("shipped", {}).get("not_music", {}).items():
        lines.append(
            f"no music: {name}: |V| up to {s['valence']:.2f}, |A| up to {s['arousal']:.2f}, sigma "
            f"{s['sigma_valence']:.2f} / {s['sigma_arousal']:.2f} of the prior's"
        )
    return lines


def table_markdown(body: Mapping[str, Any]) -> str:
    """Return the table as Markdown."""
    lines = ["| " + " | ".join(r) + " |" for r in (HEAD, ("---",) * len(HEAD), *rows_of(body))]
    return "\n".join(lines)
