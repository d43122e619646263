"""The table of aims as text, from ``scores.json`` alone: over folds, and fold by fold."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from offline.evaluation.live.moods import QUADRANTS
from offline.evaluation.live.scores import n_seeds, over_folds, over_seeds

__all__ = ["Row", "aligned", "confusion_lines", "fold_lines", "rows_of", "table_lines",
           "table_markdown"]  # fmt: skip

Row = tuple[str, str, str, str, str, str]
"""What, measured, constant, boosting, at least, stretch."""

HEAD: Row = ("what", "measured", "constant", "boosting", "at least", "stretch")

_SIMPLE = (
    ("skill arousal, stream, per 500 ms after 3 s", "skill_arousal", "0", "≥ .39", "≥ .43"),
    ("skill valence, stream, per 500 ms after 3 s", "skill_valence", "0", "≥ .27", "≥ .32"),
    ("RMSE arousal, stream", "rmse_arousal", "constant_arousal", "", ""),
    ("RMSE valence, stream", "rmse_valence", "constant_valence", "", ""),
    ("r of song means, arousal", "r_arousal", "0", "", ""),
    ("r of song means, valence", "r_valence", "0", "", ""),
    ("4Q: AUC of VALENCE", "auc_valence", ".5", "≥ .80", "≥ .88"),
    ("4Q: AUC of VALENCE, calm half", "auc_valence_calm_half", ".5", "≥ .62", "≥ .74"),
    ("4Q: AUC of VALENCE, energetic half", "auc_valence_energetic_half", ".5", "≥ .88", "≥ .93"),
    ("4Q: AUC of AROUSAL", "auc_arousal", ".5", "", ""),
    ("4Q: AUC of AROUSAL, negative half", "auc_arousal_negative_half", ".5", "", ""),
    ("4Q: AUC of AROUSAL, positive half", "auc_arousal_positive_half", ".5", "", ""),
    ("4Q: AUC p_energetic", "auc_energetic", ".5", "≥ .95", "≥ .97"),
    ("4Q: AUC p_positive", "auc_positive", ".5", "≥ .84", "≥ .88"),
    ("4Q: AUC p_positive, calm half", "auc_positive_calm_half", ".5", "≥ .76", "≥ .80"),
    ("4Q: AUC p_positive, energetic half", "auc_positive_energetic_half", ".5", "", ""),
    ("4Q: published quadrant, accuracy", "quadrant_accuracy", "quadrant_majority", "≥ .66",
     "≥ .76"),
    ("4Q: quadrant that `label` gives, accuracy", "quadrant_label_accuracy", "quadrant_majority",
     "", ""),
    ("4Q: quadrant by the signs of V and A, accuracy", "quadrant_signs_accuracy",
     "quadrant_majority", "", ""),
    ("4Q: Q2 clips published as Q1", "q2_as_q1", "", "≤ .20", "≤ .10"),
    ("4Q: sign of valence agrees with a clear p_positive", "sign_agreement", ".5", "≥ .90", ""),
    ("DEAM: sign of valence agrees with a clear p_positive", "sign_agreement_deam", ".5", "≥ .90",
     ""),
    ("MIREX clusters: rank correlation with valence", "mirex_valence", "0", "", ""),
    ("MIREX clusters: rank correlation with arousal", "mirex_arousal", "0", "", ""),
    ("reaction t63, arousal [s]", "t63_arousal", "", "≤ 1.5", "≤ 1.0"),
    ("reaction t90, arousal [s]", "t90_arousal", "", "≤ 3.1", "≤ 2.2"),
    ("reaction t63, valence [s]", "t63_valence", "", "", ""),
    ("reaction t90, valence [s]", "t90_valence", "", "", ""),
    ("RMSE 3 s after a cut less a fresh start's, arousal", "after_cut_arousal", "0", "", ""),
    ("RMSE 3 s after a cut less a fresh start's, valence", "after_cut_valence", "0", "", ""),
    ("movement a step", "movement", "0", "≤ .011", "≤ .008"),
    ("CRPS, arousal (constant: best sigma in hindsight)", "crps_arousal", "crps_constant_arousal",
     "better", ""),
    ("CRPS, valence (constant: best sigma in hindsight)", "crps_valence", "crps_constant_valence",
     "better", ""),
    *((f"inside {n} sigma, {axis}{of}", f"inside{n}_{axis}{half}", "", least, "")
      for axis in ("arousal", "valence")
      for n, least in ((1, ".63-.73"), (2, ".92-.97"))
      for of, half in (("", ""), (", predicted calm", "_calm"), (", predicted energetic",
                                                                 "_energetic"))),
    ("rank correlation of sigma and error, arousal", "rank_arousal", "0", "", "≥ .2"),
    ("rank correlation of sigma and error, valence", "rank_valence", "0", "", "≥ .2"),
)  # fmt: skip
"""What, key of its figure, the constant's figure or the key of it, at least, stretch."""

_CHANGES = (
    ("gain +12 dB", "≤ .01", ""), ("gain -12 dB", "≤ .01", ""),
    ("low-pass 4 kHz", "≤ .033", "≤ .025"), ("MP3 64 kbit/s", "≤ .03", ""), ("room", "≤ .05", ""),
    ("pink noise 20 dB", "≤ .037", "≤ .025"),
)  # fmt: skip


