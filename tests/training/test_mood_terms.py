"""Each loss of the live network against a case computed by hand, and deaf to what is masked."""

from math import exp, log

import pytest
import torch

from offline.batches.example import Batch
from offline.recipes.load import load_recipe
from offline.recipes.mood import WeightPart
from offline.training.live.system import check_weights
from offline.training.live.terms import TERMS, Fitted, distil
from streammer.errors import UsageError

ROWS, STEPS = 4, 2
SIZES = {"mood": 2, "ln_sigma": 2, "half_planes": 2, "words": 2, "genre": 3, "cluster": 5}
FITTED = Fitted(torch.tensor([0.1, 0.2]), torch.tensor([0.3, 0.4]), WeightPart(sound_mean=0.25))


def softplus(x):
    return log(1 + exp(x))


def case(**heads):
    """Heads of zeros but those given, and a batch in which nothing is known."""
    made = {k: torch.zeros(ROWS, STEPS, n) for k, n in SIZES.items()} | heads
    names = ("half_planes", "genre", "cluster", "words", "deezer", "ranks", "mood")
    sizes = SIZES | {"deezer": 2, "ranks": 2}
    targets = {k: torch.zeros(ROWS, STEPS, sizes[k]) for k in names}
    flags = ("sound", "half_planes", "genre", "cluster", "words", "deezer")
    weights = {k: torch.zeros(ROWS, STEPS) for k in flags}
    weights["mood"] = torch.zeros(ROWS, STEPS, 2)
    weights["early"] = torch.ones(ROWS, STEPS)
    inputs = {"mel": torch.zeros(ROWS, 25 * STEPS, 80)}
    return made, Batch(inputs, targets, weights, (1, 2, 3, 4))


def value(name, heads, batch):
    return float(TERMS[name](heads, batch, FITTED))


def filled(rows, *values, n=ROWS, steps=STEPS):
    """Zeros ``[n, steps, len(values)]`` with values at every step of some rows."""
    out = torch.zeros(n, steps, len(values))
    out[rows] = torch.tensor(values)
    return out


def test_mood_is_a_mean_over_known_labels_and_draws_no_music_to_the_middle():
    heads, batch = case(mood=filled([0], 0.5, -0.1) + filled([1], 0.2, 0.4))
    batch.targets["mood"][0] = torch.tensor([0.1, 0.3])
    batch.masks["mood"][0, 0] = 1.0
    assert value("mood", heads, batch) == pytest.approx((0.4**2 + 0.4**2) / 2)
    batch.masks["mood"][0, 0] = torch.tensor([1.0, 0.5])  # raters agree less on arousal
    assert value("mood", heads, batch) == pytest.approx((0.4**2 + 0.5 * 0.4**2) / 1.5)
    batch.masks["sound"][1, 0] = 1
    assert value("mood", heads, batch) == pytest.approx(
        (0.4**2 + 0.5 * 0.4**2 + 0.25 * (0.2**2 + 0.4**2)) / (1.5 + 0.5)
    )


def test_sigma_is_fitted_to_errors_and_to_the_prior_of_no_music():
    heads, batch = case(
        mood=filled([0], 0.5, 0.0).requires_grad_(), ln_sigma=filled([0], -1.0, -2.0)
    )
    batch.targets["mood"][0] = torch.tensor([0.1, 0.3])
    batch.masks["mood"][0, 0] = 1.0
    likelihood = [0.5 * e**2 * exp(-2 * s) + s for e, s in ((0.4, -1.0), (0.3, -2.0))]
    assert value("sigma", heads, batch) == pytest.approx(sum(likelihood) / 2, rel=1e-5)
    sound_heads, only_sound = case(ln_sigma=filled([1], log(0.3), log(0.4)).requires_grad_())
    only_sound.masks["sound"][1] = 1
    TERMS["sigma"](sound_heads, only_sound, FITTED).backward()
    assert sound_heads["ln_sigma"].grad.abs().max() < 1e-6  # the prior's spread is its minimum


def test_sigma_teaches_no_mean():
    mood = filled([0], 0.5, 0.0).requires_grad_()
    heads, batch = case(mood=mood, ln_sigma=filled([0], -1.0, -1.0).requires_grad_())
    batch.masks["mood"][0] = 1.0
    TERMS["sigma"](heads, batch, FITTED).backward()
    assert mood.grad is None


