"""Files: what can be decoded is used, what cannot is said in one line, the terminal stays clean."""

import os
import struct
import subprocess
import sys
import threading

import av
import numpy as np
import pytest
import soundfile

from streammer.audio.block import BLOCK, Block, SourceEnd
from streammer.clock import FakeClock
from streammer.errors import InputError, UsageError
from streammer.sources.open import kind_of, open_source
from tests.core.decoding import opened, read_file
from tests.sounds import SR, make_song

SECONDS = 4.0


@pytest.fixture(scope="module")
def y():
    noise = 0.01 * np.random.default_rng(3).standard_normal((int(SECONDS * SR), 2))
    return (make_song(SECONDS) + noise).astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, y):
    """The same sound in every format that libsndfile and PyAV can write."""
    here = tmp_path_factory.mktemp("formats")
    for suffix, options in {
        "wav": {"subtype": "FLOAT"},
        "aiff": {"subtype": "PCM_24"},
        "flac": {"subtype": "PCM_16"},
        "ogg": {"format": "OGG", "subtype": "VORBIS"},
        "mp3": {"format": "MP3"},
    }.items():
        with soundfile.SoundFile(here / f"a.{suffix}", "w", SR, 2, **options) as file:
            for start in range(0, len(y), SR):
                file.write(y[start : start + SR])
    for suffix in ("m4a", "mp4", "mkv", "aac"):
        encode(here / f"a.{suffix}", y, "aac")
    encode(here / "a.webm", y, "libopus", sr=48000)
    return here


def encode(path, y, codec, sr=SR, video=False, title=""):
    with av.open(str(path), "w") as out:
        out.metadata["title"] = title
        if video:
            picture = out.add_stream("mpeg4", rate=5, width=32, height=32, pix_fmt="yuv420p")
            for _ in range(10):
                frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), "rgb24")
                out.mux(picture.encode(frame))
            out.mux(picture.encode(None))
            return
        stream = out.add_stream(codec, rate=sr)
        stream.layout = "stereo"
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(y.T), "fltp", "stereo")
        frame.sample_rate = sr
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def likeness(a, b):
    """Correlation of two signals at the lag at which it is greatest."""
    n = len(a) + len(b)
    products = np.fft.irfft(np.fft.rfft(a, n) * np.conj(np.fft.rfft(b, n)))
    return products.max() / np.sqrt(np.square(a).sum() * np.square(b).sum())


@pytest.mark.parametrize("suffix", ["wav", "aiff", "flac"])
def test_lossless_files_give_their_samples(folder, y, suffix):
    info, heard, end = read_file(folder / f"a.{suffix}")
    assert (info.sr, info.channels, info.kind, info.clocked) == (SR, 2, "file", False)
    assert end == SourceEnd("eof")
    tolerance = {"wav": 0.0, "aiff": 2**-22, "flac": 2**-15}[suffix]  # bits per sample
    assert np.abs(heard - y).max() <= tolerance


@pytest.mark.parametrize("suffix", ["mp3", "ogg", "m4a", "mp4", "mkv", "aac", "webm"])
def test_compressed_files_sound_alike_and_keep_their_length(folder, y, suffix):
    info, heard, end = read_file(folder / f"a.{suffix}")
    assert end == SourceEnd("eof")
    assert info.channels == 2
    assert abs(len(heard) - len(y)) <= 2 * 2112  # an encoder's delay and padding
    if suffix in ("mp3", "ogg", "m4a"):
        assert likeness(heard[:, 0], y[:, 0]) > 0.97


def test_all_blocks_but_the_last_hold_at_least_one_read(folder):
    source, _ = opened(folder / "a.mp3")
    sizes = []
    while isinstance(item := source.read(0.0), Block):
        sizes.append(len(item.samples))
    source.close()
    assert min(sizes[:-1]) >= BLOCK


@pytest.mark.parametrize("suffix", ["wav", "mp3"])
def test_capture_time_is_counted_from_the_opening(folder, suffix):
    clock = FakeClock()
    source = open_source(str(folder / f"a.{suffix}"), clock=clock)
    source.open()
    block = source.read(0.0)
    source.close()
    assert block.t_capture == pytest.approx(clock.unix() + len(block.samples) / SR)


@pytest.mark.parametrize("channels", [1, 3, 6, 32])
@pytest.mark.parametrize("sr", [8000, 96000])
def test_any_count_of_channels_and_any_rate(tmp_path, channels, sr):
    y = make_song(0.5, sr=sr, channels=channels)
    soundfile.write(tmp_path / "a.wav", y, sr, subtype="FLOAT")
    info, heard, _ = read_file(tmp_path / "a.wav")
    assert (info.sr, info.channels) == (sr, channels)
    assert np.array_equal(heard, y)


