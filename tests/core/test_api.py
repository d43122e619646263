"""`listen` and `label` in Python."""

import gc
import socket
import threading
import time

import numpy as np
import pytest
import soundfile

from streammer import Subscriber, label, listen
from streammer.bus import Publisher
from streammer.errors import InputError, ModelError, UsageError
from streammer.labelling import LabelWarning
from tests.core.tiny_model import build_tiny
from tests.sounds import SR, make_song


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return str(build_tiny(tmp_path_factory.mktemp("zoo") / "tiny.onnx"))


def test_an_array_is_heard_at_fast_pace(tiny, song):
    moods = list(listen(song, sr=SR, model=tiny))
    assert [m.seq for m in moods] == list(range(12))
    assert moods[-1].t_audio_s == 6.0


def test_a_mono_array_and_its_two_channels_sound_the_same(tiny, song):
    mono = [(m.valence, m.arousal) for m in listen(song[:, 0], sr=SR, model=tiny)]
    both = [(m.valence, m.arousal) for m in listen(song, sr=SR, model=tiny)]
    assert mono == both


def test_a_file_at_fast_pace_says_what_its_array_says(tiny, song, song_wav):
    array = [(m.valence, m.arousal) for m in listen(song, sr=SR, model=tiny)]
    file = [(m.valence, m.arousal) for m in listen(song_wav, pace="fast", model=tiny)]
    assert array == file


def test_an_array_without_a_rate_is_refused(tiny, song):
    with pytest.raises(UsageError, match="sr"):
        next(listen(song, model=tiny))


def test_a_missing_file_and_an_unknown_model_are_refused_before_anything_runs(tiny, song_wav):
    with pytest.raises(InputError, match=r"nosuch\.mp3"):
        next(listen("nosuch.mp3", model=tiny))
    with pytest.raises(ModelError, match="nosuch"):
        listen(song_wav, model="nosuch")


def test_live_pace_runs_in_the_background_and_can_be_closed(tiny, song_wav):
    began = time.monotonic()
    with listen(song_wav, model=tiny) as moods:
        first = next(moods)
        second = next(moods)
    assert (first.seq, second.seq) == (0, 1)
    assert time.monotonic() - began < 5.0  # the file is 6 s long
    with pytest.raises(StopIteration):
        next(moods)


@pytest.fixture
def no_collection():
    gc.disable()
    yield
    gc.enable()


@pytest.fixture
def free_endpoint():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"tcp://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize("pace", ["live", "fast"])
def test_leaving_the_loop_ends_what_it_heard(tiny, song_wav, free_endpoint, no_collection, pace):
    for mood in listen(song_wav, pace=pace, model=tiny, bind=free_endpoint):
        assert mood.seq == 0
        break
    assert "streammer-listen" not in [t.name for t in threading.enumerate()]
    Publisher(free_endpoint).close()  # the endpoint is free again


@pytest.mark.parametrize("pace", ["live", "fast"])
def test_a_listener_that_has_a_name_is_read_on_after_a_loop(tiny, song_wav, pace):
    with listen(song_wav, pace=pace, model=tiny) as moods:
        for mood in moods:
            assert mood.seq == 0
            break
        assert next(moods).seq == 1


def test_a_reader_ends_when_another_thread_closes_the_listener(tiny, song_wav):
    with listen(song_wav, model=tiny) as moods:
        next(moods)
        threading.Timer(0.2, moods.close).start()
        assert len(list(moods)) < 11  # the file is 12 steps long


def test_ticks_and_the_bus_do_not_wait_for_a_slow_reader(tiny, song_wav):
    with (
        listen(song_wav, model=tiny, bind="tcp://127.0.0.1:*") as moods,
        Subscriber(moods.endpoint) as bus,
    ):
        next(moods)
        deadline = time.monotonic() + 10
        seen = None
        while (seen is None or seen.seq < 4) and time.monotonic() < deadline:
            seen = bus.read(1.0) or seen
        assert seen is not None
        assert seen.seq >= 4