def test_half_planes_are_cross_entropy():
    heads, batch = case(half_planes=filled([0], 2.0, -1.0))
    batch.targets["half_planes"][0] = torch.tensor([1.0, 1.0])
    batch.masks["half_planes"][0] = 1
    wanted = (softplus(-2.0) + softplus(1.0)) / 2
    assert value("half_planes", heads, batch) == pytest.approx(wanted)


@pytest.mark.parametrize(("name", "axis"), [("sign_valence", 0), ("sign_arousal", 1)])
def test_signs_are_logistic_about_the_centre_of_the_labels(name, axis):
    heads, batch = case(mood=filled([0, 1], 0.3, 0.3))
    batch.targets["half_planes"][0] = torch.tensor([1.0, 0.0])
    batch.masks["half_planes"][:2] = 1
    batch.masks["sound"][1] = 1  # one half is no sign
    for sign_at in (1.0, 0.0):
        logit = 6 * (0.3 - sign_at * (0.1, 0.2)[axis])
        fitted = Fitted(FITTED.centre, FITTED.spread, WeightPart(sign_at=sign_at))
        assert float(TERMS[name](heads, batch, fitted)) == pytest.approx(
            softplus(-logit) if axis == 0 else softplus(logit)
        )


@pytest.mark.parametrize(
    ("name", "head", "steep"), [("rank_valence", "mood", 6), ("rank_positive", "half_planes", 1)]
)
def test_pairs_are_ranked_inside_each_half(name, head, steep):
    heads, batch = case(**{head: torch.zeros(ROWS, STEPS, 2)})
    heads[head][:, :, 0] = torch.tensor([0.3, 0.1, 0.4, -0.2])[:, None]
    # calm and positive, calm and negative, energetic and negative, energetic and positive
    batch.targets["half_planes"][:, 0] = torch.tensor([[1, 0], [0, 0], [0, 1], [1, 1.0]])
    batch.masks["half_planes"][:, 0] = 1
    wanted = (softplus(-steep * 0.2) + softplus(steep * 0.6)) / 2
    assert value(name, heads, batch) == pytest.approx(wanted)
    batch.masks["sound"][2] = 1
    assert value(name, heads, batch) == pytest.approx(softplus(-steep * 0.2))


def test_clusters_are_ordered_pairs():
    heads, batch = case(mood=torch.zeros(ROWS, STEPS, 2))
    heads["mood"][:, 0] = torch.tensor([[0.2, 0.0], [0.1, 0.3], [-0.1, 0.1], [9, 9]])
    batch.targets["ranks"][:, 0] = torch.tensor([[2, 1], [0, 2], [0, 0], [1, 1.0]])
    batch.masks["cluster"][:3, 0] = 1
    valence = (softplus(-6 * 0.1) + softplus(-6 * 0.3)) / 2
    arousal = (softplus(-6 * 0.3) + softplus(-6 * 0.2) + softplus(6 * 0.1)) / 3
    assert value("rank_cluster", heads, batch) == pytest.approx((valence + arousal) / 2)


def test_words_deezer_genre_and_cluster():
    heads, batch = case(
        mood=filled([0], 0.5, 0.0), words=filled([0], 0.2, 0.0), genre=filled([0], 1.0, 0.0, -1.0),
        cluster=filled([0], 1.0, 0.0, 0.0, 0.0, 0.0),
    )  # fmt: skip
    batch.targets["deezer"][0] = torch.tensor([0.2, 0.4])
    batch.targets["words"][0] = torch.tensor([0.3, 0.1])
    batch.targets["genre"][0] = torch.tensor([1.0, 0.0, 0.0])
    batch.targets["cluster"][0, :, 0] = 1
    for name in ("deezer", "words", "genre", "cluster"):
        batch.masks[name][0] = 1
    assert value("deezer", heads, batch) == pytest.approx((0.3**2 + 0.4**2) / 2)
    assert value("words", heads, batch) == pytest.approx((0.4**2 + 0.2**2) / 2)
    wanted = (softplus(-1.0) + softplus(0.0) + softplus(-1.0)) / 3
    assert value("genre", heads, batch) == pytest.approx(wanted)
    assert value("cluster", heads, batch) == pytest.approx(log(exp(1) + 4) - 1)