@pytest.mark.parametrize("suffix", ["mp3", "flac", "wav"])
def test_a_file_that_was_cut_short_is_used_as_far_as_it_goes(folder, tmp_path, suffix):
    whole = (folder / f"a.{suffix}").read_bytes()
    path = tmp_path / f"cut.{suffix}"
    path.write_bytes(whole[: len(whole) // 2 + 3])
    info, heard, end = read_file(path)
    assert 0.35 * SECONDS < len(heard) / info.sr < 0.65 * SECONDS
    assert end.reason == "eof"
    assert "of the 4.0 s" in end.detail
    assert str(path) in end.detail


@pytest.mark.parametrize("suffix", ["mp3", "flac"])
@pytest.mark.parametrize("junk", [bytes(8000), None])
def test_damage_in_the_middle_does_not_end_the_file(folder, tmp_path, suffix, junk):
    whole = (folder / f"a.{suffix}").read_bytes()
    junk = np.random.default_rng(1).bytes(8000) if junk is None else junk
    middle = len(whole) // 2
    path = tmp_path / f"damaged.{suffix}"
    path.write_bytes(whole[:middle] + junk + whole[middle + 8000 :])
    info, heard, end = read_file(path)
    assert len(heard) / info.sr > 0.75 * SECONDS
    assert end.reason == "eof"


def test_garbage_where_tags_should_be_is_passed_over(folder, tmp_path, y):
    rng = np.random.default_rng(2)
    path = tmp_path / "tagged.mp3"
    size = bytes([0, 0, 0x17, 0x38])
    path.write_bytes(b"ID3\x04\x00\x00" + size + rng.bytes(3000) + (folder / "a.mp3").read_bytes())
    info, heard, _ = read_file(path)
    assert len(heard) / info.sr > 0.9 * SECONDS


def test_tags_that_are_no_utf8_do_not_keep_a_file_from_being_heard(tmp_path, y):
    path = tmp_path / "tagged.mkv"
    encode(path, y, "aac", title="Bj?rk")
    tagged = path.read_bytes()
    assert tagged.count(b"Bj?rk") == 1
    path.write_bytes(tagged.replace(b"Bj?rk", b"Bj\xf6rk"))
    _, heard, end = read_file(path)
    assert end == SourceEnd("eof")
    assert len(heard) == pytest.approx(len(y), abs=2 * 2112)


def no_file(tmp_path, name):
    path = tmp_path / f"{name}.mp3"
    if name == "folder":
        path.mkdir()
    elif name == "pipe":
        os.mkfifo(path)
    elif name != "missing":
        path.write_bytes(
            {
                "empty": b"",
                "text": b"no music at all, only words\n" * 300,
                "noise": np.random.default_rng(0).bytes(30_000),
                "zeros": bytes(30_000),
                "header": wav_header(),
            }[name]
        )
    return path


def wav_header():
    size = (0).to_bytes(4, "little")
    fmt = bytes.fromhex("01000200 44ac0000 10b10200 0400 1000")
    return b"RIFF" + (36).to_bytes(4, "little") + b"WAVEfmt " + b"\x10\0\0\0" + fmt + b"data" + size


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("missing", "does not exist"),
        ("folder", "is a folder"),
        ("pipe", "is a pipe"),
        ("empty", "is empty"),
        ("text", "no audio"),
        ("noise", "no audio"),
        ("zeros", "no audio"),
        ("header", "holds no sound"),
    ],
)
def test_what_is_no_audio_is_refused_in_one_line(tmp_path, name, said):
    path = no_file(tmp_path, name)
    with pytest.raises(InputError, match=said) as refusal:
        opened(path)
    assert str(path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.skipif(not os.path.exists("/proc/kmsg"), reason="needs the files of Linux's kernel")
def test_a_file_whose_read_blocks_in_the_kernel_is_refused_unread():
    said = []

    def open_it():
        with pytest.raises(InputError) as refusal:
            opened("/proc/kmsg")
        said.append(str(refusal.value))

    thread = threading.Thread(target=open_it, daemon=True)
    thread.start()
    thread.join(timeout=20.0)
    assert said == ["/proc/kmsg is empty: expected an audio file"]


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="needs users as Unix has them")
def test_a_file_that_may_not_be_read_is_refused(folder, tmp_path):
    path = tmp_path / "secret.wav"
    path.write_bytes((folder / "a.wav").read_bytes())
    path.chmod(0)
    for parent in (tmp_path, *tmp_path.parents[:-2]):
        parent.chmod(parent.stat().st_mode | 0o111) if os.geteuid() == 0 else None
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)  # root may read everything
    try:
        with pytest.raises(InputError, match="permission denied"):
            opened(path)
    finally:
        os.seteuid(was)


