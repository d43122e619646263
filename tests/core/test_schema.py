"""The columns of tables are those of what is written into them."""

import re
import typing
from pathlib import Path
from types import NoneType

import msgspec
import numpy as np
import pytest
import soundfile

from streammer.config import StreamConfig
from streammer.estimate import MoodEstimate
from streammer.labelling.together import given, label_together
from streammer.schema import FILE_COLUMNS, STEP_COLUMNS
from tests.sounds import SR


def labelled(path, models, *, steps):
    ((_, result),) = label_together(given([(0, path)]), StreamConfig(), models, steps=steps)
    return result


KINDS = {"text": str, "integer": int, "number": float}


def test_a_row_a_step_has_the_path_and_all_keys_of_an_estimate():
    path, *rest = STEP_COLUMNS
    assert (path.name, path.kind, path.nullable) == ("path", "text", False)
    fields = msgspec.structs.fields(MoodEstimate)
    assert [column.name for column in rest] == [field.name for field in fields]
    for column, field in zip(rest, fields, strict=True):
        types = set(typing.get_args(field.type)) or {field.type}
        flat = {a for t in types for a in (typing.get_args(t) or (t,))}
        assert column.nullable == (NoneType in flat)
        assert all(isinstance(t, str) or t in (KINDS[column.kind], NoneType) for t in flat)


@pytest.mark.parametrize("steps", [False, True])
@pytest.mark.parametrize("sound", ["song", "silence"])
def test_rows_have_the_columns_and_types_of_the_schema(models, song, tmp_path, steps, sound):
    path = tmp_path / "sound.wav"
    soundfile.write(path, song if sound == "song" else np.zeros_like(song), SR)
    rows = labelled(path, models, steps=steps).rows
    columns = STEP_COLUMNS if steps else FILE_COLUMNS
    for row in rows:
        assert list(row) == [column.name for column in columns]
        for column in columns:
            value = row[column.name]
            assert (value is None and column.nullable) or type(value) is KINDS[column.kind]


@pytest.mark.parametrize(
    ("gain", "state"), [(0.0, "silent"), (np.nan, "silent"), (1e200, "silent"), (1e4, "clipping")]
)
def test_a_row_names_the_state_and_no_quadrant_without_a_mood(models, song, tmp_path, gain, state):
    path = tmp_path / "sound.wav"
    with np.errstate(invalid="ignore"):
        sound = song.astype(np.float64) * gain
    soundfile.write(path, sound, SR, subtype="DOUBLE")
    result = labelled(path, models, steps=False)
    (row,) = result.rows
    assert row["state"] == state
    assert (row["quadrant"] is None) == (state == "silent")
    assert ("samples are NaN, infinite or beyond 1e6" in result.warning) == (gain not in (0.0, 1e4))


def test_a_row_carries_four_decimals(models, song_wav):
    (row,) = labelled(song_wav, models, steps=False).rows
    for name in ("valence", "arousal"):
        assert row[name] == round(row[name], 4)


def test_the_page_of_tables_has_the_columns_of_a_row_a_file():
    page = Path(__file__).parents[2] / "docs" / "tables.md"
    row = re.compile(r"^\| `(\w+)` \| (\w+) \| (.*?)\|", re.MULTILINE)
    shown = [
        (name, kind, bool(missing.strip())) for name, kind, missing in row.findall(page.read_text())
    ]
    assert shown == [(column.name, column.kind, column.nullable) for column in FILE_COLUMNS]
