"""A real MQTT broker for the tests, and what is on it."""

import json
import os
import socket
import subprocess
import threading

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from receivers import await_true, free_port, needs_program


class Mosquitto:
    """A broker that can be stopped and started again on the same port.

    Parameters
    ----------
    folder : Path
        For its settings.
    account : tuple of str, optional
        Name and password that it asks for.
    """

    def __init__(self, folder, account=None):
        self._program = needs_program("mosquitto", "mosquitto")
        self.port = free_port(socket.SOCK_STREAM)
        lines = [f"listener {self.port} 127.0.0.1"]
        if os.getuid() == 0:
            lines.append("user root")
        if account is None:
            lines.append("allow_anonymous true")
        else:
            needs_program("mosquitto_passwd", "mosquitto")
            passwords = folder / "passwords"
            command = ["mosquitto_passwd", "-c", "-b", passwords, *account]
            subprocess.run([*map(str, command)], check=True, timeout=60, capture_output=True)
            lines += ["allow_anonymous false", f"password_file {passwords}"]
        self._config = folder / "mosquitto.conf"
        self._config.write_text("\n".join(lines) + "\n")
        self._process = None
        self.start()

    def start(self):
        """Start it, and wait until it takes connections."""
        self._process = subprocess.Popen(
            [self._program, "-c", str(self._config)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        await_true(self._takes_connections, "a connection")

    def _takes_connections(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 5.0).close()
        except OSError:
            return False
        return True

    def stop(self):
        """Kill it."""
        self._process.kill()
        self._process.wait()


class Watcher:
    """A client that keeps what it receives: every message, and the last of each topic."""

    def __init__(self, port):
        self.messages, self.last = [], {}
        self._new = threading.Condition()
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = self._take
        self._client.on_connect = lambda client, *_: client.subscribe("#")
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _take(self, client, data, message):
        with self._new:
            text = message.payload.decode()
            self.messages.append((message.topic, text, message.retain))
            self.last[message.topic] = text
            self._new.notify_all()

    def until(self, test, timeout_s=30.0):
        """Wait until a test of the last messages holds."""
        with self._new:
            assert self._new.wait_for(lambda: test(self.last), timeout_s), self.last

    def json(self, topic):
        """Return the last message of a topic."""
        return json.loads(self.last[topic])

    def close(self):
        """Leave the broker."""
        self._client.disconnect()
        self._client.loop_stop()
