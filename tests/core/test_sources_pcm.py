"""Raw PCM: formats, odd tails, stalls, ends, from pipes and from objects in memory."""

import io
import os
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streammer.audio.block import Block, SourceEnd
from streammer.clock import SystemClock
from streammer.errors import InputError, UsageError
from streammer.sources.open import open_source
from streammer.sources.pcm_guess import FORMATS


def source_of(stream, **options):
    return open_source("-", stdin=stream, clock=SystemClock(), **options)


def hear(source, timeout_s=5.0):
    parts = []
    while isinstance(item := source.read(timeout_s), Block):
        assert item.position == sum(map(len, parts))
        parts.append(item.samples)
    return parts, item


@pytest.fixture
def pipe():
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as r, os.fdopen(writing, "wb", buffering=0) as w:
        yield r, w


def encoded(values, format):
    if format == "f32le":
        return np.array(values, "<f4").tobytes()
    bits = {"s16le": 16, "s24le": 24, "s32le": 32}[format]
    whole = [int(v * 2 ** (bits - 1)) for v in values]
    return b"".join(v.to_bytes(bits // 8, "little", signed=True) for v in whole)


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_has_its_full_scale_at_one(format):
    values = [-1.0, -0.5, 0.0, 0.25, 0.5, 0.75]
    source = source_of(io.BytesIO(encoded(values, format)), format=format, channels=2)
    source.open()
    (samples,), end = hear(source)
    assert samples.tolist() == np.reshape(values, (3, 2)).tolist()
    assert end == SourceEnd("eof")


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    cuts=st.lists(st.integers(1, 40), max_size=30),
    channels=st.integers(1, 5),
    format=st.sampled_from(sorted(FORMATS)),
)
def test_frames_are_put_together_however_the_bytes_come(cuts, channels, format):
    rng = np.random.default_rng(0)
    values = rng.integers(-64, 64, 30 * channels) / 64
    data = encoded(values, format)

    class Dribble(io.RawIOBase):
        def __init__(self):
            self.at, self.sizes = 0, list(cuts)

        def isatty(self):
            return False

        def read(self, n=-1):
            size = self.sizes.pop() if self.sizes else 64
            part = data[self.at : self.at + size]
            self.at += len(part)
            return part

    source = source_of(Dribble(), format=format, channels=channels)
    source.open()
    parts, end = hear(source)
    source.close()
    assert end == SourceEnd("eof")
    assert np.array_equal(np.concatenate(parts).ravel(), values.astype(np.float32))


def test_a_tail_that_is_no_frame_is_left_out_and_said():
    source = source_of(io.BytesIO(bytes(8 * 3 + 5)), channels=2)
    source.open()
    (samples,), end = hear(source)
    assert len(samples) == 3
    assert end.reason == "eof"
    assert "5 of 8 bytes" in end.detail


def test_a_stall_returns_in_time_and_what_follows_is_heard(pipe):
    r, w = pipe
    clock = SystemClock()
    source = source_of(r, channels=1)
    source.open()
    before = clock.monotonic()
    assert source.read(0.15) is None
    assert 0.1 < clock.monotonic() - before < 1.0
    w.write(b"\0\0\0")  # less than a frame is nothing yet
    assert source.read(0.05) is None
    w.write(b"\0" * 5)
    block = source.read(5.0)
    assert len(block.samples) == 2
    assert block.t_capture == pytest.approx(clock.unix(), abs=1.0)
    w.close()
    assert source.read(5.0) == SourceEnd("eof")


def test_a_pipe_that_says_nothing_does_not_hold_up_the_end(pipe):
    source = source_of(pipe[0], channels=1)
    source.open()
    threading.Timer(0.05, source.close).start()
    assert source.read(20.0) == SourceEnd("closed")


def test_objects_in_memory_leave_no_thread_behind():
    before = set(threading.enumerate())  # one of an earlier test may end meanwhile
    for _ in range(3):
        source = source_of(io.BytesIO(bytes(10**6)), channels=2)
        source.open()
        assert isinstance(source.read(5.0), Block)
        source.close()
    for thread in threading.enumerate():
        if thread.name == "streammer-pipe":
            thread.join(timeout=5.0)
    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"format": "f32be"}, "did you mean f32le"),
        ({"format": "mp3"}, "is not one of"),
        ({"rate": 0}, "rate is 0"),
        ({"rate": 10**9}, "rate is"),
        ({"channels": 0}, "channels is 0"),
        ({"channels": 33}, "channels is 33"),
    ],
)
def test_options_that_are_none_of_sound_are_refused(options, said):
    with pytest.raises(UsageError, match=said):
        source_of(io.BytesIO(), **options)


def test_a_terminal_is_no_sound():
    controlling, terminal = os.openpty()
    with os.fdopen(terminal, "rb") as stream, pytest.raises(InputError, match="is a terminal"):
        source_of(stream).open()
    os.close(controlling)