def test_a_video_without_sound_is_refused(tmp_path, y):
    encode(tmp_path / "silent.mp4", y, "", video=True)
    with pytest.raises(InputError, match="no sound in it"):
        opened(tmp_path / "silent.mp4")


def test_a_name_that_ffmpeg_would_take_for_a_protocol_is_a_file(folder, tmp_path, y, monkeypatch):
    (tmp_path / "concat:a%03d.mp3").write_bytes((folder / "a.mp3").read_bytes())
    monkeypatch.chdir(tmp_path)
    _, heard, _ = read_file("concat:a%03d.mp3")
    assert len(heard) == len(y)


def test_a_file_url_is_a_path(folder, tmp_path, y):
    path = tmp_path / "with space.wav"
    path.write_bytes((folder / "a.wav").read_bytes())
    _, heard, _ = read_file(path.as_uri())
    assert len(heard) == len(y)


def test_a_stream_that_changes_its_rate_and_channels_goes_on_in_the_first(tmp_path):
    parts = []
    for i, (sr, channels) in enumerate([(44100, 2), (22050, 1)]):
        part = tmp_path / f"{i}.mp3"
        with soundfile.SoundFile(part, "w", sr, channels, format="MP3") as file:
            file.write(make_song(3.0, sr=sr, channels=channels))
        parts.append(part.read_bytes())
    (tmp_path / "both.mp3").write_bytes(b"".join(parts))
    info, heard, _ = read_file(tmp_path / "both.mp3")
    assert (info.sr, info.channels) == (44100, 2)
    assert len(heard) / info.sr == pytest.approx(6.0, abs=0.3)


def test_nothing_that_a_decoder_prints_reaches_the_terminal(folder, tmp_path):
    whole = (folder / "a.mp3").read_bytes()
    (tmp_path / "a.mp3").write_bytes(whole[:9000] + bytes(3000) + whole[9000:20000])
    (tmp_path / "b.mp3").write_bytes(bytes(30_000))
    (tmp_path / "c.ogg").write_bytes((folder / "a.ogg").read_bytes()[:9000])
    code = (
        "import sys\n"
        "from streammer.clock import SystemClock\n"
        "from streammer.errors import InputError\n"
        "from streammer.audio.block import Block\n"
        "from streammer.sources.open import open_source\n"
        "for path in sys.argv[1:]:\n"
        "    source = open_source(path, clock=SystemClock())\n"
        "    try:\n"
        "        source.open()\n"
        "    except InputError:\n"
        "        continue\n"
        "    while isinstance(source.read(0), Block):\n"
        "        pass\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        timeout=60,
        check=True,
    )
    assert done.stdout == b""
    assert done.stderr == b""


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("mic", "device"),
        ("device:#2", "device"),
        ("-", "pcm"),
        ("https://a.example/b.mp3", "url"),
        ("HTTP://a.example/b", "url"),
        ("./mic", "file"),
        ("C:\\music\\a.mp3", "file"),
        ("file:///a.mp3", "file"),
    ],
)
def test_a_name_says_what_it_stands_for(name, kind):
    assert kind_of(name) == kind


@pytest.mark.parametrize("name", ["", "gopher://a/b", "subfile://x"])
def test_names_that_stand_for_nothing_are_refused(name):
    with pytest.raises(UsageError):
        kind_of(name)


def test_a_rate_is_for_arrays_only():
    with pytest.raises(UsageError, match="arrays only"):
        open_source("song.wav", sr=44100, clock=FakeClock())


def test_a_wav_of_64_bit_integers_is_heard(tmp_path):
    y = np.round(2.0**40 * np.sin(np.arange(44100) / 10)).astype("<i8") << 20
    head = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + y.nbytes, b"WAVE", b"fmt ", 16, 1, 1,
                       44100, 8 * 44100, 8, 64, b"data", y.nbytes)  # fmt: skip
    path = tmp_path / "wide.wav"
    path.write_bytes(head + y.tobytes())
    _, samples, _ = read_file(path)
    np.testing.assert_allclose(samples[:, 0], y / 2.0**63, atol=1e-7)
