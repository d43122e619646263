"""Every stream of a publisher, every message; features only while somebody looks."""

import msgspec
import numpy as np
import pytest
from bus_parts import EPOCH, estimate, status, until

from streammer.bus import Publisher
from streammer.bus.features import Features, decode_features, encode_features
from streammer.bus.streams import Streams
from streammer.bus.wire import WireError
from streammer.clock import FakeClock
from streammer.engine.features import step_features
from streammer.engine.pipeline import StepInput
from streammer.estimate import MoodEstimate
from streammer.frontend.spec import FrontEndSpec
from tests.core.engine_parts import Bus, blocks, run
from tests.sounds import make_song

NEWER = "0192f000000000ab"


def features(seq=0, **changes):
    fields = {
        "stream": "main", "epoch": EPOCH, "seq": seq, "t_audio_s": 0.5, "kind": "mel",
        "frames": 2, "bins": 3, "floor_db": -80.0, "top_db": 0.0, "db": bytes(6),
    }  # fmt: skip
    return Features(**(fields | changes))


def seen(streams, count, timeout_s=5.0):
    got = []
    assert until(lambda: got.extend(streams.read(0.05)) or len(got) >= count, timeout_s), got
    return got


def test_all_streams_come_with_each_estimate_and_their_end():
    with Publisher("tcp://127.0.0.1:0") as bus, Streams(bus.endpoint) as streams:
        bus.publish(estimate(0, stream="joined"))
        seen(streams, 1)  # from here on nothing is before the subscription
        for seq in range(5):
            bus.publish(estimate(seq, stream="left"))
            bus.publish(estimate(seq, stream="right"))
        bus.publish_status(status(stream="left"))
        bus.publish(estimate(5, stream="left", state="ended"))
        got = seen(streams, 12)
        moods = [m for m in got if isinstance(m, MoodEstimate)]
        assert [m.seq for m in moods if m.stream == "left"] == [0, 1, 2, 3, 4, 5]
        assert [m.seq for m in moods if m.stream == "right"] == [0, 1, 2, 3, 4]
        assert streams.following["left"].ended
        assert not streams.following["right"].ended
        assert streams.following["left"].status == status(stream="left")


def test_duplicates_older_epochs_and_what_is_malformed_do_not_come(raw):
    clock = FakeClock()
    with Streams(raw.endpoint, clock=clock) as streams:
        raw.await_subscriptions()
        raw.say(estimate(1, epoch=NEWER))
        raw.say(estimate(1, epoch=NEWER))
        raw.say(estimate(2, epoch=EPOCH))
        raw.send(b"mood/UPPER", b"{}")
        raw.send(b"mood/main", b"junk")
        raw.say(estimate(2, epoch=NEWER))
        got = seen(streams, 2)
        assert [(m.epoch, m.seq) for m in got] == [(NEWER, 1), (NEWER, 2)]
        assert streams.malformed == 2
        assert not streams.stale("main")
        clock.advance(2.1)
        assert streams.stale("main")


def test_features_are_wanted_only_while_somebody_subscribes_to_them():
    with Publisher("tcp://127.0.0.1:0") as bus, Streams(bus.endpoint) as streams:
        bus.publish(estimate(0))
        seen(streams, 1)
        assert not bus.wants_features("main")
        streams.want_features({"main"})
        assert until(lambda: bus.wants_features("main"))
        assert not bus.wants_features("other")
        bus.publish_features(features(3))
        assert seen(streams, 1) == [features(3)]
        streams.want_features(set())
        assert until(lambda: not bus.wants_features("main"))


def test_features_of_a_moment_ago_are_not_sent_to_who_joins_late():
    with Publisher("tcp://127.0.0.1:0") as bus:
        bus.publish_features(features(0))
        bus.publish(estimate(0))
        with Streams(bus.endpoint) as streams:
            streams.want_features({"main"})
            assert until(lambda: bus.wants_features("main"))
            bus.publish(estimate(1))
            assert all(isinstance(m, MoodEstimate) for m in seen(streams, 2))


