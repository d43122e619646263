"""Whether a file was heard whole: what is missing is said, and nothing is said where nothing is."""

import os

import av
import numpy as np
import pytest
import soundfile

from streammer.audio.block import Block, SourceEnd
from tests.core.decoding import encoded, opened, opus, read_file, read_seconds, vorbis
from tests.sounds import SR, make_song


def save(path, data):
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("encode", [vorbis, opus])
def test_all_streams_of_a_chained_ogg_are_heard(tmp_path, encode):
    one = encode(3.0)
    _, alone, _ = read_file(save(tmp_path / "one.ogg", one))
    info, samples, end = read_file(save(tmp_path / "chain.ogg", one + one + one))
    assert end == SourceEnd("eof")
    assert len(samples) / info.sr == pytest.approx(9.0, abs=0.01)
    for third in np.split(samples, 3):
        assert np.array_equal(third, alone)  # each begins anew, as a file of its own


def test_a_chain_that_changes_rate_channels_and_codec_is_heard_in_the_first(tmp_path):
    chain = vorbis(3.0) + vorbis(3.0, sr=22050, channels=1) + opus(3.0)
    info, samples, end = read_file(save(tmp_path / "chain.ogg", chain))
    assert (info.sr, info.channels, end) == (SR, 2, SourceEnd("eof"))
    assert len(samples) / SR == pytest.approx(9.0, abs=0.02)
    thirds = np.array_split(samples, 3)
    levels = [np.sqrt(np.mean(np.square(third), 0)) for third in thirds]
    assert np.allclose(levels, levels[0], rtol=0.2)


def test_a_chain_whose_second_stream_is_unknown_says_so(tmp_path):
    broken = bytearray(vorbis(3.0))
    broken[29:35] = b"nobody"  # the codec's name
    seconds, said = read_seconds(save(tmp_path / "chain.ogg", vorbis(3.0) + bytes(broken)))
    assert seconds == pytest.approx(3.0, abs=0.01)
    assert "1 of its 2 streams cannot be decoded" in said


@pytest.mark.parametrize("encode", [vorbis, opus])
def test_an_ogg_whose_last_third_was_cut_off_says_so(tmp_path, encode):
    whole = encode(9.0)
    seconds, said = read_seconds(save(tmp_path / "cut.ogg", whole[: len(whole) * 2 // 3]))
    assert 4.5 < seconds < 7.5
    assert f"cut off at {seconds:.1f} s" in said


def test_a_chain_whose_last_stream_was_cut_off_says_so(tmp_path):
    chain = vorbis(3.0) + vorbis(9.0)
    seconds, said = read_seconds(save(tmp_path / "cut.ogg", chain[: len(chain) * 2 // 3]))
    assert 3.0 < seconds < 10.0
    assert "cut off" in said


def test_pages_that_are_missing_in_the_middle_are_counted(tmp_path):
    whole = vorbis(9.0)
    pages = [i for i in range(len(whole)) if whole.startswith(b"OggS", i)]
    third, fourth = pages[len(pages) // 2], pages[len(pages) // 2 + 1]
    _, said = read_seconds(save(tmp_path / "gap.ogg", whole[:third] + whole[fourth:]))
    assert "1 place" in said


def test_a_whole_ogg_with_a_tag_behind_it_is_whole(tmp_path):
    tag = b"TAG" + bytes(125)
    assert read_seconds(save(tmp_path / "a.ogg", vorbis(3.0) + tag)) == (3.0, "")


@pytest.mark.parametrize("suffix", ["wav", "w64", "aiff", "au", "rf64"])
def test_plain_samples_that_were_cut_off_say_of_how_much(tmp_path, suffix):
    whole = encoded(6.0, format=suffix.upper(), subtype="PCM_16")
    seconds, said = read_seconds(save(tmp_path / f"a.{suffix}", whole[: len(whole) * 2 // 3]))
    assert seconds == pytest.approx(4.0, abs=0.01)
    assert "only 4.0 s of the 6.0 s" in said


@pytest.mark.parametrize("suffix", ["wav", "ogg", "mp3", "flac", "aac"])
def test_a_file_that_becomes_shorter_while_it_plays_says_so(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    if suffix == "aac":
        with av.open(str(path), "w") as out:
            stream = out.add_stream("aac", rate=SR)
            stream.layout = "stereo"
            frame = av.AudioFrame.from_ndarray(
                np.ascontiguousarray(make_song(30.0).T), "fltp", "stereo"
            )
            frame.sample_rate = SR
            out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    else:
        soundfile.write(path, make_song(30.0), SR)
    source, info = opened(path)
    n = 0
    while n < info.sr and isinstance(item := source.read(0.0), Block):
        n += len(item.samples)
    os.truncate(path, path.stat().st_size // 2)
    while isinstance(item := source.read(0.0), Block):
        n += len(item.samples)
    source.close()
    assert n / info.sr < 20.0
    assert item.reason == "eof"
    assert f"became shorter while it was read; {n / info.sr:.1f} s" in item.detail


def test_a_file_that_is_replaced_while_it_plays_is_heard_whole(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, make_song(6.0), SR)
    soundfile.write(tmp_path / "b.wav", make_song(1.0), SR)
    source, info = opened(path)
    n = len(source.read(0.0).samples)
    os.replace(tmp_path / "b.wav", path)
    while isinstance(item := source.read(0.0), Block):
        n += len(item.samples)
    source.close()
    assert (n / info.sr, item) == (6.0, SourceEnd("eof"))


def test_an_mp3_with_zeros_between_its_frames_lacks_nothing_and_says_nothing(tmp_path):
    whole = encoded(20.0, format="MP3")
    half = len(whole) // 2
    zeros = bytes(len(whole) // 2)
    path = save(tmp_path / "zeros.mp3", whole[:half] + zeros + whole[half:])
    seconds, said = read_seconds(path)
    assert seconds == pytest.approx(20.0, abs=0.1)
    assert said == ""


def test_an_mp3_with_zeros_over_its_frames_says_what_is_missing(tmp_path):
    whole = encoded(20.0, format="MP3")
    third = len(whole) // 3
    path = save(tmp_path / "zeros.mp3", whole[:third] + bytes(third) + whole[2 * third :])
    seconds, said = read_seconds(path)
    assert seconds < 15.0
    assert f"only {seconds:.1f} s of the 20.0 s" in said


def test_an_mp3_of_two_joined_ones_is_heard_whole_and_says_nothing(tmp_path):
    part = encoded(5.0, format="MP3")
    seconds, said = read_seconds(save(tmp_path / "joined.mp3", part + part))
    assert seconds == pytest.approx(10.0, abs=0.2)
    assert said == ""
