"""Devices without hardware: a sounddevice module made here, whose callback the test calls."""

import builtins
import json
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from streammer.audio.block import Block, SourceEnd
from streammer.audio.ring import RING_S
from streammer.clock import FakeClock
from streammer.errors import DeviceError
from streammer.sources.device import portaudio
from streammer.sources.device.dropouts import HoleFinder
from streammer.sources.device.source import STALLED_S, START_S
from streammer.sources.open import open_source

SR = 1000


class PortAudioError(Exception):
    pass


def device(name, channels=2, api=0, sr=SR):
    return {
        "name": name,
        "max_input_channels": channels,
        "hostapi": api,
        "default_samplerate": float(sr),
    }


class FakeSoundDevice:
    """What of the sounddevice module is used."""

    PortAudioError = PortAudioError

    def __init__(self, clock, devices, default=0):
        self.clock, self.plugged, self.default = clock, devices, default
        self.listed = list(devices)
        self.listings = 1
        self.streams = []
        self.refuses = ()  # counts of channels

    def query_hostapis(self):
        return [{"name": "ALSA"}, {"name": "JACK"}]

    def query_devices(self, kind=None):
        if kind is None:
            return self.listed
        if not 0 <= self.default < len(self.listed):
            raise PortAudioError("no default")
        return {"index": self.default}

    def _terminate(self):
        assert not [s for s in self.streams if not s.closed]
        self.listed = []

    def _initialize(self):
        self.listed = list(self.plugged)
        self.listings += 1

    def InputStream(self, **options):
        if options["channels"] in self.refuses:
            raise PortAudioError("Invalid number of channels")
        self.streams.append(FakeStream(self.clock, **options))
        return self.streams[-1]


class FakeStream:
    def __init__(self, clock, *, device, samplerate, channels, dtype, callback, finished_callback):
        assert dtype == "float32"
        self.device, self.sr, self.channels = device, samplerate, channels
        self.clock, self.callback, self.finished = clock, callback, finished_callback
        self.closed = self.started = False
        self.n = 0
        self.latency = 0.03

    def start(self):
        self.started = True

    def abort(self, ignore_errors):
        assert ignore_errors

    def close(self, ignore_errors):
        self.closed = True

    def deliver(self, n=100, *, missing=0, overflow=False, adc=None):
        """Let n samples pass on the fake clock, after `missing` that the driver dropped."""
        self.clock.advance((n + missing) / self.sr)
        now = self.clock.monotonic()
        self.n += missing
        x = np.arange(self.n, self.n + n, dtype=np.float32)[:, None] * np.ones(self.channels)
        self.n += n
        first = now - self.latency - n / self.sr if adc is None else adc
        self.callback(
            x.astype(np.float32),
            n,
            SimpleNamespace(inputBufferAdcTime=first, currentTime=now),
            SimpleNamespace(input_overflow=overflow),
        )


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def sound(clock, monkeypatch):
    fake = FakeSoundDevice(
        clock,
        [
            device("USB Mic", 1),
            device("Scarlett 18i20 USB", 18),
            device("HDMI 0", 0),
            device("Monitor of Built-in Audio"),
            device("Scarlett Solo USB"),
        ],
    )
    monkeypatch.setattr(portaudio, "load", lambda: fake)
    monkeypatch.setattr(portaudio, "_streams", 0)
    monkeypatch.setattr(portaudio, "_listed", False)
    monkeypatch.setattr(portaudio, "_first_names", {})
    return fake


@pytest.fixture
def opened(sound, clock):
    sources = []

    def opened(name="mic"):
        source = open_source(name, clock=clock)
        sources.append(source)
        source.open()
        return source

    yield opened
    for source in sources:
        source.close()


def test_mic_is_the_systems_default_input(opened, sound):
    sound.default = 4
    assert opened("mic").info.name == "Scarlett Solo USB"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("device:usb mic", "USB Mic"),
        ("device:solo", "Scarlett Solo USB"),
        ("device:#3", "Monitor of Built-in Audio"),
    ],
)
def test_a_part_of_a_name_in_any_case_or_an_index_is_enough(opened, name, found):
    source = opened(name)
    assert source.info.name == found
    assert source.info.clocked
    assert source.info.kind == "device"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("device:Scarlet Solo", "Scarlett Solo USB"),
        ("device:nothing like it", "USB Mic"),
        ("device:scarlett", "'Scarlett 18i20 USB' .#1., 'Scarlett Solo USB' .#4."),
        ("device:#2", "no input has the number 2"),
        ("device:#x", "no number"),
        ("device:", "is called ''"),
    ],
)
def test_a_miss_names_what_is_there(sound, clock, name, said):
    with pytest.raises(DeviceError, match=said) as refusal:
        open_source(name, clock=clock).open()
    assert "\n" not in str(refusal.value)


