"""The cache gives what the live front end computes, keeps it, and survives being killed."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from offline.cli import main
from offline.datasets.synthetic import make_dataset, make_songs, sound
from offline.features import gpu
from offline.features.cache import FeatureCache, compute, spec_hash
from offline.features.gpu import batch_features, batches_of_files
from streammer.audio.resample import Resampler
from streammer.errors import InputError, UsageError
from streammer.frontend import FrontEnd, FrontEndSpec

MEL = FrontEndSpec("mel", 22050, 1024, 441, 40, fmin=30.0, fmax=11000.0)
CHROMA = FrontEndSpec("chroma", 12000, 6000, 6000, 12, frame_norm="max")
STFT = FrontEndSpec("stft", 44100, 256, 126, 129, win_length=255, power=1.0)
MEL_DB = FrontEndSpec("mel", 12000, 512, 250, 96, log="db")


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "song.wav"
    soundfile.write(path, sound(make_songs(6)[0], 0.0, 4.0), 22050)
    return path


@pytest.mark.parametrize("spec", [MEL, CHROMA, STFT, MEL_DB])
def test_features_equal_a_live_stream_in_small_blocks(wav, spec):
    y, sr = soundfile.read(wav, dtype="float32")
    resampler, front_end = Resampler(sr, spec.sr), FrontEnd(spec)
    front_end.prime()
    parts = [front_end.push(resampler.push(y[k : k + 777])) for k in range(0, len(y), 777)]
    parts.append(front_end.push(resampler.flush()))
    live = np.concatenate(parts)
    assert np.array_equal(compute(wav, spec), live)
    assert len(live) == 4 * 2 * spec.frames_per_step(0.5)


@pytest.mark.parametrize("spec", [MEL, CHROMA, STFT, MEL_DB])
def test_torchaudio_batches_equal_the_front_end(wav, spec):
    ours = compute(wav, spec)
    ((_, theirs),) = batches_of_files([wav], spec, "cpu")
    assert theirs.shape == ours.shape
    # float32 sums in another order; dB of nearly silent bands magnify that
    assert np.abs(theirs - ours).max() <= 2e-4 * max(1.0, np.abs(ours).max())


def test_a_batch_gives_each_signal_its_own_frames():
    rng = np.random.default_rng(0)
    signals = [rng.normal(0, 0.1, n).astype(np.float32) for n in (22050, 30000)]
    both = batch_features(signals, MEL, "cpu")
    assert [len(x) for x in both] == [50, 30000 // 441]
    alone = batch_features(signals[:1], MEL, "cpu")[0]
    assert np.allclose(both[0], alone, rtol=1e-5)


def test_a_device_computes_many_files_at_a_time_and_names_those_it_cannot_read(
    wav, tmp_path, monkeypatch
):
    lengths = (1.0, 4.0, 2.5, 1.0, 3.0)
    paths = [tmp_path / f"{k}.wav" for k in range(len(lengths))]
    for k, (path, seconds) in enumerate(zip(paths, lengths, strict=True)):
        soundfile.write(path, sound(make_songs(6)[k], 0.0, seconds), 22050)
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    sizes, real = [], gpu.batch_features

    def counted(signals, *args):
        sizes.append(len(signals))
        return real(signals, *args)

    monkeypatch.setattr(gpu, "batch_features", counted)
    monkeypatch.setattr(gpu, "_SAMPLES", round(3 * 4.0 * 22050))
    cache = FeatureCache(tmp_path / "cache")
    missed = cache.fill([*paths, tmp_path / "broken.wav"], MEL, device="cpu", workers=3)
    assert sizes == [3, 2]  # by what fits, padding included
    assert [p.name for p in missed.reasons] == ["broken.wav"]
    for path in paths:
        assert np.allclose(cache.get(path, MEL), compute(path, MEL), atol=2e-3)


def test_a_device_that_is_not_there_is_one_line(wav, tmp_path):
    with pytest.raises(UsageError, match="device 'cuda:99' cannot be used here"):
        FeatureCache(tmp_path).fill([wav], MEL, device="cuda:99")


def test_cache_keeps_by_content_and_by_spec(wav, tmp_path):
    cache = FeatureCache(tmp_path / "cache")
    first = cache.get(wav, MEL)
    twin = tmp_path / "elsewhere.wav"
    twin.write_bytes(wav.read_bytes())
    assert cache.has(twin, MEL)
    assert not cache.has(wav, STFT)
    assert spec_hash(MEL) != spec_hash(FrontEndSpec("mel", 22050, 1024, 441, 40, fmin=31.0))
    soundfile.write(wav, np.zeros(22050, np.float32), 22050)
    assert not cache.has(wav, MEL)
    assert not np.array_equal(cache.get(wav, MEL), first)


def test_a_damaged_cache_file_is_computed_again(wav, tmp_path):
    cache = FeatureCache(tmp_path / "cache")
    want = cache.get(wav, MEL)
    cache.path_of(wav, MEL).write_bytes(b"\x93NUMPY rubbish")
    assert np.array_equal(cache.get(wav, MEL), want)


def test_features_of_synthetic_sounds_are_kept_until_their_code_changes(tmp_path):
    cache, source, made = FeatureCache(tmp_path / "cache"), tmp_path / "code.py", []

    def make():
        made.append(np.random.default_rng(len(made)).standard_normal(22050, np.float32))
        return made[-1]

    source.write_text("first")
    mel, chroma = cache.synthetic("a", source, [MEL, CHROMA], make)
    soundfile.write(tmp_path / "a.wav", made[0], 22050, subtype="FLOAT")
    assert np.array_equal(mel, compute(tmp_path / "a.wav", MEL))
    again = FeatureCache(tmp_path / "cache").synthetic("a", source, [MEL, CHROMA], make)
    assert np.array_equal(again[0], mel)
    assert np.array_equal(again[1], chroma)
    assert len(made) == 1
    cache.synthetic("b", source, [MEL], make)
    source.write_text("second")
    cache.synthetic("a", source, [MEL], make)
    assert len(made) == 3


def test_a_front_end_that_was_used_before_gives_the_same_features(wav, tmp_path):
    alone = compute(wav, MEL)
    soundfile.write(tmp_path / "loud.wav", np.ones(9999, np.float32), 22050)
    compute(tmp_path / "loud.wav", MEL)
    assert np.array_equal(compute(wav, MEL), alone)


def test_unreadable_audio_is_reported_and_the_rest_goes_on(wav, tmp_path):
    bad, gone = tmp_path / "bad.mp3", tmp_path / "gone.wav"
    bad.write_bytes(b"ID3 nothing")
    cache = FeatureCache(tmp_path / "cache")
    missed = cache.fill([bad, wav, gone], MEL, show=False)
    assert set(missed.reasons) == {bad, gone}
    assert cache.has(wav, MEL)
    with pytest.raises(InputError, match=r"bad\.mp3: no readable audio"):
        cache.get(bad, MEL)


def test_nan_in_a_file_is_heard_as_silence(tmp_path):
    y = sound(make_songs(6)[0], 0.0, 1.0)
    y[1000:1010] = np.nan
    soundfile.write(tmp_path / "nan.wav", y, 22050, subtype="FLOAT")
    assert np.isfinite(compute(tmp_path / "nan.wav", MEL)).all()


def test_caching_killed_and_run_again_gives_the_same_files(tmp_path):
    make_dataset(tmp_path / "data", "clips", n_songs=14)
    command = [sys.executable, "-m", "offline", "features", "crnn-gru3",
               "--data", str(tmp_path / "data")]  # fmt: skip
    cut = tmp_path / "cut"
    killed = subprocess.Popen(
        [*command, "--cache", str(cut)], start_new_session=True, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 60
    while len(list(cut.rglob("*.npy"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert len(list(cut.rglob("*.npy"))) >= 3
    for path in cut.rglob("*.npy"):
        assert np.isfinite(np.load(path)).all()
    before = {p: p.stat().st_mtime_ns for p in cut.rglob("*.npy")}
    subprocess.run([*command, "--cache", str(cut)], check=True, capture_output=True)
    whole = tmp_path / "whole"
    assert main([*command[3:], "--cache", str(whole), "--workers", "1"]) == 0
    ours = {p.relative_to(cut): p.read_bytes() for p in cut.rglob("*.npy")}
    assert ours == {p.relative_to(whole): p.read_bytes() for p in whole.rglob("*.npy")}
    assert len(ours) == 14
    assert all(p.stat().st_mtime_ns == t for p, t in before.items())  # nothing twice


def test_a_folder_without_any_readable_audio_is_exit_code_3(tmp_path, capsys):
    make_dataset(tmp_path / "data", "clips", n_songs=8)
    for path in (tmp_path / "data" / "audio_30_40s").iterdir():
        path.write_bytes(b"broken")
    args = ["features", "window-m2", "--data", str(tmp_path / "data"), "--workers", "1"]
    assert main([*args, "--cache", str(tmp_path / "cache")]) == 3
    assert "no audio that can be read" in capsys.readouterr().err
    assert not list((tmp_path / "cache").rglob("*.npy"))
