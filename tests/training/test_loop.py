"""The loop that trains every network: steps, schedules, averages, restarts, several processes."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn
from toy import ROWS, Rows, Toy, fit_toy, toy_data, toy_recipe

from offline.batches.draws import EpochSampler, loader_of
from offline.batches.example import Example, collate
from offline.training import loop
from offline.training.loop import fit_network, precision_of, train_network
from offline.training.module import schedule_of
from offline.training.system import TrainingData
from streammer.errors import InputError, UsageError

AVERAGED = {"average": 0.9, "schedule": "one_cycle", "optimiser": "adamw", "keep": "last"}


def _same(a, b):
    one, other = a.net.state_dict(), b.net.state_dict()
    return all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize("training", [{}, AVERAGED, {"workers": 1}])
def test_a_killed_run_goes_on_to_the_same_weights_and_rows(tmp_path, training):
    whole, rows = fit_toy(tmp_path / "whole", **training)
    _, before = fit_toy(tmp_path / "cut", die_in=2, **training)
    cut, after = fit_toy(tmp_path / "cut", **training)
    assert cut.facts["resumed"]
    assert before + after == rows
    assert {epoch for epoch, _, _ in after} == {2, 3}
    assert _same(whole, cut)
    assert whole.facts["hash"] == cut.facts["hash"]


def test_a_finished_network_is_read_and_not_trained_again(tmp_path):
    first, _ = fit_toy(tmp_path)
    again, rows = fit_toy(tmp_path)
    assert rows == []
    assert _same(first, again)


def test_a_run_that_was_killed_after_its_last_step_takes_no_further_one(tmp_path):
    first, _ = fit_toy(tmp_path, steps=5)
    (tmp_path / "checkpoints" / loop.SUMMARY).unlink()
    again, rows = fit_toy(tmp_path, steps=5)
    assert rows == []
    assert again.facts["steps"] == 5
    assert _same(first, again)


@pytest.mark.parametrize(("steps", "epochs"), [(2, 1), (3, 1), (7, 3)])
def test_a_budget_of_steps_ends_inside_an_epoch_and_is_validated(tmp_path, steps, epochs):
    fitted, rows = fit_toy(tmp_path, steps=steps)  # an epoch has three full batches
    assert fitted.facts["steps"] == steps == len(rows)
    assert len({epoch for epoch, _, _ in rows}) == epochs
    with (tmp_path / "curves" / "metrics.csv").open() as file:
        validated = [r for r in csv.DictReader(file) if r.get("val_loss")]
    assert len(validated) == epochs


def test_every_term_of_the_loss_is_logged_and_weighted(tmp_path):
    fit_toy(tmp_path, epochs=1)
    with (tmp_path / "curves" / "metrics.csv").open() as file:
        row = next(r for r in csv.DictReader(file) if r.get("val_loss"))
    total = float(row["val_mood"]) + 0.01 * float(row["val_small"])
    assert float(row["val_loss"]) == pytest.approx(total, rel=1e-5)
    assert list((tmp_path / "tensorboard").glob("events*"))


def test_a_weight_of_no_term_is_refused_with_the_near_name(tmp_path):
    with pytest.raises(UsageError, match="did you mean mood"):
        fit_toy(tmp_path, weights={"moood": 2.0})


def test_the_average_of_weights_is_what_is_kept(tmp_path):
    steps = []

    class Watch(Callback):
        def on_train_batch_end(self, trainer, pl_module, *args):
            steps.append(pl_module.net[0].weight.detach().clone())

    recipe = toy_recipe(keep="last", average=0.9)
    fitted = fit_network(
        Toy(recipe), toy_data(recipe), tmp_path, seed=3, callbacks=[Watch()], show=False
    )
    average = steps[0]
    for n, now in enumerate(steps[1:], 1):
        average = average.lerp(now, 1 - min(0.9, (1 + n) / (10 + n)))
    assert torch.allclose(fitted.net[0].weight, average, atol=1e-6)
    assert not torch.allclose(fitted.net[0].weight, steps[-1], atol=1e-3)


def test_a_step_is_no_longer_than_the_gradient_is_allowed_to_be(tmp_path):
    moved = {}
    for clip in (0.0, 0.01):
        recipe = toy_recipe(optimiser="sgd", lr=1.0, clip=clip, steps=1, keep="last")
        fitted = fit_network(
            Toy(recipe), toy_data(recipe), tmp_path / str(clip), seed=3, show=False
        )
        torch.manual_seed(3)
        start = Toy(recipe).network()
        pairs = zip(start.parameters(), fitted.net.parameters(), strict=True)
        moved[clip] = float(sum((a - b).detach().square().sum() for a, b in pairs)) ** 0.5
    assert moved[0.01] == pytest.approx(0.01, rel=0.01)
    assert moved[0.0] > 0.05


def test_nothing_stops_early_where_the_last_weights_are_kept(tmp_path):
    training = {"lr": 5.0, "epochs": 30, "patience": 1, "optimiser": "sgd"}
    stopped, _ = fit_toy(tmp_path / "best", **training)
    whole, _ = fit_toy(tmp_path / "last", keep="last", **training)
    assert stopped.facts["epochs"] < 30
    assert whole.facts["epochs"] == 30


def test_without_a_validation_side_the_last_weights_are_kept(tmp_path):
    fitted, rows = fit_toy(tmp_path, validation=False, patience=2)
    assert fitted.facts["best"] == "last.ckpt"
    assert fitted.facts["best_val_loss"] is None
    assert len(rows) == 4 * 3


def test_a_student_is_drawn_to_the_mean_of_the_seeds_before_it(tmp_path):
    recipe = toy_recipe(distil_seeds=2, epochs=2, weights={"distil": 3.0})
    asked = []

    def data(seed):
        asked.append(seed)
        return toy_data(recipe)

    student = train_network(Toy(recipe), data, tmp_path, seed=0, show=False)
    assert len(set(asked)) == 3
    seeds = sorted(p.name for p in (tmp_path / "seeds").iterdir())
    assert seeds == ["0", "1"]
    with (tmp_path / "curves" / "metrics.csv").open() as file:
        logged = [float(r["train_distil"]) for r in csv.DictReader(file) if r.get("train_distil")]
    assert logged[0] > 0
    plain = train_network(Toy(toy_recipe(epochs=2)), data, tmp_path / "plain", seed=0, show=False)
    assert not _same(student, plain)
    again = train_network(Toy(recipe), data, tmp_path, seed=0, show=False)
    assert _same(student, again)


@pytest.mark.parametrize("name", ["one_cycle", "cosine"])
def test_a_schedule_rises_falls_and_ends_at_nothing_by_steps(name):
    part = toy_recipe(schedule=name, warm_share=0.25, lr=0.1, optimiser="adamw").training
    optimiser = torch.optim.AdamW(nn.Linear(1, 1).parameters(), lr=0.1)
    schedule = schedule_of(part, optimiser, 40)
    rates = []
    for _ in range(40):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    assert rates[0] < 0.01
    assert max(rates) == pytest.approx(0.1, rel=0.01)
    assert 8 <= rates.index(max(rates)) <= 11
    assert rates[-1] < 0.001


def test_a_decay_takes_its_factor_every_so_many_epochs():
    part = toy_recipe(schedule="decay", decay=0.5, decay_epochs=2, lr=0.4).training
    optimiser = torch.optim.Adam(nn.Linear(1, 1).parameters(), lr=0.4)
    schedule = schedule_of(part, optimiser, 100, 3)
    rates = []
    for _ in range(13):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    assert rates == [0.4] * 6 + [0.2] * 6 + [0.1]


def test_a_plateau_takes_the_rate_down_and_ends_training(tmp_path):
    plateau = {"schedule": "plateau", "decay": 0.1, "decay_epochs": 0, "least_lr": 0.5}
    fitted, _ = fit_toy(tmp_path / "a", lr=20.0, epochs=50, optimiser="sgd", **plateau)
    assert fitted.facts["epochs"] < 50
    whole, rows = fit_toy(tmp_path / "whole", lr=2.0, **plateau | {"least_lr": 0.0})
    _, before = fit_toy(tmp_path / "cut", lr=2.0, die_in=2, **plateau | {"least_lr": 0.0})
    cut, after = fit_toy(tmp_path / "cut", lr=2.0, **plateau | {"least_lr": 0.0})
    assert before + after == rows
    assert _same(whole, cut)
    with pytest.raises(UsageError, match="nothing is held out"):
        fit_toy(tmp_path / "none", validation=False, **plateau)


def test_a_warm_rate_lasts_its_steps():
    part = toy_recipe(warm_lr=0.1, warm_steps=3, lr=0.01, optimiser="sgd").training
    optimiser = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=0.01)
    schedule = schedule_of(part, optimiser, 10)
    rates = []
    for _ in range(5):
        rates.append(round(optimiser.param_groups[0]["lr"], 6))
        optimiser.step()
        schedule.step()
    assert rates == [0.1, 0.1, 0.1, 0.01, 0.01]


def test_half_precision_follows_the_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert precision_of(toy_recipe(precision="mixed").training) == "bf16-mixed"
    with pytest.raises(UsageError, match="needs a GPU"):
        precision_of(toy_recipe(precision="16-mixed").training)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert precision_of(toy_recipe(precision="mixed").training) == "16-mixed"
    assert precision_of(toy_recipe(precision="mixed", accelerator="cpu").training) == "bf16-mixed"


def test_batches_are_the_same_whoever_makes_them():
    batches = Rows(4, 0, train=True)
    plain, spread = (list(loader_of(batches, epoch=1, workers=n)) for n in (0, 2))
    for a, b in zip(plain, spread, strict=True):
        assert a.rows == b.rows
        assert torch.equal(a.inputs["x"], b.inputs["x"])


def test_processes_share_an_epoch_and_all_validate_the_same():
    batches, held = Rows(2, 0, train=True), Rows(2, 0, train=False)
    shares = [[r for d in batches.draws(1, rank, 2) for r in d.rows] for rank in (0, 1)]
    assert not set(shares[0]) & set(shares[1])
    assert len(shares[0]) == len(shares[1]) == ROWS // 2
    assert list(held.draws(0)) == list(held.draws(5, 0, 2))
    with pytest.raises(InputError, match="too few"):
        batches.draws(0, 0, ROWS + 1)


def test_a_loader_knows_how_many_batches_an_epoch_has():
    assert len(EpochSampler(Rows(4, 0, train=True))) == 3
    assert len(EpochSampler(Rows(4, 0, train=False))) == 4
    assert len(TrainingData(Rows(50, 0, train=True), None).train.draws(0)) == 1


def test_examples_of_several_lengths_and_modalities_are_padded_and_masked():
    examples = [
        Example({"mel": torch.ones(2, 3), "words": torch.arange(n)}, {"mood": torch.ones(n, 2)})
        for n in (4, 2)
    ]
    batch = collate(examples, (7, 9))
    assert batch.inputs["mel"].shape == (2, 2, 3)
    assert batch.inputs["words"].tolist() == [[0, 1, 2, 3], [0, 1, 0, 0]]
    assert batch.inputs["words.length"].tolist() == [4, 2]
    assert batch.mask("mood")[:, :, 0].tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    assert len(batch) == 2
    assert batch.rows == (7, 9)


def _two_processes(folder, *more):
    script = Path(__file__).with_name("toy.py")
    done = subprocess.run(
        [sys.executable, str(script), str(folder), *more], cwd=Path(__file__).parents[2],
        env=None, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return {p.stem: json.loads(p.read_text()) for p in folder.glob("rank*.json")}


def test_two_processes_draw_other_rows_of_every_epoch_also_after_a_restart(tmp_path):
    _two_processes(tmp_path, "2")  # dies in epoch 2, then goes on
    seen = _two_processes(tmp_path)
    batches, of = Rows(2, 0, train=True), {}
    for rank in (0, 1):
        rows = seen[f"rank{rank}-from0"] + seen[f"rank{rank}-from2"]
        wanted = [[e, rank, [*d.rows]] for e in range(4) for d in batches.draws(e, rank, 2)]
        assert rows == wanted
        for epoch, _, some in rows:
            of.setdefault((epoch, rank), []).extend(some)
    for epoch in range(4):
        assert not set(of[epoch, 0]) & set(of[epoch, 1])
    for rank in (0, 1):
        assert len({tuple(of[epoch, rank]) for epoch in range(4)}) == 4