def test_without_any_input_or_without_a_default_it_is_said(sound, clock):
    sound.default = -1
    with pytest.raises(DeviceError, match="no default input"):
        open_source("mic", clock=clock).open()
    sound.plugged = sound.listed = []
    with pytest.raises(DeviceError, match="no sound input"):
        open_source("mic", clock=clock).open()


def test_all_channels_are_opened_but_not_the_made_up_ones_of_a_sound_server(opened, sound):
    sound.plugged.append(device("pulse", 32))
    sound.listed = sound.plugged
    assert opened("device:18i20").info.channels == 18
    assert opened("device:pulse").info.channels == 2


def test_a_device_that_refuses_its_channels_is_opened_with_fewer(opened, sound):
    sound.refuses = (18,)
    assert opened("device:18i20").info.channels == 2
    sound.refuses = (18, 2, 1)
    with pytest.raises(DeviceError, match=r"does not open .Invalid number"):
        opened("device:18i20")


def test_blocks_come_with_position_and_the_time_at_which_they_were_captured(opened, sound, clock):
    source = opened("device:solo")
    (stream,) = sound.streams
    assert source.read(0.05) is None
    for i in range(5):
        stream.deliver(100)
        block = source.read(0.1)
        assert (block.position, block.lost, block.samples.shape) == (100 * i, 0, (100, 2))
        assert block.samples[0, 0] == 100 * i
        assert block.t_capture == pytest.approx(clock.unix())  # its arrival


def test_the_wait_in_the_ring_is_no_part_of_the_time_of_arrival(opened, sound, clock):
    source = opened("device:solo")
    (stream,) = sound.streams
    stream.deliver(100)
    arrived = clock.monotonic()
    clock.advance(0.3)  # the reader is busy
    assert source.read(0.0).t_arrival == pytest.approx(arrived)


def test_capture_times_are_the_drivers_once_they_have_settled(opened, sound, clock):
    source = opened()
    (stream,) = sound.streams
    for _ in range(21):
        stream.deliver(100)
    drain(source)
    for latency in (0.03, 0.09, 0.03):  # a late callback does not move the time of capture
        stream.latency = latency
        stream.deliver(100)
        at = clock.unix() - latency
        assert source.read(0.1).t_capture == pytest.approx(at)


def test_the_callback_keeps_no_memory_of_the_drivers(opened, sound):
    source = opened()
    (stream,) = sound.streams
    x = np.ones((100, 1), np.float32)
    time = SimpleNamespace(inputBufferAdcTime=0.0, currentTime=0.0)
    stream.callback(x, 100, time, SimpleNamespace(input_overflow=False))
    x[:] = 9.0  # PortAudio uses its buffer again
    assert (source.read(0.1).samples == 1.0).all()


def test_an_overflow_is_counted_by_the_capture_time(opened, sound):
    source = opened()
    (stream,) = sound.streams
    stream.deliver(100)
    stream.deliver(100, missing=37, overflow=True)
    stream.deliver(100)
    a, b, c = source.read(0.1), source.read(0.1), source.read(0.1)
    assert (a.position, a.lost) == (0, 0)
    assert len(a.samples) == 100
    assert (b.position, b.lost) == (137, 37)
    assert len(b.samples) + (len(c.samples) if c else 0) == 200
    assert b.samples[0, 0] == 137


def test_an_overflow_where_the_capture_time_is_made_up_is_counted_by_the_clock(opened, sound):
    source = opened()
    (stream,) = sound.streams
    stream.deliver(100, adc=0.0)
    stream.deliver(100, missing=50, overflow=True, adc=0.0)
    source.read(0.1)
    assert source.read(0.1).lost == 50


def test_an_overflow_is_never_counted_as_nothing(opened, sound):
    source = opened()
    (stream,) = sound.streams
    stream.deliver(100)
    stream.deliver(100, overflow=True)
    source.read(0.1)
    assert source.read(0.1).lost == 1


def drain(source):
    blocks = []
    while isinstance(block := source.read(0.0), Block):
        blocks.append(block)
    return blocks


def test_a_hole_that_no_driver_reports_is_seen_within_seconds(opened, sound, clock):
    source = opened()
    (stream,) = sound.streams
    start = clock.monotonic()
    for _ in range(10):
        stream.deliver(100)
    stream.deliver(100, missing=600)
    for _ in range(20):
        stream.deliver(100)
    blocks = drain(source)
    assert sum(b.lost for b in blocks) == pytest.approx(600, abs=2)
    last = blocks[-1]
    passed = (clock.monotonic() - start) * SR
    assert last.position + len(last.samples) == pytest.approx(passed, abs=2)


