"""A PulseAudio of the test's own, without a sound card: a null sink, whose monitor is the input."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

ALSA_CONF = """\
</usr/share/alsa/alsa.conf>
pcm.!default {
    type pulse
}
ctl.!default {
    type pulse
}
"""

SINK = "stage"


def missing():
    """Return why there can be no sound server here, or ''."""
    if sys.platform != "linux":
        return "PulseAudio is tried on Linux only"
    for tool, package in (("pulseaudio", "pulseaudio"), ("paplay", "pulseaudio-utils")):
        if shutil.which(tool) is None:
            return f"{tool} is not installed (Debian package {package})"
    if not list(Path("/usr/lib").glob("**/alsa-lib/libasound_module_pcm_pulse.so")):
        return "ALSA has no pulse plugin (Debian package libasound2-plugins)"
    try:
        import sounddevice  # noqa: F401
    except OSError:
        return "PortAudio is not installed (Debian package libportaudio2)"
    return ""


class SoundServer:
    """A server and the environment of its clients.

    Parameters
    ----------
    folder : Path
        Empty, for its socket and files.
    running : bool
        Whether to start it; otherwise there is the environment alone, and the place of the socket.
    """

    def __init__(self, folder, *, running=True):
        self._folder = folder
        self._process = None
        conf = folder / "asound.conf"
        conf.write_text(ALSA_CONF)
        for name in ("home", "run"):
            (folder / name).mkdir(mode=0o700)
        self.socket = folder / "run" / "native"
        self.env = {
            **os.environ,
            "HOME": str(folder / "home"),
            "XDG_RUNTIME_DIR": str(folder / "run"),
            "PULSE_RUNTIME_PATH": str(folder / "run"),
            "PULSE_SERVER": f"unix:{self.socket}",
            "ALSA_CONFIG_PATH": str(conf),
            "SDL_AUDIODRIVER": "dummy",
        }
        if running:
            self.start()

    def start(self):
        """Start it, anew if need be, with its sink."""
        if self._process is not None:
            self._process.wait(timeout=10)
        self.socket.unlink(missing_ok=True)
        with (self._folder / "pulse.log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    "pulseaudio", "-n", "--daemonize=no", "--use-pid-file=no",
                    "--exit-idle-time=-1", "--system=false",
                    "-L", f"module-native-protocol-unix socket={self.socket} auth-anonymous=1",
                ],
                env=self.env, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip
        self._wait_until(lambda: self.pactl("info", check=False).returncode == 0)
        self.load_sink()

    def signal(self, number):
        """Send its process a signal."""
        self._process.send_signal(number)

    def pactl(self, *args, check=True):
        return subprocess.run(
            ["pactl", *args], env=self.env, capture_output=True, text=True, check=check, timeout=10
        )

    def load_sink(self):
        loaded = self.pactl(
            "load-module", "module-null-sink", f"sink_name={SINK}", "rate=44100", "channels=2"
        )
        self._module = loaded.stdout.strip()
        self.pactl("set-default-sink", SINK)
        self.pactl("set-default-source", f"{SINK}.monitor")

    def unload_sink(self):
        self.pactl("unload-module", self._module)

    def play(self, path, *args):
        return subprocess.Popen(
            ["paplay", *args, str(path)],
            env=self.env,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def stop(self):
        self._process.send_signal(signal.SIGCONT)
        self._process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=5)
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    @staticmethod
    def _wait_until(ready, timeout_s=10.0):
        until = time.monotonic() + timeout_s
        while not ready():
            if time.monotonic() > until:
                raise TimeoutError("the sound server does not start")
            time.sleep(0.05)
