"""Every reading of an outer fold is written down, and what is written is counted."""

import pytest

from offline.evaluation.ledger import (
    LEDGER,
    Readings,
    config_hash,
    read_ledger,
    readings,
    record_reading,
)
from streammer.errors import InputError, OutputError


def test_readings_are_counted_by_fold_artefact_and_configuration(tmp_path):
    assert readings(tmp_path, 0, "live") == Readings(0, 0, 0)
    for fold, config, artefact in ((0, "a", "x"), (0, "a", "x"), (0, "b", "y"), (1, "a", "z")):
        record_reading(tmp_path, fold, system="live", run="one", config=config, artefact=artefact)
    record_reading(tmp_path, 0, system="conv", run="two", config="a", artefact="w")
    assert readings(tmp_path, 0, "live") == Readings(3, 2, 2)
    assert readings(tmp_path, 1, "live") == Readings(1, 1, 1)
    assert str(readings(tmp_path, 0, "live")) == "3 x, 2 artefacts, 2 configurations"
    assert str(readings(tmp_path, 1, "live")) == "1 x, 1 artefact, 1 configuration"
    assert readings(tmp_path, 0, "conv") == Readings(1, 1, 1)


def test_a_ledger_is_appended_with_the_time_of_the_reading(tmp_path):
    record_reading(tmp_path / "runs", 2, system="s", run="one", config="c", artefact="h", at=0.0)
    first = (tmp_path / "runs" / LEDGER).read_text()
    record_reading(tmp_path / "runs", 3, system="s", run="two", config="c", artefact="i")
    assert (tmp_path / "runs" / LEDGER).read_text().startswith(first)
    assert read_ledger(tmp_path / "runs")[0] == {
        "at": "1970-01-01T00:00:00Z", "fold": 2, "system": "s", "run": "one", "config": "c",
        "artefact": "h",
    }  # fmt: skip


def test_a_ledger_that_cannot_be_written_or_read_is_one_line(tmp_path):
    (tmp_path / LEDGER).mkdir()
    with pytest.raises(OutputError, match="read only where that is written down"):
        record_reading(tmp_path, 0, system="s", run="a", config="b", artefact="c")
    other = tmp_path / "other"
    other.mkdir()
    (other / LEDGER).write_text('{"fold": 0}\n')
    with pytest.raises(InputError, match="line 1 is no reading of an outer fold"):
        read_ledger(other)


def test_a_configuration_is_what_a_run_does_not_what_it_is_called():
    one = {"name": "a", "about": "x", "training": {"lr": 0.1}}
    assert config_hash(one) == config_hash({**one, "name": "b", "about": "y"})
    assert config_hash(one) != config_hash({**one, "training": {"lr": 0.2}})