def test_teacher_is_square_near_its_targets_and_linear_beyond():
    heads, batch = case()
    heads["teacher"] = filled([0], 0.5, 3.0)
    assert value("teacher", heads, batch) == 0  # no tagger
    batch.targets["teacher"] = torch.zeros(ROWS, STEPS, 2)
    batch.masks["teacher"] = torch.zeros(ROWS, STEPS)
    batch.masks["teacher"][0, 1] = 1
    assert value("teacher", heads, batch) == pytest.approx((0.5 * 0.5**2 + 2.5) / 2)


def test_twins_agree_where_both_are_of_the_same_crop():
    heads, batch = case(mood=filled([0], 0.3, 0.0), half_planes=filled([2], 0.6, 0.0))
    assert value("consistency", heads, batch) == 0  # no twins
    batch.targets["source"] = torch.tensor([0.0, 1, 0, 1])[:, None, None].expand(-1, STEPS, 1)
    twins = Batch(batch.inputs, batch.targets, batch.masks, (1, 2))  # the other rows are twins
    # rows 0 and 2 differ by .3 in valence and by .6 / 6 in the logit of positive; 1 and 3 agree
    assert value("consistency", heads, twins) == pytest.approx((0.3**2 + 0.1**2) / 8)
    source = batch.targets["source"].clone()
    source[2, 0] = 5  # spliced: the first step is of another clip
    batch.targets["source"] = source
    assert value("consistency", heads, twins) == pytest.approx((0.3**2 + 0.1**2) / 12)


def test_distillation_is_the_distance_to_the_mean_of_networks():
    heads, batch = case(mood=filled([0], 0.3, 0.0), ln_sigma=filled([0], 0.0, -1.2))
    wanted, _ = case(mood=filled([0], 0.1, 0.0), half_planes=filled([0], 1.2, 0.0))
    batch.masks["early"][1:] = 0
    given = float(distil(heads, wanted, batch))
    assert given == pytest.approx((0.2**2 + 0.2**2 + 0.2**2) / 6)


KNOWN = {
    "mood": "mood", "half_planes": "half_planes", "sign_valence": "half_planes",
    "sign_arousal": "half_planes", "deezer": "deezer", "words": "words", "genre": "genre",
    "cluster": "cluster", "sigma": "mood", "teacher": "teacher", "rank_valence": "half_planes",
    "rank_positive": "half_planes", "rank_cluster": "cluster",
}  # fmt: skip


@pytest.mark.parametrize("name", KNOWN)
def test_what_is_masked_has_no_gradient_and_starts_count_less(name):
    rng = torch.Generator().manual_seed(0)
    sizes = SIZES | {"teacher": 6}
    made = {
        k: torch.randn(ROWS, STEPS, n, generator=rng).requires_grad_() for k, n in sizes.items()
    }
    heads, batch = case(**made)
    batch.targets["teacher"] = torch.zeros(ROWS, STEPS, 6)
    batch.masks["teacher"] = torch.zeros(ROWS, STEPS)
    batch.targets["cluster"][..., 0] = 1
    batch.targets["half_planes"][::2] = 1
    batch.targets["ranks"][::2] = 1
    batch.targets["half_planes"][..., 1] = 0
    batch.masks[KNOWN[name]][:3] = 1
    batch.masks["early"][:, 0] = 0
    TERMS[name](heads, batch, FITTED).backward()
    grads = [h.grad for h in made.values() if h.grad is not None]
    assert any(g[:3, 1].abs().sum() > 0 for g in grads)
    assert all(g[3].abs().sum() == 0 for g in grads)  # not known
    assert all(g[:, 0].abs().sum() == 0 for g in grads)  # a start of weight 0


def test_a_recipe_that_weighs_an_unknown_loss_is_refused_by_name():
    check_weights(load_recipe("live"))
    with pytest.raises(UsageError, match="did you mean teacher"):
        check_weights(load_recipe("live", changes={"training.weights.techer": 1.0}))
