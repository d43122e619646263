"""Raw PCM in the wrong format, text, or a file piped as it is: said once, with the remedy."""

import io
import logging

import numpy as np
import pytest

from streammer.audio.block import SourceEnd
from streammer.clock import SystemClock
from streammer.sources.open import open_source
from streammer.sources.pcm_guess import FORMATS
from tests.core.decoding import adts, encoded, vorbis
from tests.sounds import SR


def make_tune(seconds, channels):
    """Chords that swell, other ones in each channel, as music has them; little noise."""
    t = np.arange(int(seconds * SR))[:, None] / SR
    tones = [np.sin(2 * np.pi * (f + 30 * np.arange(channels)) * t) for f in (220, 277, 1320)]
    noise = np.random.default_rng(0).standard_normal((len(t), channels))
    return ((0.2 + 0.1 * np.sin(9 * t)) * sum(tones) + 0.01 * noise).astype(np.float32)


def as_bytes(y, format):
    if format == "f32le":
        return y.astype("<f4").tobytes()
    bits = {"s16le": 16, "s24le": 24, "s32le": 32}[format]
    whole = np.round(y.astype(np.float64) * (2 ** (bits - 1) - 1)).astype("<i8")
    return whole.reshape(-1, 1).view(np.uint8)[:, : bits // 8].tobytes()


@pytest.fixture
def said(caplog):
    """Return what is said of bytes that are piped."""

    def play(data, format="f32le", rate=SR, channels=2):
        caplog.clear()
        stream = io.BytesIO(data)
        source = open_source(
            "-",
            stdin=stream,
            format=format,
            rate=rate,
            channels=channels,
            clock=SystemClock(),
        )
        source.open()
        while not isinstance(source.read(30.0), SourceEnd):
            pass
        source.close()
        assert all(record.levelno == logging.WARNING for record in caplog.records)
        return [record.getMessage() for record in caplog.records]

    return play


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("level", [1.0, 0.1])
@pytest.mark.parametrize("silence_s", [0.0, 2.0])
@pytest.mark.parametrize("taken_for", FORMATS)
@pytest.mark.parametrize("format", FORMATS)
def test_music_in_another_format_is_noticed_once_and_in_its_own_never(
    said, format, taken_for, silence_s, level, channels
):
    silence = np.zeros((int(silence_s * SR), channels), np.float32)
    y = np.concatenate([silence, level * make_tune(3.0, channels)])
    lines = said(as_bytes(y, format), taken_for, channels=channels)
    if format == taken_for:
        assert lines == []
    else:
        assert len(lines) == 1
        assert f"use --format {format}" in lines[0]


@pytest.mark.parametrize(
    "y",
    [
        np.zeros((SR, 2)),
        np.random.default_rng(0).uniform(-1, 1, (SR, 2)),
        np.random.default_rng(0).standard_normal((SR, 2)) * 1e-5,
        np.sign(np.sin(np.arange(2 * SR).reshape(SR, 2) * 0.05)),
        np.full((SR, 2), 0.5),
        np.exp(-np.arange(2 * SR).reshape(SR, 2) / 2000.0),
    ],
    ids=["silence", "white noise", "quiet noise", "square", "constant", "decay"],
)
@pytest.mark.parametrize("format", FORMATS)
def test_no_sound_is_doubted_in_its_own_format(said, format, y):
    assert said(as_bytes(y.astype(np.float32), format), format) == []


def test_floats_that_are_no_levels_are_named(said):
    lines = said((make_tune(2.0, 2) * 2**31).astype("<f4").tobytes())
    assert len(lines) == 1
    assert "beyond any level" in lines[0]
    assert "--format" in lines[0]


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: encoded(3.0, format="MP3"), "MP3"),
        (lambda: b"ID3\x04" + bytes(96) + encoded(3.0, format="MP3"), "MP3"),
        (lambda: encoded(3.0, format="MP3", sr=16000, channels=1), "MP3"),
        (lambda: adts(3.0), "AAC"),
        (lambda: vorbis(3.0), "Ogg"),
        (lambda: encoded(3.0, format="FLAC"), "FLAC"),
        (lambda: encoded(3.0, format="AIFF"), "AIFF"),
        (lambda: b"no music at all, only words\n" * 300, "text"),
        (lambda: "Größe und Übermut\n".encode() * 300, "text"),
    ],
)
@pytest.mark.parametrize("format", ["f32le", "s16le"])
def test_text_or_a_file_with_a_header_is_named_once_with_the_remedy(said, make, name, format):
    lines = said(make(), format)
    assert len(lines) == 1
    assert f"stdin holds {name}, not raw PCM" in lines[0]
    assert "ffmpeg -i" in lines[0]


def test_a_wav_with_other_samples_names_all_three_options(said):
    wav = encoded(3.0, sr=48000, channels=1, format="WAV", subtype="PCM_16")
    (line,) = said(wav)
    assert "use --format s16le --rate 48000 --channels 1" in line
    assert said(wav, "s16le", 48000, 1) == []


def test_integers_that_begin_as_an_mp3_does_are_not_taken_for_one(said):
    y = make_tune(3.0, 2)
    data = b"\xff\xfb\x90\x64" + as_bytes(y, "s16le")
    assert said(data, "s16le") == []


def test_bytes_that_come_in_bits_are_judged_as_well(caplog):
    class Dribble(io.BytesIO):
        def read1(self, _n=-1):
            return super().read(7)

    data = encoded(1.0, format="FLAC")
    source = open_source("-", stdin=Dribble(data), clock=SystemClock())
    source.open()
    while not isinstance(source.read(30.0), SourceEnd):
        pass
    source.close()
    assert ["holds FLAC" in record.getMessage() for record in caplog.records] == [True]
