"""Batches of the live network: crops with what is known, cuts, twins, soft targets."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
import torch
from tagger_parts import random_weights, write_weights

from offline.batches.live.data import FRONT_ENDS, LiveClip, LiveData
from offline.batches.live.mixture import CUT_STEPS, Mixture, splice
from offline.batches.live.rows import STEPS, Rows, known
from offline.batches.live.soft_targets import at_steps, fit_soft_targets
from offline.batches.live.teaching import fit_teaching, load_tables
from offline.datasets.musicnn import FOLDER, WEIGHTS
from offline.datasets.synthetic import make_dataset
from offline.features.cache import FeatureCache
from offline.features.teacher import TagTable
from offline.features.variants import variant_features
from offline.recipes.load import load_recipe
from offline.recipes.mood import MixPart, MoodPlan, TeacherPart, WeightPart, mood_plan
from streammer.errors import UsageError

STILL = {"eq": 0.0, "band": 0.0, "noise": 0.0, "reverb": 0.0, "shift": 0.0}
MIX = MixPart(curve=4, quadrant=2, cluster=2, sound=1, splice=0.0)
PLAN = MoodPlan(mix=MIX, augment=STILL)


def clip(k, steps=20, fold=0, **what):
    labels = np.full((steps, 2), np.nan, np.float32)
    if not what:
        labels[:] = [k / 100, -k / 100]
    return LiveClip(f"clip:{k}", f"song:{k}", fold, labels, **what)


@pytest.fixture
def data():
    """Eight songs with labels, some of other kinds; frames hold the number of their clip."""
    data = LiveData()
    clips = [clip(k, fold=k % 2) for k in range(1, 9)]
    clips += [clip(k, 40, quadrant=(1.0, 0.0)) for k in (11, 12, 13)]
    clips += [clip(k, 30, cluster=4) for k in (21, 22)]
    clips += [clip(31, fold=-1, music=False)]
    for c in clips:
        number, steps = int(c.uid[5:]), len(c.labels)
        data.add(
            c, np.full((steps * 25, 80), number, np.float32),
            np.full((steps * 5, 12), number, np.float32),
        )  # fmt: skip
    return data


def mixture(data, plan=PLAN, folds=(0, 1), **more):
    return Mixture(data, folds, plan, Rows(data, folds, plan, **more), seed=3)


def epoch(batches, number=0):
    return [batches.make(draw) for draw in batches.draws(number)]


def test_a_batch_holds_of_each_kind_what_the_recipe_says(data):
    (batch, _) = epoch(mixture(data))
    assert batch.inputs["mel"].shape == (9, STEPS * 25, 80)
    assert batch.inputs["chroma"].shape == (9, STEPS * 5, 12)
    counts = {k: int(w[:, -1].sum()) for k, w in batch.masks.items() if w.ndim == 2}
    assert counts["half_planes"] == 3  # no music is half of each
    assert counts["cluster"] == 2
    assert counts["sound"] == 1
    assert int(batch.masks["mood"][:, -1, 0].sum()) == 4


def test_an_epoch_has_every_song_once_and_repeats_after_a_restart(data):
    first, again = ([b.inputs["mel"] for b in epoch(mixture(data), 5)] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    songs = torch.cat([m[:4, 0, 0] for m in first])
    assert sorted(songs.tolist()) == [1, 2, 3, 4, 5, 6, 7, 8]
    other = [b.inputs["mel"] for b in epoch(mixture(data), 6)]
    assert not all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


def test_two_processes_share_the_songs_of_an_epoch(data):
    plan = msgspec.structs.replace(PLAN, mix=msgspec.structs.replace(MIX, curve=2))
    draws = [mixture(data, plan).draws(4, rank, 2) for rank in (0, 1)]
    assert [len(d) for d in draws] == [2, 2]
    songs = [i for d in draws for draw in d for i in draw.rows[:2]]
    assert sorted(songs) == [0, 1, 2, 3, 4, 5, 6, 7]


def test_a_held_out_fold_is_in_no_row(data):
    batches = epoch(mixture(data, folds=(0,)))
    seen = {float(x) for b in batches for x in b.inputs["mel"][:, 0, 0]}
    assert not seen & {1, 3, 5, 7}


def test_labels_follow_the_crop_and_what_is_unknown_has_no_weight():
    one = clip(1)
    labels = one.labels.copy()
    labels[:] = np.arange(20)[:, None] / 100
    labels[12] = np.nan
    targets, weights = known(replace(one, labels=labels), 3)
    assert targets["mood"][0, 0] == pytest.approx(0.03)
    assert weights["mood"][:, 0].tolist() == [1.0] * 9 + [0.0] + [1.0] * 7 + [0.0] * 2
    assert (targets["mood"][weights["mood"] == 0] == 0).all()
    targets, weights = known(clip(2, cluster=4), 0)
    assert targets["ranks"][0].tolist() == [0, 2]  # aggressive: low valence, high arousal
    assert weights["mood"].sum() == 0


def test_after_a_cut_the_first_second_and_a_half_counts_as_the_recipe_says(data):
    plain = epoch(mixture(data))[0]
    joined = splice(plain, 1.0, 0.7, torch.Generator().manual_seed(0))
    mel = plain.inputs["mel"]
    for row in range(len(mel)):
        heard = joined.inputs["mel"][row, ::25, 0]
        cut = int((heard != heard[-1]).sum())  # another clip, or the same one louder or softer
        assert 3 <= cut <= 15
        assert heard[-1] == mel[row, 0, 0]
        source = joined.targets["source"][row, :, 0]
        assert (source[cut:] == row).all()
        assert (source[:cut] == source[0]).all()
        early = joined.masks["early"][row]
        assert torch.allclose(early[cut : cut + CUT_STEPS], torch.tensor(0.7))
        assert (early[cut + CUT_STEPS :] == 1).all()
        before = int(source[0])  # labels before the cut are the other clip's
        assert torch.equal(joined.targets["mood"][row, :cut], plain.targets["mood"][before, :cut])
        louder = heard[0] / mel[before, 0, 0]
        assert 10**-0.6 <= louder <= 10**0.6
    assert torch.equal(splice(plain, 0.0, 0.7, torch.Generator()).inputs["mel"], mel)


def test_twins_are_the_same_crop_changed_in_two_ways(data):
    changed = msgspec.structs.replace(
        PLAN, mix=msgspec.structs.replace(MIX, twins=3), augment={**STILL, "eq": 1.0}
    )
    batch = epoch(mixture(data, changed))[0]
    assert len(batch.rows) == 9
    assert len(batch) == 12
    for name in ("mood", "source"):
        assert torch.equal(batch.targets[name][:3], batch.targets[name][-3:])
    assert not torch.allclose(batch.inputs["mel"][:3], batch.inputs["mel"][-3:])


def test_labels_count_by_the_agreement_of_raters(data):
    deviation = np.tile(np.array([[0.1, 0.4]], np.float32), (20, 1))
    data.clips[0] = replace(data.clips[0], deviation=deviation)
    data.clips[1] = replace(data.clips[1], deviation=3 * deviation)
    rng = np.random.default_rng(0)
    plan = msgspec.structs.replace(PLAN, weights=WeightPart(noise=1.0))
    rows = Rows(data, (0, 1), plan)  # typical: twice the smaller deviation, both axes
    assert rows.row(0, rng).weights["mood"][0] == pytest.approx([2 / (1 + 0.25)] * 2)
    assert rows.row(1, rng).weights["mood"][0] == pytest.approx([2 / (1 + 2.25)] * 2)
    assert rows.row(2, rng).weights["mood"][0].tolist() == [1, 1]  # not known
    assert Rows(data, (0, 1), PLAN).row(0, rng).weights["mood"][0].tolist() == [1, 1]


def test_a_short_clip_is_repeated_and_its_labels_are_not():
    data = LiveData()
    data.add(clip(1, steps=9), np.ones((225, 80), np.float32), np.ones((45, 12), np.float32))
    data.add(clip(2), np.ones((500, 80), np.float32), np.ones((100, 12), np.float32))
    row = Rows(data, (0,), PLAN).row(0, np.random.default_rng(0))
    assert row.mel.shape == (STEPS * 25, 80)
    assert row.weights["mood"][:, 0].tolist() == [1.0] * 9 + [0.0] * 10


def table(steps, seed=0):
    rng = np.random.default_rng(seed)
    n = len(steps)
    return TagTable(
        np.array(steps), rng.standard_normal((n, 30)) * 9, rng.standard_normal((n, 50)) - 3
    )


def test_soft_targets_have_one_scale_and_weigh_directions_by_their_variance():
    tables = [table([6, 10, 14, 18, 20], k) for k in range(40)]
    soft = fit_soft_targets(tables, 12)
    y = np.concatenate([soft(t) for t in tables])
    assert soft.size == y.shape[1] == 62
    assert np.abs(y.mean(0)).max() < 1e-3
    spread = y.std(0)
    assert spread[12:] == pytest.approx(np.ones(50), abs=1e-2)
    assert spread[0] == pytest.approx(1, abs=1e-2)
    assert (np.diff(spread[:12]) < 1e-6).all()
    apart = np.corrcoef(y[:, :12].T) - np.eye(12)
    assert np.abs(apart).max() < 1e-3  # principal components
    few = fit_soft_targets(tables[:1], 200)
    assert np.isfinite(few(tables[1])).all()


def test_soft_targets_are_linear_between_windows_and_absent_before_the_first():
    y = np.array([[0.0], [4.0], [8.0], [10.0]], np.float32)
    given, there = at_steps(table([6, 10, 14, 15]), y, 18)
    assert there.tolist() == [0.0] * 5 + [1.0] * 13
    assert given[:, 0].tolist() == [0] * 5 + [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 10, 10, 10]
    later, there = at_steps(table([6, 10, 14, 15]), y, 8, start=4)
    assert (
        there.tolist() == [0.0] * 5 + [1.0] * 3
    )  # windows that began before the clip are left out
    assert later[5:, 0].tolist() == [4, 5, 6]
    none, there = at_steps(table([]), y[:0], 4)
    assert not none.any()
    assert not there.any()


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    root = tmp_path_factory.mktemp("taught")
    make_dataset(root, "clips", n_songs=6)
    data, cache = LiveData(), FeatureCache(root / "cache")
    for k, path in enumerate(sorted((root / "audio_30_40s").iterdir())[:4]):
        mel, chroma = (cache.get(path, spec) for spec in FRONT_ENDS.values())
        data.add(replace(clip(k + 1, fold=k % 2), path=path), mel, chroma)
    return root, data, cache


def test_without_weights_training_says_what_is_missing(recordings, capsys):
    root, data, cache = recordings
    assert load_tables(data, root, cache, TeacherPart()) == {}
    assert "data get musicnn" in capsys.readouterr().err
    assert any("without a teacher" in note for note in data.notes)
    assert fit_teaching(data, {}, (0, 1), 5) is None


def test_recordings_to_soft_targets_of_rows_and_of_changed_copies(recordings):
    root, data, cache = recordings
    write_weights(root / FOLDER / WEIGHTS, random_weights())
    part = TeacherPart(components=3, variants=1)
    tables = load_tables(data, root, cache, part)
    assert set(tables) == {(i, k) for i in range(4) for k in (0, 1)}
    taught = fit_teaching(data, tables, (0,), 3)
    other = {key: t for key, t in tables.items() if key[0] % 2 == 0}  # clips of fold 0
    fold0 = fit_teaching(data, other, (0,), 3)
    assert np.allclose(taught.steps(0, 0, 20, 0)[0], fold0.steps(0, 0, 20, 0)[0], atol=1e-5)
    plan = msgspec.structs.replace(
        PLAN, teacher=part, mix=msgspec.structs.replace(MIX, variants=1.0)
    )
    row = Rows(data, (0, 1), plan, taught, cache).row(1, np.random.default_rng(0))
    assert row.targets["teacher"].shape == (STEPS, 53)
    assert row.weights["teacher"].tolist()[-14:] == [1.0] * 14
    copy = variant_features(cache, data.clips[1].path, 1, list(FRONT_ENDS.values()))[0]
    frames = torch.from_numpy(np.array(copy))
    tenths = [torch.equal(row.mel, frames[5 * k :][: STEPS * 25]) for k in range(5)]
    assert sum(tenths) == 1
    own, _ = taught.steps(1, 1, 20, 0)
    assert np.array_equal(row.targets["teacher"], own[:STEPS])
    plain = Rows(data, (0, 1), PLAN, taught).row(1, np.random.default_rng(0))
    assert not np.allclose(plain.targets["teacher"], row.targets["teacher"])


@pytest.mark.parametrize(
    ("options", "name"), [({"mix": {"curv": 1}}, "curv"), ({"net": {"chanels": [1]}}, "chanels")]
)
def test_unknown_names_are_refused_with_their_place(options, name):
    recipe = load_recipe("live")
    network = msgspec.structs.replace(recipe.network, options=options)
    with pytest.raises(UsageError, match=name):
        mood_plan(msgspec.structs.replace(recipe, network=network))
