"""`streammer bridge midi` through a real sound system: the ALSA sequencer, or JACK's dummy driver.

The receiver is RtMidi's input, as a sequencer or a synthesiser has it.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from receivers import await_true, bridge, needs_program

RECEIVER = """
import sys, time
try:
    import rtmidi
    make = lambda: rtmidi.MidiIn(getattr(rtmidi, sys.argv[1]), "receiver")
    names = lambda port: port.get_ports()
except ImportError:
    import rtmidi2 as rtmidi
    make = lambda: rtmidi.MidiIn("receiver", api=getattr(rtmidi, sys.argv[1]))
    names = lambda port: port.ports
port = make()
while not (found := [k for k, name in enumerate(names(port)) if "streammer" in name]):
    time.sleep(0.1)
def show(message, *_):
    print(*(message[0] if isinstance(message, tuple) else message), flush=True)
if hasattr(port, "set_callback"):
    port.set_callback(show)
else:
    port.callback = show
port.open_port(found[0])
time.sleep(600)
"""

SYSTEM_JACK = Path("/usr/lib/x86_64-linux-gnu/libjack.so.0")


@pytest.fixture
def sound_system(monkeypatch):
    """Return the options of the bridge, and the name that RtMidi has for the sound system."""
    if Path("/dev/snd/seq").exists():
        yield ["--api", "alsa"], "API_LINUX_ALSA"
        return
    jackd = needs_program("jackd", "jackd2")
    monkeypatch.setenv("JACK_DEFAULT_SERVER", f"streammer-{os.getpid()}")
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    monkeypatch.setenv("JACK_NO_AUDIO_RESERVATION", "1")
    if sys.version_info >= (3, 13):
        if not SYSTEM_JACK.exists():
            pytest.skip(f"no {SYSTEM_JACK}: the wheel of rtmidi2 has a libjack of its own")
        # That libjack is older than the server; the system's takes its place.
        monkeypatch.setenv("LD_PRELOAD", str(SYSTEM_JACK))
    name = os.environ["JACK_DEFAULT_SERVER"]
    command = [jackd, "-r", "-n", name, "-d", "dummy", "-r", "48000", "-p", "256"]
    environment = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
    server = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    )
    lsp = needs_program("jack_lsp", "jackd2")

    def answers():
        return not subprocess.run(
            [lsp], env=environment, capture_output=True, timeout=30
        ).returncode

    await_true(answers, "an answer of JACK")
    yield ["--api", "jack"], "API_UNIX_JACK"
    server.terminate()
    try:
        server.wait(15)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def test_controllers_and_programs_arrive_as_the_mood_moves(sound_system, start, publish):
    options, api = sound_system
    _, endpoint = publish()
    sender = start(
        *bridge("midi", *options, "--connect", endpoint, "--attack", 0.2, "--release", 0.2),
        "--high-resolution", "--dwell", 0,
    )  # fmt: skip
    receiver = start(sys.executable, "-u", "-c", RECEIVER, api)
    values, fine, programs = set(), set(), set()
    for _ in range(20000):
        message = [*map(int, receiver.line().split())]
        if message[0] == 0xB0 and message[1] == 20:
            values.add(message[2])
        if message[0] == 0xB0 and message[1] == 52:
            fine.add(message[2])
        if message[0] == 0xC0:
            programs.add(message[1])
        if len(programs) >= 2 and max(values, default=0) > 90 and min(values) < 60:
            break
    assert max(values) > 90
    assert min(values) < 60
    assert len(fine) > 10
    assert programs <= {0, 1, 2, 3, 4}
    assert sender.end(signal.SIGTERM) == 0
    assert not [line for line in sender.err.splitlines() if not line.startswith("streammer: ")]


def test_a_port_that_is_not_there_is_said_once_with_those_that_are(sound_system, start, publish):
    options, _ = sound_system
    _, endpoint = publish()
    process = start(*bridge("midi", *options, "--connect", endpoint, "--port", "Nonesuch"))
    process.await_err("no such port; there ", 60.0)
    assert process.end(signal.SIGTERM) == 0
    assert process.err.count("no such port") == 1


def test_without_a_sound_system_it_says_so_once_and_ends_in_order(start, publish):
    if Path("/dev/snd/seq").exists():
        pytest.skip("this machine has an ALSA sequencer")
    _, endpoint = publish()
    process = start(*bridge("midi", "--connect", endpoint))
    process.await_err("neither the ALSA sequencer", 60.0)
    assert process.end(signal.SIGTERM) == 0
    assert not [line for line in process.err.splitlines() if not line.startswith("streammer: ")]
