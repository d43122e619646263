"""What the tests of sources share: sound encoded in memory, and a source read to its end."""

import io

import av
import numpy as np
import soundfile

from streammer.audio.block import Block, SourceEnd
from streammer.clock import FakeClock
from streammer.sources.open import open_source
from tests.sounds import SR, make_song


def encoded(seconds, *, sr=SR, channels=2, **options):
    """Return a song as the bytes of a file; written by the second, as an encoder takes it."""
    out = io.BytesIO()
    y = make_song(seconds, sr=sr, channels=channels)
    with soundfile.SoundFile(out, "w", sr, channels, **options) as file:
        for start in range(0, len(y), sr):
            file.write(y[start : start + sr])
    return out.getvalue()


def vorbis(seconds, **options):
    return encoded(seconds, format="OGG", subtype="VORBIS", **options)


def opus(seconds, **options):
    return encoded(seconds, format="OGG", subtype="OPUS", sr=48000, **options)


def adts(seconds):
    out = io.BytesIO()
    with av.open(out, "w", format="adts") as container:
        stream = container.add_stream("aac", rate=SR)
        stream.layout = "stereo"
        y = np.ascontiguousarray(make_song(seconds).T)
        frame = av.AudioFrame.from_ndarray(y, "fltp", "stereo")
        frame.sample_rate = SR
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return out.getvalue()


def opened(path):
    source = open_source(str(path), clock=FakeClock())
    return source, source.open()


def read_file(path):
    """Return what an open file says of itself, its samples, and its end."""
    source, info = opened(path)
    parts, position = [], 0
    while isinstance(item := source.read(0.0), Block):
        assert item.position == position
        assert item.samples.dtype == np.float32
        assert item.lost == 0
        parts.append(item.samples)
        position += len(item.samples)
    source.close()
    assert isinstance(source.read(0.0), SourceEnd)
    return info, np.concatenate(parts), item


def read_seconds(path):
    """Return the seconds of sound in a file, and the words at its end."""
    info, samples, end = read_file(path)
    assert end.reason == "eof"
    return len(samples) / info.sr, end.detail