def test_features_of_a_stream_that_vanishes_are_no_longer_made():
    with Publisher("tcp://127.0.0.1:0") as bus:
        streams = Streams(bus.endpoint)
        streams.want_features({"main"})
        assert until(lambda: bus.wants_features("main"))
        streams.close()
        assert until(lambda: not bus.wants_features("main"))


@pytest.mark.parametrize(
    "changes",
    [{"db": bytes(5)}, {"frames": 0, "db": b""}, {"floor_db": 0.0}, {"epoch": "x"}, {"v": 2},
     {"frames": 100, "bins": 100, "db": bytes(10000)}, {"kind": "wave"}, {"t_audio_s": -1.0},
     {"stream": "Main"}],
)  # fmt: skip
def test_features_that_break_a_rule_are_neither_sent_nor_taken(changes):
    wrong = features(**changes)
    with pytest.raises(WireError):
        encode_features(wrong)
    with pytest.raises(WireError):
        decode_features(msgspec.msgpack.encode(wrong), wrong.stream)


def test_the_engine_publishes_the_features_of_each_step_while_they_are_wanted(models):
    song = make_song(3.0)
    for wanted in (False, True):
        bus = Bus(wanted=wanted)
        run(blocks(song), models, publisher=bus)
        moods = [m.seq for m in bus.said if m.state != "ended"]
        assert [f.seq for f in bus.features] == (moods if wanted else [])
    spec = next(iter(models[0].model.front_ends.values()))
    assert {(f.frames, f.bins) for f in bus.features} == {(spec.frames_per_step(0.5), spec.n_bins)}


def step_of(spec, x):
    return StepInput(0, 0, {spec: x.astype(np.float32)}, -20.0, False, True)


@pytest.mark.parametrize("power", [1.0, 2.0])
@pytest.mark.parametrize("log", ["none", "ln", "log10", "db", "log1p"])
def test_whatever_a_front_end_does_to_its_power_the_features_are_in_decibels(log, power):
    spec = FrontEndSpec("mel", 22050, 1024, 441, 4, 30.0, 11000.0, power=power, log=log, gain=7.0)
    db = np.array([[0.0, -10.0, -20.0, -40.0]])
    x = 10.0 ** (db / (20.0 / power))
    made = {
        "none": x, "ln": np.log(x), "log10": np.log10(x), "db": 10.0 * np.log10(x),
        "log1p": np.log1p(7.0 * x),
    }[log]  # fmt: skip
    out = step_features(step_of(spec, made), estimate())
    back = out.floor_db + np.frombuffer(out.db, np.uint8) * (out.top_db - out.floor_db) / 255.0
    np.testing.assert_allclose(back, db[0], atol=0.2)


def test_a_spectrogram_that_is_too_large_is_averaged_to_fit():
    spec = FrontEndSpec("stft", 22050, 1024, 110, 513)
    rows = np.repeat(10.0 ** np.linspace(-6.0, 0.0, 100)[:, None], 513, axis=1)
    out = step_features(step_of(spec, rows), estimate())
    assert len(encode_features(out)) <= 4096
    cells = np.frombuffer(out.db, np.uint8).reshape(out.frames, out.bins)
    assert (np.diff(cells[:, 0].astype(int)) > 0).all()
    assert (cells == cells[:, :1]).all()


def test_the_mel_front_end_is_shown_and_any_other_only_without_it():
    mel = FrontEndSpec("mel", 22050, 1024, 441, 80, 30.0, 11000.0)
    chroma = FrontEndSpec("chroma", 22050, 8192, 2205, 12, fmax=11025.0)
    both = StepInput(0, 0, {chroma: np.ones((5, 12)), mel: np.ones((25, 80))}, -20.0, False, True)
    assert step_features(both, estimate()).kind == "mel"
    one = StepInput(0, 0, {chroma: np.ones((5, 12))}, -20.0, False, True)
    assert step_features(one, estimate()).kind == "chroma"
    assert step_features(StepInput(0, 0, {}, -20.0, False, True), estimate()) is None
