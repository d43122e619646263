"""The process that opens devices, for real: it hangs, dies or answers, and can be given up on."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from streammer.clock import SystemClock
from streammer.errors import DeviceError
from streammer.sources.device import process
from streammer.sources.device.inputs import WantedInput
from streammer.sources.device.source import DeviceSource

HANGS = "import time\nwhile True: time.sleep(60)\n"

WORKS = """
import sys, threading, time
from types import SimpleNamespace

class PortAudioError(Exception):
    pass

def query_hostapis():
    return [{"name": "Fake"}]

def query_devices(kind=None):
    device = {"index": 0, "name": "Fake mic", "max_input_channels": 1, "hostapi": 0,
              "default_samplerate": 1000.0}
    return device if kind else [device]

def get_portaudio_version():
    return 0, "PortAudio V19, revision unknown"

class RawInputStream:
    def __init__(self, *, callback, **_options):
        self.callback = callback
    def start(self):
        print("a C library says hello")
        print("and more", file=sys.stderr)
        threading.Thread(target=self.run, daemon=True).start()
    def run(self):
        times = SimpleNamespace(currentTime=1.0, inputBufferAdcTime=0.9)
        while True:
            time.sleep(0.01)
            self.callback(bytes(40), 10, times, SimpleNamespace(input_overflow=False))
    def abort(self):
        pass
    close = abort
"""


@pytest.fixture
def sounddevice(tmp_path, monkeypatch):
    """Give the process another sounddevice module."""
    monkeypatch.syspath_prepend(tmp_path)

    def write(code):
        (tmp_path / "sounddevice.py").write_text(code)

    return write


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_sound_system_that_never_answers_is_said_and_given_up_on(
    sounddevice, monkeypatch, caplog
):
    sounddevice(HANGS)
    monkeypatch.setattr(process, "SAY_S", 0.2)
    monkeypatch.setattr(process, "GIVE_UP_S", 1.0)
    with pytest.raises(DeviceError, match="does not answer within 1 s"):
        process.list_inputs()
    (said,) = caplog.messages
    assert "has not answered" in said


def test_a_process_that_was_given_up_on_is_gone(sounddevice, monkeypatch):
    sounddevice(HANGS)
    monkeypatch.setattr(process, "GIVE_UP_S", 0.5)
    started = process.DeviceProcess()
    pid = started._process.pid
    with pytest.raises(DeviceError):
        started.answer(SystemClock())
    assert alive(pid)
    started.close()
    assert not alive(pid)


def test_a_process_that_does_not_end_by_itself_is_killed(sounddevice):
    sounddevice(HANGS)
    started = process.DeviceProcess()
    os.kill(started._process.pid, signal.SIGSTOP)
    started.close()
    assert not alive(started._process.pid)


def test_closing_ends_an_open_that_hangs(sounddevice, monkeypatch):
    sounddevice(HANGS)
    monkeypatch.setattr(process, "GIVE_UP_S", 300.0)
    source = DeviceSource(WantedInput(None), SystemClock())
    threading.Timer(0.5, source.close).start()
    with pytest.raises(DeviceError, match="closed while"):
        source.open()


def test_a_process_that_dies_without_an_answer_is_one_line(sounddevice):
    sounddevice("import os\nos._exit(9)\n")
    with pytest.raises(DeviceError, match=r"ended without an answer .code 9."):
        process.list_inputs()


def test_any_exception_of_portaudio_is_a_device_error(sounddevice):
    gone = 'def query_hostapis():\n    raise PortAudioError("gone")'
    sounddevice(WORKS.replace("def query_hostapis():", gone))
    with pytest.raises(DeviceError, match=r"PortAudio fails .gone.: check the sound server"):
        process.list_inputs()


def test_what_is_captured_arrives_and_what_libraries_print_does_not(sounddevice, capfd):
    sounddevice(WORKS)
    source = DeviceSource(WantedInput("fake"), SystemClock())
    info = source.open()
    assert (info.name, info.sr, info.channels) == ("Fake mic", 1000, 1)
    block = source.read(2.5)
    assert (block.position, block.lost, block.samples.shape[1]) == (0, 0, 1)
    started = source._process._process
    source.close()
    assert started.poll() is not None
    out, err = capfd.readouterr()
    assert out + err == ""


@pytest.mark.parametrize("module", [WORKS, HANGS])
def test_the_process_ends_when_its_parent_is_killed(sounddevice, tmp_path, module):
    sounddevice(module)
    code = (
        f"import sys, threading, time; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from streammer.clock import SystemClock\n"
        "from streammer.sources.device.inputs import WantedInput\n"
        "from streammer.sources.device.source import DeviceSource\n"
        "source = DeviceSource(WantedInput(None), SystemClock())\n"
        "threading.Thread(target=source.open, daemon=True).start()\n"
        "while source._process is None: time.sleep(0.01)\n"
        "time.sleep(1.0)\n"
        "print(source._process._process.pid, flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    with parent:
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.kill()
    until = time.monotonic() + 30.0
    while alive(pid):
        assert time.monotonic() < until, "the microphone stays open"
        time.sleep(0.05)


def test_a_program_without_a_python_of_its_own_is_told(monkeypatch):
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(DeviceError, match="pipe raw PCM"):
        process.list_inputs()


def test_a_process_that_cannot_be_started_is_one_line(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(DeviceError, match="no process can be started"):
        process.list_inputs()
