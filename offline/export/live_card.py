"""Sections of a live artefact's card: what follows from its data, and what people wrote of it."""

import json
from pathlib import Path

from offline.batches.live.data import LiveData
from offline.export.onnx import write_card
from offline.prose import CARDS, DOCS, PROTOCOL, prose_of, sections, unwrapped
from offline.recipes.mood import MoodPlan
from streammer.inference.artefact import graph_hash, read_artefact

__all__ = ["protocol", "sections_of", "write_prose"]

ABLATION = DOCS / "live" / "ablation.jsonl"
_FIGURES = {
    "skill_arousal": "A", "skill_valence": "V", "auc_energetic": "energetic",
    "auc_positive": "positive", "positive_hi": "in energetic", "positive_lo": "in calm",
    "quadrant_accuracy": "quadrant",
}  # fmt: skip


def sections_of(data: LiveData, plan: MoodPlan, *, taught: bool) -> dict[str, str]:
    """Return summary, data, splits and failures as far as they follow from data and plan."""
    folds = tuple(range(plan.folds))
    songs = len(data.first_clips(folds))
    inputs = "causal running statistics"
    if plan.config().channels:
        inputs += " and causal convolutions"
    teacher = (
        "Soft targets on every clip: features and tags of musicnn (Pons and Serra 2019, ISC "
        "licence), whose weights are not in this artefact."
        if taught
        else "Trained without a teacher: musicnn's weights were not at hand (`python -m offline "
        "data get musicnn`); with its soft targets valence is ranked better."
    )
    return {
        "Summary": "Valence and arousal of music as it plays, twice a second, with a sigma each: "
        f"one network on {inputs}, smoothed over {plan.config().smoothing_s:g} s.",
        "Data": f"Valence, arousal and their sigmas: {songs} songs with labels every 0.5 s. "
        f"p_positive and p_energetic: {data.half_planes_from}. Synthetic sounds (noise, hum, "
        f"tones, a synthetic voice) are trained as no music. {teacher}",
        "Splits": f"{plan.folds} folds by artist, one assignment for all sets. Figures of folds "
        "come from artefacts fitted without the fold, sigma's scale from an inner fold of theirs; "
        "this artefact was fitted on all of them.",
        **{title: unwrapped(text) for title, text in protocol().items()},
        "Known failures": "None was looked for in this artefact: its metrics are all that is "
        "known of it.",
    }


def protocol() -> dict[str, str]:
    """Return what labels mean for the pair, and how the model was chosen, by title."""
    return sections(PROTOCOL.read_text(encoding="utf-8"))


def write_prose(path: Path) -> bool:
    """Write the card of an artefact with what people wrote about it in docs/cards.

    Returns
    -------
    bool
        False where nobody wrote about this artefact; its card is left as it is.
    """
    prose = prose_of(CARDS, graph_hash(read_artefact(path)))
    if not prose:
        return False
    if "Ablations" in prose:
        prose["Ablations"] += "\n\n" + _ablation_table()
    write_card(path, {title: unwrapped(text) for title, text in prose.items()})
    return True


def _ablation_table() -> str:
    """Screening runs as one long table: a row per run, as it was logged."""
    runs = [json.loads(line) for line in ABLATION.read_text(encoding="utf-8").splitlines() if line]
    head = ["system", "change", "scored on", *_FIGURES.values()]
    rows = [head, ["---"] * len(head)]
    for run in runs:
        figures = [f"{run[c]:.3f}" if run.get(c) is not None else "" for c in _FIGURES]
        rows.append([run["system"], run["change"], run["on"], *figures])
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