@pytest.mark.parametrize("adc", [None, 0.0])
def test_a_callback_that_was_held_up_and_makes_good_has_lost_nothing(opened, sound, clock, adc):
    source = opened()
    (stream,) = sound.streams
    for _ in range(10):
        stream.deliver(100, adc=adc)
    clock.advance(0.6)  # the machine is busy; six blocks wait
    for _ in range(6):
        stream.deliver(100, adc=adc)
        clock.advance(-0.1)
    for _ in range(20):
        stream.deliver(100, adc=adc)
    assert sum(b.lost for b in drain(source)) == 0


def test_capture_times_that_settle_at_the_start_are_no_hole(opened, sound):
    source = opened()
    (stream,) = sound.streams
    for latency in np.linspace(0.6, 0.001, 20):
        stream.latency = latency
        stream.deliver(100)
    for _ in range(40):
        stream.deliver(100)
    assert sum(b.lost for b in drain(source)) == 0


@pytest.mark.parametrize("ppm", [-250, 250])
def test_a_sound_card_whose_clock_is_a_little_off_has_lost_nothing(ppm):
    holes = HoleFinder(SR)
    rng = np.random.default_rng(0)
    hours = 3 * 3600 * 10
    jitter = rng.exponential(0.01, hours)
    lost = sum(
        holes.lost(0.1 * k * (1 + ppm * 1e-6) + jitter[k], 100, None, False) for k in range(hours)
    )
    assert lost == 0


def test_a_reader_that_lags_loses_the_oldest_and_their_time_passes(opened, sound):
    source = opened()
    (stream,) = sound.streams
    for _ in range(150):
        stream.deliver(100)
    block = source.read(0.1)
    kept = int(RING_S * SR)
    assert block.lost == block.position == 15_000 - kept
    assert block.samples[0, 0] == 15_000 - kept


def test_a_device_that_falls_silent_is_lost_within_a_second(opened, sound, clock):
    source = opened()
    sound.streams[0].deliver(100)
    assert isinstance(source.read(0.1), Block)
    since = clock.monotonic()
    while (end := source.read(0.1)) is None:
        pass
    assert end.reason == "lost"
    assert "USB Mic" in end.detail
    assert STALLED_S - 1e-6 <= clock.monotonic() - since <= 1.0


def test_a_device_may_take_its_time_to_start(opened, sound, clock):
    source = opened()
    since = clock.monotonic()
    while (end := source.read(0.1)) is None:
        pass
    assert end.reason == "lost"
    assert clock.monotonic() - since >= START_S - 1e-6


def test_a_stream_that_portaudio_ends_is_lost_after_what_it_gave(opened, sound):
    source = opened()
    sound.streams[0].deliver(100)
    sound.streams[0].finished()
    assert isinstance(source.read(0.1), Block)
    assert source.read(0.1).reason == "lost"


def test_closing_stops_the_stream_and_a_pending_read(opened, sound):
    source = opened()
    source.close()
    assert source.read(1.0) == SourceEnd("closed")
    assert sound.streams[0].closed
    source.close()


def test_devices_are_looked_for_anew_unless_another_is_playing(opened, sound):
    source = opened("device:usb mic")
    assert sound.listings == 1  # loading PortAudio has just listed them
    other = opened("device:solo")
    assert sound.listings == 1
    source.close()
    other.close()
    opened("device:usb mic")
    assert sound.listings == 2


def test_a_failed_open_leaves_nothing_held(opened, sound, clock):
    for _ in range(3):
        with pytest.raises(DeviceError):
            open_source("device:nosuch", clock=clock).open()
    assert portaudio._streams == 0


def test_a_device_is_found_again_by_name_when_its_number_has_changed(opened, sound):
    source = opened("device:#4")
    assert source.info.name == "Scarlett Solo USB"
    source.close()
    sound.plugged = sound.plugged[2:]
    assert opened("device:#4").info.name == "Scarlett Solo USB"
    assert sound.streams[-1].device == 2
    with pytest.raises(DeviceError, match=r"USB Mic .device:#0. is not connected"):
        opened("device:#0")


def test_one_device_under_two_systems_is_one_device(opened, sound):
    sound.plugged.append(device("Scarlett Solo USB", 2, api=1))
    sound.listed = sound.plugged
    opened("device:solo")
    assert sound.streams[-1].device == 4


def test_what_hears_the_machine_itself_is_marked(sound):
    assert [d.name for d in portaudio.inputs() if d.loopback] == ["Monitor of Built-in Audio"]
    assert [d.name for d in portaudio.inputs() if d.default] == ["USB Mic"]