def test_an_error_of_the_live_engine_is_raised_where_it_is_read(tiny, tmp_path):
    path = tmp_path / "short.wav"
    soundfile.write(path, make_song(0.2), SR)
    with listen(path, model=tiny) as moods, pytest.raises(InputError, match=r"0\.200 s of sound"):
        next(moods)


def test_label_gives_a_dict_a_file_and_a_dict_a_step(tiny, song_wav):
    (row,) = label([song_wav], model=tiny)
    steps = list(label(song_wav, steps=True, model=tiny))
    assert row["n_steps"] == len(steps) == 12
    assert row["duration_s"] == pytest.approx(6.0)
    counted = [s["valence"] for s in steps if s["state"] == "live"]
    assert row["valence"] == round(float(np.mean(counted)), 4)
    assert row["state"] == "live"
    assert row["path"] == steps[0]["path"] == str(song_wav)


def test_label_searches_folders(tiny, tmp_path, song):
    for name in ("a.wav", "sub/b.flac"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        soundfile.write(tmp_path / name, song[: 2 * SR], SR)
    (tmp_path / "notes.txt").write_text("not music")
    rows = list(label(tmp_path, model=tiny))
    assert [r["path"] for r in rows] == [str(tmp_path / "a.wav"), str(tmp_path / "sub" / "b.flac")]


def test_label_over_two_processes_says_the_same(tiny, tmp_path, song):
    for k in range(3):
        soundfile.write(tmp_path / f"{k}.wav", song[k * SR : (k + 2) * SR], SR)
    one = list(label(tmp_path, model=tiny, jobs=1))
    two = list(label(tmp_path, model=tiny, jobs=2))
    assert two == one


def test_label_warns_of_what_cannot_be_used_and_does_the_rest(tiny, tmp_path, song):
    names = ("ok.wav", "text.mp3", "good.wav", "missing.wav", "cut.flac")
    paths = [tmp_path / name for name in names]
    for k in (0, 2):
        soundfile.write(paths[k], song[: 2 * SR], SR)
    paths[1].write_text("no music here\n" * 100)
    soundfile.write(paths[4], song, SR)
    data = paths[4].read_bytes()
    paths[4].write_bytes(data[: len(data) // 2])
    with pytest.warns(LabelWarning) as said:
        rows = list(label(paths, model=tiny))
    assert [r["path"] for r in rows] == [str(paths[k]) for k in (0, 2, 4)]
    assert rows[2]["duration_s"] < 6.0
    lines = [str(w.message) for w in said]
    assert len(lines) == 3
    for line, k in zip(lines, (1, 3, 4), strict=True):
        assert str(paths[k]) in line
        assert ("skipped" in line) == (k != 4)
    assert {w.filename for w in said} == {__file__}


def test_label_warns_of_links_that_lead_nowhere(tiny, tmp_path, song):
    soundfile.write(tmp_path / "ok.wav", song[: 2 * SR], SR)
    (tmp_path / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    with pytest.warns(LabelWarning, match=r"skipped: .*gone\.wav: leads to .*nowhere\.wav"):
        rows = list(label(tmp_path, model=tiny))
    assert [r["path"] for r in rows] == [str(tmp_path / "ok.wav")]


def test_label_refuses_when_nothing_can_be_used(tiny, tmp_path):
    (tmp_path / "text.mp3").write_text("no music here\n" * 100)
    with pytest.warns(LabelWarning), pytest.raises(InputError, match="none of 1 files"):
        list(label(tmp_path, model=tiny))


def test_what_is_no_source_or_pace_is_refused(tiny, song):
    with pytest.raises(UsageError, match="the source is a list"):
        listen([0.0, 0.1], sr=SR, model=tiny)
    with pytest.raises(UsageError, match="pace 'slow'"):
        listen(song, sr=SR, model=tiny, pace="slow")


def test_a_listener_that_is_closed_early_says_that_it_ended(tiny, song):
    listener = listen(song, sr=SR, model=tiny, bind="tcp://127.0.0.1:*")
    with Subscriber(listener.endpoint) as subscriber:
        while subscriber.read(0.05) is None:  # until it is connected
            next(listener)
        listener.close()
        while not subscriber.ended:
            assert not subscriber.stale
            subscriber.read(0.1)
