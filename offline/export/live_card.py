"""Sections of a live artefact's card that follow from its data and plan."""

from offline.batches.live.data import LiveData
from offline.recipes.live import LivePlan

__all__ = ["sections_of"]


def sections_of(data: LiveData, plan: LivePlan) -> dict[str, str]:
    """Return summary, data, splits and failures as far as they are known without a reader.

    What people found out about one artefact stands in docs/cards, under its hash.
    """
    folds = tuple(range(plan.folds))
    songs = len(data.first_clips(folds))
    parts = ["kernel ridge regression"]
    if plan.has_perceptrons:
        parts.append("an MLP ensemble on causal running statistics")
    if plan.has_networks:
        parts.append("a causal convolutional network")
    return {
        "Summary": "Valence and arousal of music as it plays, twice a second, with a sigma each: "
        f"{', '.join(parts)}.",
        "Data": f"Valence, arousal and their sigmas: {songs} songs with labels every 0.5 s. "
        f"p_positive and p_energetic: {data.halves_from}. Synthetic sounds (noise, hum, tones, a "
        "synthetic voice) are trained as no music.",
        "Splits": f"{plan.folds} folds by artist, one assignment for all sets. Figures of folds "
        "come from artefacts fitted without the fold; this artefact was fitted on all of them.",
        "Known failures": "None was looked for in this artefact: its metrics are all that is "
        "known of it.",
    }
