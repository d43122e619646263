"""The tagger as a teacher: the published layers, the sliding form, tables that are kept."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import soundfile
import torch
from tagger_parts import random_weights, write_weights

from models.audio.musicnn import EPSILON, WINDOW, Musicnn
from offline.cli import main
from offline.datasets import download
from offline.datasets.musicnn import TAGS, WEIGHTS, find_weights, read_weights
from offline.features import teacher
from offline.features.cache import FeatureCache, compute
from offline.features.teacher import SPEC, Teacher, window_steps
from offline.features.variants import change, variant_features, variant_sound
from streammer.errors import InputError, ModelError
from streammer.frontend import FrontEndSpec

MEL = FrontEndSpec("mel", 22050, 1024, 441, 80)


@pytest.fixture
def song(tmp_path):
    rng = np.random.default_rng(1)
    t = np.arange(7 * 22050) / 22050
    y = 0.2 * np.sin(2 * np.pi * 330 * t) * (t % 0.5 < 0.2) + 0.02 * rng.standard_normal(len(t))
    soundfile.write(tmp_path / "song.wav", y, 22050)
    return tmp_path / "song.wav"


@pytest.fixture
def weights(tmp_path):
    return write_weights(tmp_path / "tagger" / WEIGHTS, random_weights())


def published(w, x):
    """Logits of one window [t, bins] by the formulas of the published network, in float64."""
    w = {k: v.astype(float) for k, v in w.items()}

    def norm(y, layer):
        scale = w[f"{layer}/gamma"] / np.sqrt(w[f"{layer}/moving_variance"] + EPSILON)
        return (y - w[f"{layer}/moving_mean"]) * scale + w[f"{layer}/beta"]

    def conv(y, layer, before, after):  # y [t, bins] -> [t, bins', channels]
        kernel = w[f"{layer}/kernel"][:, :, 0]
        y = np.pad(y, ((before, after), (0, 0)))
        views = np.lib.stride_tricks.sliding_window_view(y, kernel.shape[:2])
        given = np.einsum("tbij,ijc->tbc", views, kernel) + w[f"{layer}/bias"]
        return np.maximum(given, 0)

    x = norm(x[..., None], "batch_normalization")[..., 0]
    front = []
    for i, (before, after) in enumerate(((3, 3), (3, 3), (63, 64), (31, 32), (15, 16))):
        y = conv(x, f"conv2d_{i}" if i else "conv2d", before, after)
        front.append(norm(y, f"batch_normalization_{i + 1}").max(1))
    parts = [np.concatenate(front, 1)]
    for i in (1, 2, 3):
        y = norm(conv(parts[-1], f"midend_conv{i}", 3, 3)[:, 0], f"bn_midend_conv{i}")
        parts.append(y + parts[-1] if i > 1 else y)
    every = np.concatenate(parts, 1)
    pooled = np.stack((every.max(0), every.mean(0)), 1).reshape(-1)
    hidden = norm(pooled, "bn_flatpool") @ w["dense/kernel"] + w["dense/bias"]
    hidden = norm(np.maximum(hidden, 0), "bn_dense")
    return pooled, hidden @ w["dense_1/kernel"] + w["dense_1/bias"]


def test_layers_are_the_published_ones():
    w = random_weights()
    x = np.random.default_rng(2).uniform(0, 3, (WINDOW, 96))
    pooled, logits = published(w, x)
    given = Musicnn(w)(torch.from_numpy(x).float()[None])
    # float32 against float64, sums of up to 470 products
    assert given.pooled[0].numpy() == pytest.approx(pooled, abs=2e-4, rel=1e-4)
    assert given.logits[0].numpy() == pytest.approx(logits, abs=5e-4, rel=1e-4)


def test_the_sliding_form_equals_window_by_window():
    net = Musicnn(random_weights(3))
    x = torch.rand(611, 96, generator=torch.Generator().manual_seed(0)) * 3
    ends = [187, 188, 250, 375, 500, 610, 611]
    apart = net(torch.stack([x[end - WINDOW : end] for end in ends]))
    slid = net.sliding(x, ends, at_once=3)
    for a, b in zip(apart, slid, strict=True):
        assert torch.allclose(a, b, atol=1e-5, rtol=1e-5)


def test_windows_end_at_live_steps_from_three_seconds_on():
    assert window_steps(625, 4) == [6, 10, 14, 18, 20]
    assert window_steps(WINDOW, 4) == [6]
    assert window_steps(WINDOW - 1, 4) == []


def test_a_table_looks_back_only(song, weights, tmp_path):
    cache = FeatureCache(tmp_path / "cache")
    whole = Teacher(weights, cache).table(song)
    y, sr = soundfile.read(song)
    soundfile.write(tmp_path / "start.wav", y[: 5 * sr], sr)
    start = Teacher(weights, cache).table(tmp_path / "start.wav")
    assert whole.steps.tolist() == [6, 10, 14]
    assert start.steps.tolist() == [6, 10]
    assert whole.pooled.shape == (3, 48)
    assert whole.logits.shape == (3, len(TAGS))
    # The end of a file drains the resampler into its last frames.
    assert np.allclose(whole.logits[:1], start.logits[:1], atol=1e-5)


def test_front_end_is_the_published_one(song):
    librosa = pytest.importorskip("librosa")
    from streammer.audio.resample import resample

    y, sr = soundfile.read(song, dtype="float32")
    mel = librosa.feature.melspectrogram(
        y=resample(y, sr, 16000), sr=16000, n_fft=512, hop_length=256, n_mels=96
    )
    x = compute(song, SPEC)
    published_form = np.log10(10000 * mel.T + 1)[: len(x)]
    assert x / np.log(10) == pytest.approx(published_form, abs=1e-4)


def test_a_table_is_kept_by_content_and_weights(song, weights, tmp_path, monkeypatch):
    cache = FeatureCache(tmp_path / "cache")
    first = Teacher(weights, cache).table(song)
    other = write_weights(tmp_path / "other" / WEIGHTS, random_weights(5))
    assert not np.allclose(Teacher(other, cache).table(song).logits, first.logits)
    monkeypatch.setattr(teacher, "tag_rows", lambda *a: pytest.fail("computed again"))
    moved = song.rename(tmp_path / "moved.wav")
    assert np.array_equal(Teacher(weights, cache).table(moved).logits, first.logits)


def test_filling_goes_on_after_a_kill_and_names_what_cannot_be_read(
    song, weights, tmp_path, monkeypatch
):
    (tmp_path / "broken.mp3").write_bytes(b"no sound")
    one = Teacher(weights, FeatureCache(tmp_path / "cache"))
    made, real = [], teacher.tag_rows

    def counted(*args):
        if made:
            raise KeyboardInterrupt
        made.append(1)
        return real(*args)

    monkeypatch.setattr(teacher, "tag_rows", counted)
    with pytest.raises(KeyboardInterrupt):
        one.fill([song], variants=1, show=False)
    monkeypatch.setattr(teacher, "tag_rows", lambda *args: made.append(1) or real(*args))
    missed = one.fill([song, tmp_path / "broken.mp3"], variants=1, show=False)
    assert len(made) == 2  # the original before the kill, its copy after it
    assert list(missed.reasons) == [tmp_path / "broken.mp3"]
    monkeypatch.setattr(teacher, "tag_rows", lambda *args: pytest.fail("computed again"))
    gone = one.fill([song, tmp_path / "gone.mp3"], variants=1, show=False)
    assert list(gone.reasons) == [tmp_path / "gone.mp3"]


def test_copies_are_the_same_sound_for_every_front_end(song, tmp_path):
    cache = FeatureCache(tmp_path / "cache")
    y, sr = variant_sound(song, 2)
    again, _ = variant_sound(song, 2)
    assert np.array_equal(y, again)
    assert not np.allclose(y, variant_sound(song, 1)[0])
    plain, _ = soundfile.read(song)
    assert len(y) == len(plain)
    assert np.sqrt(np.mean(y**2)) == pytest.approx(np.sqrt(np.mean(plain**2)), rel=1e-3)
    soundfile.write(tmp_path / "copy.wav", y, sr, subtype="FLOAT")
    (mel,) = variant_features(cache, song, 2, [MEL])
    assert np.allclose(mel, compute(tmp_path / "copy.wav", MEL), rtol=1e-4, atol=1e-7)


def test_silence_stays_silence():
    assert np.abs(change(np.zeros(4000, np.float32), 8000, [1, 2])).max() < 1e-6


@pytest.mark.parametrize(
    ("damage", "error", "words"),
    [
        (lambda p: p.write_bytes(b"<html>"), InputError, "no readable HDF5"),
        (lambda p: write_weights(p, {"a/b": np.zeros(2)}), ModelError, "not the weights"),
        (lambda p: write_weights(p, random_weights(tags=7)), ModelError, "7 tags"),
    ],
)
def test_weights_of_something_else_are_refused(song, tmp_path, damage, error, words):
    path = tmp_path / "weights.h5"
    damage(path)
    with pytest.raises(error, match=words):
        Teacher(path, FeatureCache(tmp_path / "cache")).table(song)


def test_weights_are_fetched_for_a_user_with_their_licence(tmp_path, capsys, monkeypatch):
    served = write_weights(tmp_path / "served" / WEIGHTS, random_weights())
    quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *a: None})
    handler = partial(quiet, directory=str(tmp_path / "served"))
    known = download.SOURCES["musicnn"]
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/{WEIGHTS}"
        command = ["data", "get", "musicnn", "--yes", "--to", str(tmp_path / "data")]
        there = known._replace(files={WEIGHTS: (address, known.files[WEIGHTS][1])})
        monkeypatch.setitem(download.SOURCES, "musicnn", there)
        assert main(command) == 4  # not the published bytes: refused
        assert "ISC licence" in capsys.readouterr().err.splitlines()[0]
        assert find_weights(tmp_path / "data") is None
        monkeypatch.setitem(
            download.SOURCES, "musicnn", known._replace(files={WEIGHTS: (address, None)})
        )
        assert main(command) == 0
        server.shutdown()
    found = find_weights(tmp_path / "data" / "deam")  # beside the data set will do
    assert found is not None
    kept = read_weights(found)
    assert all(np.array_equal(kept[k], v) for k, v in read_weights(served).items())
    assert len(kept) == len(random_weights())