def test_writing_from_another_thread_wakes_the_reader(sound):
    from streammer.clock import SystemClock

    sound.clock = SystemClock()
    source = open_source("mic", clock=sound.clock)
    source.open()
    x = np.ones((100, 1), np.float32)
    times = SimpleNamespace(inputBufferAdcTime=0.0, currentTime=0.0)
    args = (x, 100, times, SimpleNamespace(input_overflow=False))
    threading.Timer(0.05, sound.streams[0].callback, args).start()
    assert len(source.read(20.0).samples) == 100
    source.close()


def test_without_portaudio_the_package_is_named_and_all_else_works(monkeypatch):
    real = builtins.__import__

    def no_portaudio(name, *args, **kwargs):
        if name == "sounddevice":
            raise OSError("PortAudio library not found")
        return real(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    monkeypatch.setattr(builtins, "__import__", no_portaudio)
    source = open_source("mic", clock=FakeClock())
    with pytest.raises(DeviceError, match="libportaudio2"):
        source.open()
    source.close()
    array = open_source(np.zeros(10), sr=SR, clock=FakeClock())
    array.open()
    assert isinstance(array.read(0.0), Block)


def run_cli(code_before, *args):
    """Run a command in a fresh process after some lines of Python."""
    code = (
        f"import sys\n{code_before}\nfrom streammer.cli import main\nsys.exit(main({list(args)}))"
    )
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


WITHOUT = """
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name == "sounddevice":
            raise OSError("PortAudio library not found")
sys.meta_path.insert(0, Missing())
"""

WITH = """
from streammer.sources.device import portaudio
portaudio.inputs = lambda: [
    portaudio.InputDevice(3, "Built-in", "ALSA", 2, 48000, True, False),
    portaudio.InputDevice(5, "Monitor of it", "ALSA", 2, 44100, False, True),
]
"""


def test_devices_are_listed_as_json_lines_when_nobody_watches():
    done = run_cli(WITH, "devices")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert rows[0] == {
        "index": 3,
        "name": "Built-in",
        "api": "ALSA",
        "channels": 2,
        "sr": 48000,
        "default": True,
        "loopback": False,
    }
    assert rows[1]["loopback"]
    assert (done.returncode, done.stderr) == (0, "")


def test_devices_are_listed_as_a_table_in_a_terminal():
    done = run_cli(WITH + "sys.stdout.isatty = lambda: True", "devices")
    assert "Built-in" in done.stdout
    assert "mic (default)" in done.stdout
    assert "hears what is played" in done.stdout
    assert "48000 Hz" in done.stdout


def test_devices_without_portaudio_is_one_line_and_exit_code_4():
    done = run_cli(WITHOUT, "devices")
    assert (done.returncode, done.stdout) == (4, "")
    assert len(done.stderr.splitlines()) == 1
    assert "libportaudio2" in done.stderr


def test_listening_to_the_microphone_without_portaudio_is_exit_code_4():
    done = run_cli(WITHOUT, "listen", "mic", "--no-publish")
    assert (done.returncode, done.stdout) == (4, "")
    assert "libportaudio2" in done.stderr


def test_the_doctor_finds_what_works_and_says_how_to_mend_what_does_not():
    done = run_cli(WITHOUT, "doctor", "--json")
    rows = {row["what"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 0
    assert {"streammer", "packages", "default model", "kernels", "audio files", "URLs",
            "microphone", "GPU", "bus"} == set(rows)  # fmt: skip
    assert rows["default model"]["state"] == "works"
    assert rows["audio files"]["state"] == "works"
    assert rows["microphone"]["state"] == "absent"
    assert "libportaudio2" in rows["microphone"]["mend"]


def test_the_doctor_sees_a_port_that_is_taken():
    taken = (
        "import contextlib\n"
        "from streammer.bus import Publisher\n"
        "with contextlib.suppress(OSError):\n"  # somebody else has it already
        "    bus = Publisher('tcp://127.0.0.1:5580')\n"
    )
    done = run_cli(taken, "doctor")
    assert done.returncode == 0
    line = next(line for line in done.stdout.splitlines() if "bus: " in line)
    assert line.startswith("--")


def test_the_doctor_fails_only_when_nothing_can_work():
    nothing = (
        "import streammer.inference.loading\n"
        "from streammer.errors import ModelError\n"
        "def refuse(*_args, **_options):\n"
        "    raise ModelError('default is gone')\n"
        "streammer.inference.loading.load_models = refuse\n"
    )
    done = run_cli(nothing, "doctor")
    assert done.returncode == 5
    assert "!!  default model: default is gone" in done.stdout
    assert "bus" in done.stdout
