import numpy as np
import pytest

from streammer.audio.block import Block, SourceEnd
from streammer.clock import FakeClock
from streammer.errors import UsageError
from streammer.sources.open import open_source


def hear(y, sr=1000):
    clock = FakeClock()
    source = open_source(y, sr=sr, clock=clock)
    info = source.open()
    parts = []
    while isinstance(item := source.read(0.0), Block):
        assert item.position == sum(map(len, parts))
        parts.append(item.samples)
        at = clock.unix() + sum(map(len, parts)) / sr
        assert item.t_capture == pytest.approx(at)
    assert item == SourceEnd("eof")
    source.close()
    assert source.read(0.0) == SourceEnd("closed")
    return info, np.concatenate(parts)


@pytest.mark.parametrize("shape", [(10_001,), (10_001, 1), (10_001, 5)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
def test_an_array_gives_its_samples_once(shape, dtype):
    y = np.random.default_rng(0).uniform(-1, 1, shape).astype(dtype)
    info, heard = hear(y)
    assert info.channels == (1 if len(shape) == 1 else shape[1])
    assert (info.kind, info.clocked) == ("array", False)
    assert heard.dtype == np.float32
    assert np.array_equal(heard, y.reshape(len(y), -1).astype(np.float32))


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        (np.int16, [-(2**15), 0, 2**14]),
        (np.int32, [-(2**31), 0, 2**30]),
        (np.uint8, [0, 128, 192]),
    ],
)
def test_integers_are_scaled_by_their_full_range(dtype, values):
    _, heard = hear(np.array(values, dtype))
    assert heard[:, 0].tolist() == [-1.0, 0.0, 0.5]


def test_nan_and_what_float32_cannot_hold_are_passed_on_for_the_engine_to_count():
    _, heard = hear(np.array([np.nan, 1e300, -np.inf, 0.5]))
    assert np.isnan(heard[0, 0])
    assert np.isinf(heard[1:3, 0]).all()


@pytest.mark.parametrize(
    ("y", "sr", "said"),
    [
        (np.zeros(4), None, "give sr"),
        (np.zeros(4), 0, "expected a rate"),
        (np.zeros(4), 44100.9, "44100.9, expected a rate in whole Hz"),
        (np.zeros(4), float("nan"), "expected a rate"),
        (np.zeros(4), "44100", "expected a rate"),
        (np.zeros((2, 44100)), 44100, "transpose"),
        (np.zeros((2, 2, 2)), 44100, "expected"),
        (np.array(["a"]), 44100, "expected floating point"),
        (np.zeros(4, complex), 44100, "expected floating point"),
    ],
)
def test_what_is_no_sound_is_refused(y, sr, said):
    with pytest.raises(UsageError, match=said):
        open_source(y, sr=sr, clock=FakeClock())


def test_a_rate_that_is_whole_may_be_of_any_type():
    for sr in (8000.0, np.int64(8000), np.float32(8000)):
        assert open_source(np.zeros(10), sr=sr, clock=FakeClock()).info.sr == 8000
