"""OLA, run as an ordinary user: an Art-Net and sACN node whose universes its web API tells."""

import contextlib
import json
import os
import pwd
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from receivers import await_true, free_port, needs_program

_QUIET = ("dummy", "espnet", "ftdidmx", "gpio", "karate", "kinet", "milinst", "opendmx",
          "openpixelcontrol", "osc", "pathport", "renard", "sandnet", "shownet", "spi",
          "stageprofi", "uartdmx", "usbdmx", "usbserial")  # fmt: skip


class Ola:
    """A running olad.

    Parameters
    ----------
    folder : Path
        For its settings; it must be of the user that runs it.
    """

    def __init__(self, folder: Path) -> None:
        program = needs_program("olad", "ola")
        conf = folder / "conf"
        conf.mkdir()
        for name in _QUIET:
            (conf / f"ola-{name}.conf").write_text("enabled = false\n")
        (conf / "ola-artnet.conf").write_text(
            "enabled = true\nip = 127.0.0.1\nnet = 0\nsubnet = 0\n"
        )
        (conf / "ola-e131.conf").write_text("enabled = true\nip = 127.0.0.1\n")
        self._port = free_port(socket.SOCK_STREAM)
        command = [
            program, "--config-dir", conf, "--http-port", self._port,
            "--rpc-port", free_port(socket.SOCK_STREAM), "--no-register-with-dns-sd",
        ]  # fmt: skip
        options = {}
        if os.getuid() == 0:  # it refuses to run as root
            user = pwd.getpwnam("nobody")
            for path in (folder, conf, *conf.iterdir()):
                os.chown(path, user.pw_uid, user.pw_gid)
            options = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._log = (folder / "olad.log").open("wb")
        self._process = subprocess.Popen(
            [*map(str, command)], stdout=self._log, stderr=self._log, cwd=folder,
            env={**os.environ, "HOME": str(folder)}, **options,
        )  # fmt: skip
        await_true(self._ports, "a port of OLA")

    def _get(self, path, data=None):
        url = f"http://127.0.0.1:{self._port}/{path}"
        with urllib.request.urlopen(url, data, timeout=10) as answer:
            return json.loads(answer.read())

    def _ports(self):
        with contextlib.suppress(OSError, urllib.error.URLError, ValueError):
            return self._get("json/get_ports")
        return None

    def add_universe(self, number, device):
        """Let an input of a device, such as ArtNet or E1.31, be the source of a universe."""
        port = await_true(
            lambda: next(
                (
                    p["id"]
                    for p in self._ports() or []
                    if device in p["device"] and not p["is_output"]
                ),
                None,
            ),
            f"an input of {device}",
        )
        data = f"id={number}&name=u{number}&add_ports={port}".encode()
        answer = self._get("new_universe", data)
        assert answer["ok"], answer

    def channels(self, number):
        """Return the channels of a universe, as the web API tells them."""
        return self._get(f"get_dmx?u={number}")["dmx"]

    def close(self):
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(15)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
