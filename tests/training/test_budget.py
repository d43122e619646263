"""The time budget of a training run."""

from types import SimpleNamespace

import pytest

from offline.training import loop as training
from offline.training.loop import TimeBudget


@pytest.fixture
def clocks(monkeypatch):
    now = SimpleNamespace(process=100.0, wall=5000.0)
    monkeypatch.setattr(training.time, "process_time", lambda: now.process)
    monkeypatch.setattr(training.time, "monotonic", lambda: now.wall)
    monkeypatch.setattr(training.torch, "get_num_threads", lambda: 2)
    return now


def _trainer(*, others=False):
    decide = SimpleNamespace(reduce_boolean_decision=lambda own, all: own or others)
    return SimpleNamespace(strategy=decide, should_stop=False)


def _epoch(budget, trainer, clocks, device, *, process, wall):
    module = SimpleNamespace(device=SimpleNamespace(type=device))
    budget.on_train_epoch_start(trainer, module)
    clocks.process += process
    clocks.wall += wall
    budget.on_train_epoch_end(trainer, module)


def test_a_busy_machine_takes_nothing_from_a_budget_on_a_cpu(clocks):
    budget, trainer = TimeBudget(10.0), _trainer()
    _epoch(budget, trainer, clocks, "cpu", process=12.0, wall=60.0)  # two threads, 6 s each
    assert budget.spent_s == 6.0
    assert not trainer.should_stop
    _epoch(budget, trainer, clocks, "cpu", process=12.0, wall=60.0)
    assert trainer.should_stop


def test_a_budget_on_a_gpu_is_by_the_clock_and_survives_a_restart(clocks):
    budget, trainer = TimeBudget(10.0), _trainer()
    _epoch(budget, trainer, clocks, "cuda", process=60.0, wall=6.0)
    assert not trainer.should_stop
    again = TimeBudget(10.0)
    again.load_state_dict(budget.state_dict())
    _epoch(again, trainer, clocks, "cuda", process=60.0, wall=6.0)
    assert again.spent_s == 12.0
    assert trainer.should_stop


def test_one_process_out_of_time_stops_all(clocks):
    trainer = _trainer(others=True)
    _epoch(TimeBudget(10.0), trainer, clocks, "cpu", process=1.0, wall=1.0)
    assert trainer.should_stop


def test_no_budget_never_stops(clocks):
    trainer = _trainer()
    _epoch(TimeBudget(0.0), trainer, clocks, "cpu", process=1e6, wall=1e6)
    assert not trainer.should_stop
