"""However a stream ends, all that it holds is given back, in order, and the reason is told."""

from dataclasses import replace

import pytest

from streammer.bus.wire import WireError
from streammer.clock import FakeClock
from streammer.config import StreamConfig
from streammer.engine.capture import DirectCapture
from streammer.engine.engine import Engine
from streammer.errors import DeviceError, InputError, NetworkError, UsageError
from tests.core.engine_parts import Bus, Scripted, blocks, on_bus
from tests.sounds import make_song


class Held:
    """A source, a bus and a backend that write down what is given back."""

    def __init__(self, models, *, fails=(), script=None, slots=1, config=None):
        self.log = []
        clock = FakeClock()
        self.source = source = Scripted(blocks(make_song(1.2)) if script is None else script, clock)
        source.close = lambda: self.note("source", fails)
        bus = Bus()
        heard = bus.publish
        bus.publish = lambda e: self.note("ended", fails) if e.state == "ended" else heard(e)
        self.models = [replace(m, backend=self.counted(m.backend, fails)) for m in models] * slots
        self.engine = Engine(
            source, config or StreamConfig(), self.models, pace="live",
            publisher=bus, clock=clock, capture=DirectCapture,
        )  # fmt: skip

    def note(self, what, fails):
        self.log.append(what)
        if what in fails:
            raise WireError(f"{what} fails")

    def counted(self, backend, fails):
        held = self

        class Counted:
            def __getattr__(self, name):
                return getattr(backend, name)

            def acquire(self):
                held.note("acquire", ())
                if "acquire" in fails and held.log.count("acquire") == 2:
                    raise RuntimeError("no room for another stream")
                return backend.acquire()

            def release(self, slot):
                held.note("slot", fails)
                backend.release(slot)

        return Counted()


@pytest.mark.parametrize("fails", [(), ("ended",), ("source",), ("slot",), ("ended", "source")])
def test_whatever_raises_at_the_end_everything_is_given_back_in_order_once(models, fails):
    held = Held(models, fails=fails)
    if fails:
        with pytest.raises(WireError):
            held.engine.run()
    else:
        held.engine.run()
    assert held.log == ["acquire", "ended", "source", "slot"]


def test_a_stream_that_cannot_begin_gives_back_what_it_holds(models):
    held = Held(models, fails=("acquire",), slots=2)
    with pytest.raises(RuntimeError, match="no room"):
        held.engine.run()
    assert held.log == ["acquire", "acquire", "slot", "source"]


def test_a_source_that_raises_on_the_way_leaves_nothing_open(models):
    held = Held(models)
    source, script = held.source, iter(blocks(make_song(0.6)))

    def read(timeout_s):
        for _, samples, _ in script:
            return Scripted([("block", samples, 0)], FakeClock()).read(timeout_s)
        raise OSError("the card is gone")

    source.read = read
    with pytest.raises(OSError, match="the card is gone"):
        held.engine.run()
    assert held.log == ["acquire", "ended", "source", "slot"]


@pytest.mark.parametrize(
    ("kind", "reason", "error", "code"),
    [
        ("device", "lost", DeviceError, 4),
        ("url", "error", NetworkError, 4),
        ("pcm", "error", InputError, 3),
        ("file", "error", InputError, 3),
    ],
)
def test_a_source_that_fails_after_its_first_step_is_an_error_after_ended(
    models, kind, reason, error, code
):
    script = [*blocks(make_song(1.2)), ("end", reason, "hall cannot be read: broken")]
    engine, bus = on_bus(script, models, kind=kind)
    with pytest.raises(error, match="hall cannot be read: broken") as caught:
        engine.run()
    assert caught.value.exit_code == code
    assert [e.state for e in bus.said][-1] == "ended"
    assert [e.t_audio_s for e in bus.said if e.state != "ended"] == [0.5, 1.0]
    assert bus.status.state == "ended"
    assert bus.status.detail == "hall cannot be read: broken"


def test_a_source_that_was_closed_has_not_failed(models):
    engine, bus = on_bus([*blocks(make_song(0.2)), ("end", "closed", "")], models)
    assert engine.run().steps == 0
    assert bus.said[-1].state == "ended"


def test_a_channel_that_does_not_exist_gives_no_slot_away(models):
    held = Held(models, config=StreamConfig(select=(3,)))
    with pytest.raises(UsageError, match="channel 3"):
        held.engine.run()
    assert held.log == ["source"]
