"""An Icecast of the test's own on a free port, and FFmpeg as the DJ that feeds it."""

import getpass
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from urllib.error import URLError

PASSWORD = "hackme"
CONFIG = """\
<icecast>
  <limits><clients>10</clients><sources>2</sources><burst-size>0</burst-size></limits>
  <authentication>
    <source-password>{password}</source-password>
    <admin-user>admin</admin-user><admin-password>{password}</admin-password>
  </authentication>
  <hostname>127.0.0.1</hostname>
  <listen-socket><port>{port}</port><bind-address>127.0.0.1</bind-address></listen-socket>
  <paths>
    <logdir>{folder}</logdir><webroot>/usr/share/icecast2/web</webroot>
    <adminroot>/usr/share/icecast2/admin</adminroot>
  </paths>
  <logging><accesslog>access.log</accesslog><errorlog>error.log</errorlog></logging>
  <security><chroot>0</chroot>{owner}</security>
</icecast>
"""
OWNER = "<changeowner><user>nobody</user><group>nogroup</group></changeowner>"
"""Icecast refuses to run as root: it becomes somebody else by itself."""


def missing():
    """Return why there can be no radio here, or ''."""
    for tool in ("icecast2", "ffmpeg"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed (Debian package {tool})"
    return ""


class Icecast:
    def __init__(self, folder):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/set.mp3"
        root = getpass.getuser() == "root"
        logs = folder / "logs"
        logs.mkdir()
        for part in (logs, *logs.parents) if root else ():
            if part.stat().st_uid == os.getuid() and part != part.parent:
                part.chmod(part.stat().st_mode | (0o777 if part == logs else 0o001))
        config = folder / "icecast.xml"
        config.write_text(
            CONFIG.format(
                password=PASSWORD, port=self.port, folder=logs, owner=OWNER if root else ""
            )
        )
        self._process = subprocess.Popen(
            ["icecast2", "-c", str(config)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._djs = []
        self._wait_for(f"http://127.0.0.1:{self.port}/status-json.xsl")

    def play(self, path):
        """Broadcast a file from its start; return the process when its mount can be heard."""
        target = f"icecast://source:{PASSWORD}@127.0.0.1:{self.port}/set.mp3"
        dj = subprocess.Popen(
            [
                "ffmpeg", "-nostdin", "-v", "error", "-re", "-i", str(path),
                "-c:a", "libmp3lame", "-b:a", "128k", "-content_type", "audio/mpeg",
                "-f", "mp3", target,
            ],
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self._djs.append(dj)
        self._wait_for(self.url)
        return dj

    def stop(self):
        for process in (*self._djs, self._process):
            if process.poll() is None:
                process.kill()
            process.wait()

    @staticmethod
    def _wait_for(url, timeout_s=30.0):
        until = time.monotonic() + timeout_s
        while True:
            try:
                with urllib.request.urlopen(url, timeout=5.0):
                    return
            except (URLError, OSError):
                if time.monotonic() > until:
                    raise
                time.sleep(0.1)
