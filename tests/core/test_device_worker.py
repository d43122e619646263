"""The process that captures: opening, the pipe, and what it does when nobody reads."""

import io
import json
import os
import threading

import numpy as np
import pytest
from fake_devices import SR, FakeSoundDevice, device

from streammer.errors import DeviceError
from streammer.sources.device import portaudio, pulse
from streammer.sources.device.inputs import InputDevice, WantedInput
from streammer.sources.device.records import unpack
from streammer.sources.device.worker import Outbox, capture, listing


@pytest.fixture
def sound(monkeypatch):
    monkeypatch.setattr(pulse, "sources", lambda sr: [])
    return FakeSoundDevice([device("Stereo", 2), device("Scarlett 18i20 USB", 18)])


def nothing(*_args):
    pass


def start(sound, wanted):
    return portaudio.start(sound, wanted, callback=nothing, finished_callback=nothing)


def test_a_device_that_refuses_its_channels_is_opened_with_fewer(sound):
    many = portaudio.inputs(sound)[1]
    sound.refuses = (18,)
    stream, channels = start(sound, many)
    assert (channels, stream.channels, stream.device, stream.started) == (2, 2, 1, True)
    sound.refuses = (18, 2, 1)
    with pytest.raises(DeviceError, match=r"does not open .Invalid number"):
        start(sound, many)


MONITOR = InputDevice(
    7, "Monitor of Speakers", "PulseAudio", 2, SR, False, True, "speakers.monitor"
)


def test_a_monitor_is_opened_through_alsas_way_to_the_server(sound, monkeypatch):
    monkeypatch.setenv("PULSE_SOURCE", "")
    monkeypatch.setattr(pulse, "records_from", lambda name: name == "speakers.monitor")
    sound.devices.append(device("pulse", 32))
    stream, _ = start(sound, MONITOR)
    assert stream.device == 2
    assert os.environ["PULSE_SOURCE"] == "speakers.monitor"


def test_a_monitor_is_refused_where_another_input_would_be_opened_in_its_place(sound, monkeypatch):
    monkeypatch.setenv("PULSE_SOURCE", "")
    monkeypatch.setattr(pulse, "records_from", lambda name: False)
    sound.devices.append(device("default", 2))  # of the sound card, not of the server
    with pytest.raises(DeviceError, match="libasound2-plugins"):
        start(sound, MONITOR)


def test_what_the_driver_gives_goes_through_the_pipe_whole_and_in_order(sound):
    out = io.BytesIO()
    opened = []
    thread = threading.Thread(target=capture, args=(sound, WantedInput(None), out, opened))
    thread.start()
    while not opened:
        assert thread.is_alive()
    (stream,) = sound.streams
    x = np.arange(600, dtype=np.float32).reshape(300, 2)
    stream.deliver(x[:100], delay=0.25)
    stream.deliver(x[100:], overflow=True)
    stream.finished()
    thread.join(timeout=30)
    out.seek(0)
    assert json.loads(out.readline()) == {"opened": {"name": "Stereo", "sr": SR, "channels": 2}}
    first, second = unpack(out, 2), unpack(out, 2)
    assert (first.position, first.samples, first.overflow) == (0, 100, False)
    assert first.delay == pytest.approx(0.25)
    assert (second.position, second.samples, second.overflow) == (100, 200, True)
    assert second.now >= first.now
    assert (np.frombuffer(first.data + second.data, np.float32) == x.ravel()).all()
    assert unpack(out, 2) is None


def test_a_record_that_breaks_off_is_the_end():
    outbox = Outbox(100)
    outbox.put(bytes(40), 10, 0.0, 0.0, False)
    from streammer.sources.device.records import pack

    whole = pack(outbox.get())
    assert unpack(io.BytesIO(whole), 1).samples == 10
    assert unpack(io.BytesIO(whole[:-1]), 1) is None
    assert unpack(io.BytesIO(whole[:5]), 1) is None


def test_for_a_reader_who_has_stopped_the_newest_are_kept_and_the_gap_shows():
    outbox = Outbox(1000)
    for _ in range(50):
        outbox.put(bytes(400), 100, 0.0, 0.0, False)
    outbox.close()
    kept = []
    while (record := outbox.get()) is not None:
        kept.append(record.position)
    assert kept == list(range(4000, 5000, 100))


def test_a_block_longer_than_all_that_is_kept_goes_through():
    outbox = Outbox(10)
    outbox.put(bytes(400), 100, 0.0, 0.0, False)
    assert outbox.get().samples == 100


def test_the_list_has_a_row_for_every_input_and_the_version(sound):
    answer = json.loads(json.dumps(listing(sound)))
    assert [row["name"] for row in answer["inputs"]] == ["Stereo", "Scarlett 18i20 USB"]
    assert answer["version"] == "PortAudio V19"
