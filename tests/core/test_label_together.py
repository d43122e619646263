"""Files that are labelled side by side: each to the bit as it is alone."""

import msgspec
import numpy as np
import pytest
import soundfile

from streammer.config import StreamConfig
from streammer.labelling.together import SIDE_BY_SIDE, given, label_together, load_for_label
from streammer.labelling.workers import label_files
from tests.core.engine_parts import VOLATILE
from tests.sounds import SR, make_song

FILES = 7


@pytest.fixture(scope="module")
def loaded():
    return load_for_label(("small",))


@pytest.fixture(scope="module")
def album(tmp_path_factory):
    """Return files of unlike lengths and kinds, one of them none."""
    folder = tmp_path_factory.mktemp("album")
    paths = []
    for k in range(FILES):
        song = make_song(2.0 + 1.7 * (k % 4), seed=k, channels=1 + k % 2)
        paths.append(folder / f"{k}.{'wav' if k % 2 else 'flac'}")
        soundfile.write(paths[-1], song, SR if k % 3 else 22050)
    paths.insert(3, folder / "none.wav")
    paths[3].write_bytes(b"RIFF")
    return paths


def rows(paths, loaded, config=None):
    """Return the rows of each file, but for what differs from run to run."""
    files = given(enumerate(paths))
    found = dict(label_together(files, config or StreamConfig(), loaded, steps=True))
    assert sorted(found) == list(range(len(paths)))
    return {
        paths[k]: [{n: v for n, v in row.items() if n not in VOLATILE} for row in result.rows]
        or result.error
        for k, result in found.items()
    }


def test_a_file_is_to_the_bit_the_same_whatever_stands_beside_it(album, loaded):
    together = rows(album, loaded)
    for path in album:
        assert rows([path], loaded)[path] == together[path]
    rng = np.random.default_rng(3)
    for _ in range(2):
        order = [album[k] for k in rng.permutation(len(album))]
        assert rows(order, loaded) == together


def test_one_call_of_the_model_steps_several_files_and_has_always_the_same_size(
    album, loaded, monkeypatch
):
    from streammer.inference.backends import onnx

    sizes, fed = [], []
    run = onnx.run_session

    def counted(session, outputs, feeds, label):
        sizes.append({len(array) for array in feeds.values()})
        return run(session, outputs, feeds, label)

    backend = loaded[0].backend
    step = backend.step
    monkeypatch.setattr(onnx, "run_session", counted)
    monkeypatch.setattr(
        backend, "step", lambda slots, features: (fed.append(len(slots)), step(slots, features))[1]
    )
    rows(album, loaded)
    assert all(size == {SIDE_BY_SIDE} for size in sizes)
    assert np.mean(fed) > 0.6 * SIDE_BY_SIDE


def test_a_file_that_fails_on_the_way_costs_no_other_a_row(album, loaded, monkeypatch):
    from streammer.sources.file import FileSource

    read = FileSource.read
    count = iter(range(10**9))

    def failing(self, timeout_s):
        if self.info.name.endswith("1.wav") and next(count) > 3:
            raise RuntimeError("the decoder went mad")
        return read(self, timeout_s)

    whole = rows(album, loaded)
    monkeypatch.setattr(FileSource, "read", failing)
    broken = rows(album, loaded)
    (failed,) = [path for path in album if broken[path] != whole[path]]
    assert failed.name == "1.wav"
    assert broken[failed] == "RuntimeError: the decoder went mad"


def test_slots_and_sources_are_given_back_when_nobody_reads_on(album, loaded):
    backend = loaded[0].backend
    results = label_together(given(enumerate(album)), StreamConfig(), loaded, steps=False)
    next(results)
    results.close()
    assert not backend._used


def test_more_processes_give_the_same_rows(album):
    config = StreamConfig(models=("small",))
    one = dict(label_files(album, config, jobs=1))
    two = dict(label_files(album, config, jobs=2))
    assert {k: msgspec.to_builtins(v.rows) for k, v in one.items()} == {
        k: msgspec.to_builtins(v.rows) for k, v in two.items()
    }
    assert {k: v.error for k, v in one.items()} == {k: v.error for k, v in two.items()}