def _number(value: float, decimals: int = 3) -> str:
    text = f"{value:.{decimals}f}"
    return text.replace("0.", ".", 1) if text.startswith(("0.", "-0.")) else text


def rows_of(body: Mapping[str, Any]) -> list[Row]:
    """Rows of the table, over folds; with several seeds the spread of their means."""
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
            (what, _figure(key, mean) if one_seed else f"{_figure(key, mean)} ± {_figure(key, sd)}",
             _flat(folds, flat), _figure(key, float(np.mean(given))) if given else "", least,
             stretch)
        )  # fmt: skip
    return rows + _rows_of_test58(body) + _rows_of_changes(body)


def _figure(key: str, value: float) -> str:
    """Return a figure of a key; a CRPS in more decimals, for gains in it are small."""
    return _number(value, 4 if key.startswith("crps") else 3)


def _flat(folds: Mapping[str, Mapping[str, float]], flat: str) -> str:
    if any(flat in s for s in folds.values()):
        return _figure(flat, over_seeds(folds, flat)[0])
    return flat


def _rows_of_test58(body: Mapping[str, Any]) -> list[Row]:
    test, boosting = body.get("shipped", {}).get("test58", {}), body.get("boosting", {})
    rows: list[Row] = []
    for axis in ("arousal", "valence") if test else ():
        other = boosting.get("test58", {}).get(f"rmse_{axis}")
        rows.append(
            (f"58 songs of 2015, RMSE per song, {axis} (shipped artefact)",
             _number(test[f"rmse_{axis}"]), _number(test[f"constant_{axis}"]),
             _number(other) if other is not None else "", "", "")
        )  # fmt: skip
        if f"hindsight_{axis}" in test:
            rows.append(
                (f"58 songs, {axis}: r of song means; RMSE per song of the best constant in "
                 "hindsight", _number(test[f"r_{axis}"]), _number(test[f"hindsight_{axis}"]), "",
                 "", "")
            )  # fmt: skip
    return rows


def _rows_of_changes(body: Mapping[str, Any]) -> list[Row]:
    rows: list[Row] = []
    for name, least, stretch in _CHANGES:
        moved = body.get("robustness", {}).get(name)
        if moved:
            rows.append(
                (f"{name}: mean change, arousal / valence",
                 f"{_number(moved['arousal'])} / {_number(moved['valence'])}", "0", "", least,
                 stretch)
            )  # fmt: skip
    return rows


def fold_lines(body: Mapping[str, Any]) -> list[str]:
    """Return the figures fold by fold, with mean and spread over folds and the ledger's count."""
    folds = body["folds"]
    numbers = sorted({int(s["fold"]) for s in folds.values()})
    rows = [["fold by fold", *(str(f) for f in numbers), "mean", "sd over folds"]]
    for what, key, *_ in _SIMPLE if len(numbers) > 1 else ():
        own = over_folds(folds, key)
        if not own:
            continue
        values = list(own.values())
        spread = float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")
        rows.append(
            [what, *(_figure(key, own[f]) if f in own else "" for f in numbers),
             _figure(key, float(np.mean(values))), _figure(key, spread)]
        )  # fmt: skip
    lines = aligned(rows) if len(rows) > 1 else []
    for fold, times in body.get("readings", {}).items():
        lines.append(f"outer fold {fold} was read {times}")
    return lines


def confusion_lines(body: Mapping[str, Any]) -> list[str]:
    """Return the confusion matrix of published quadrants, clips of all folds, mean over seeds."""
    folds, seeds = body["folds"], n_seeds(body)
    if not any("confusion_Q1_Q1" in s for s in folds.values()):
        return []
    rows = [["4Q: labelled, published as", *QUADRANTS]]
    for truth in QUADRANTS:
        counts = [
            sum(s.get(f"confusion_{truth}_{q}", 0.0) for s in folds.values()) / seeds
            for q in QUADRANTS
        ]
        rows.append([truth, *(f"{n:.0f}" for n in counts)])
    return aligned(rows)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines with aligned columns."""
    widths = [max(len(r[k]) for r in rows) for k in range(len(rows[0]))]
    return ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows]


def table_lines(body: Mapping[str, Any]) -> list[str]:
    """Return the tables as aligned lines."""
    lines = [
        f"fold {fold} is IN-SAMPLE for this artefact, its figures flatter it: {why}"
        for fold, why in body.get("in_sample", {}).items()
        if why
    ]
    if "selection" in body:
        lines.append(
            "selection: inner fold {inner} of outer fold {outer}, which was put away".format(
                **body["selection"]
            )
        )
    lines += aligned([HEAD, *rows_of(body)])
    for name, s in body.get("shipped", {}).get("not_music", {}).items():
        lines.append(
            f"no music: {name}: |V| up to {s['valence']:.2f}, |A| up to {s['arousal']:.2f}, sigma "
            f"{s['sigma_valence']:.2f} / {s['sigma_arousal']:.2f} of the prior's"
        )
    for more in (confusion_lines(body), fold_lines(body)):
        if more:
            lines += ["", *more]
    return lines


def table_markdown(body: Mapping[str, Any]) -> str:
    """Return the table as Markdown, and the confusion of published quadrants under it."""
    lines = ["| " + " | ".join(r) + " |" for r in (HEAD, ("---",) * len(HEAD), *rows_of(body))]
    confusion = confusion_lines(body)
    if confusion:
        lines += ["", "```", *confusion, "```"]
    return "\n".join(lines)
