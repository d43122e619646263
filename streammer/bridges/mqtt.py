"""MQTT: the mood as retained JSON, and sensors that Home Assistant finds by itself."""

import json
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from streammer.bridges.colour import PALETTE, colour
from streammer.bridges.discovery import discovery
from streammer.bridges.extra import needs
from streammer.bridges.frame import Frame
from streammer.bridges.options import Shaping
from streammer.bridges.outlet import Frames, Refused
from streammer.bridges.udp import check_host, check_port
from streammer.errors import InputError, UsageError

if TYPE_CHECKING:
    from paho.mqtt.client import Client

__all__ = ["Mqtt", "MqttOptions"]

_KEEPALIVE_S = 10
"""After one and a half of it the broker says that we are offline [s]."""

_ANSWER_S = 5.0
_REFUSALS = ("Not authorized", "Bad user name or password", "Banned", "Client identifier not valid")
_TOPIC = re.compile(r"[^/#+\0\s][^#+\0\s]*")


@dataclass(frozen=True, kw_only=True)
class MqttOptions(Shaping):
    """The mood on an MQTT broker.

    Attributes
    ----------
    rate : float
        Messages a second, 1 to 60.
    host : str
        Where the broker is.
    port : int
        TCP port of the broker.
    username : str
        Where the broker asks for one.
    password_file : Path or None
        A file whose first line is the password.
    tls : bool
        Encrypt, and check the broker's certificate; its port is mostly 8883.
    prefix : str
        What every topic begins with.
    discovery : str
        Where Home Assistant looks for new sensors; empty: tell it nothing.
    """

    rate: float = 2.0
    host: str = "127.0.0.1"
    port: int = 1883
    username: str = ""
    password_file: Path | None = None
    tls: bool = False
    prefix: str = "streammer"
    discovery: str = "homeassistant"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_host(self.host)
        check_port(self.port)
        for name, topic in (("prefix", self.prefix), ("discovery", self.discovery)):
            if not (_TOPIC.fullmatch(topic) or (name == "discovery" and not topic)):
                raise UsageError(
                    f"--{name} {topic!r} is no topic: text without spaces, # and + is expected, "
                    "such as streammer"
                )
        if self.password_file is not None and not self.username:
            raise UsageError("--password-file goes with --username: give both")


class Mqtt:
    """Publish frames on a broker.

    Parameters
    ----------
    options : MqttOptions
    streams : sequence of str
        The streams whose frames will come.

    Notes
    -----
    A broker that answers nothing is given up after 15 s (its keep-alive); until then, what it does
    not take waits in the client: some hundred kilobytes at most.
    """

    def __init__(self, options: MqttOptions, streams: Sequence[str]) -> None:
        needs("paho.mqtt.client")
        self.where = f"MQTT to {options.host}:{options.port}"
        self._options = options
        self._password = _password(options.password_file)
        self._prefix = options.prefix.rstrip("/")
        self._streams = list(dict.fromkeys(streams))
        # One connection has one last will: that of the bridge, on which all its streams depend.
        self._bridge_topic = f"{self._prefix}/{self._streams[0]}/bridge"
        self._client: Client | None = None
        self._answered, self._lost = threading.Event(), threading.Event()
        self._answer: Any = None
        self._available: dict[str, str] = {}

    def open(self) -> None:
        """Connect, and say what there is; `Refused` where the broker does not want us."""
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        client.connect_timeout = _ANSWER_S
        client.on_connect, client.on_disconnect = self._connected, self._disconnected
        client.will_set(self._bridge_topic, "offline", qos=1, retain=True)
        if self._options.username:
            client.username_pw_set(self._options.username, self._password)
        if self._options.tls:
            client.tls_set()
        self._answered.clear()
        self._lost.clear()
        self._available.clear()
        client.connect(self._options.host, self._options.port, keepalive=_KEEPALIVE_S)
        client.loop_start()
        self._client = client
        try:
            self._check_answer()
        except OSError:
            self.close()
            raise
        self._publish(self._bridge_topic, "online", retain=True, qos=1)
        self._announce()

    def send(self, frames: Frames) -> None:
        """Publish a message a stream, and what has changed or fired."""
        if self._lost.is_set():
            raise ConnectionError("the broker has closed the connection")
        for stream, frame in frames.items():
            topic = f"{self._prefix}/{stream}"
            available = "offline" if frame.state in ("stale", "ended") else "online"
            if self._available.get(stream) != available:
                self._available[stream] = available
                self._publish(f"{topic}/availability", available, retain=True, qos=1)
            self._publish(f"{topic}/mood", json.dumps(_message(frame)), retain=True)
            for name in frame.fired:
                self._publish(f"{topic}/rule", json.dumps({"event_type": name}), qos=1)

    def leave(self) -> None:
        """Say that the bridge is offline, and wait until the broker knows."""
        assert self._client is not None
        self._publish(self._bridge_topic, "offline", retain=True, qos=1, wait=True)
        self._client.disconnect()

    def close(self) -> None:
        """Let go of the connection."""
        client, self._client = self._client, None
        if client is not None:
            client.loop_stop()
            # A socket that is closed without a farewell: the last will is sent.
            if (sock := client.socket()) is not None:
                sock.close()

    def _check_answer(self) -> None:
        if not self._answered.wait(_ANSWER_S):
            raise TimeoutError(f"no answer within {_ANSWER_S:g} s: is it an MQTT broker?")
        if self._answer.is_failure:
            said = str(self._answer)
            if said in _REFUSALS:
                raise Refused(
                    f"the broker at {self._options.host}:{self._options.port} refuses ({said}): "
                    "check --username and --password-file"
                )
            raise ConnectionError(said)

    def _announce(self) -> None:
        if not self._options.discovery:
            return
        rules = [rule.name for rule in self._options.rules]
        for stream in self._streams:
            topic = f"{self._prefix}/{stream}"
            available = [self._bridge_topic, f"{topic}/availability"]
            for place, config in discovery(
                self._options.discovery.rstrip("/"), topic, stream, available, rules
            ):
                self._publish(place, config, retain=True, qos=1)

    def _publish(
        self, topic: str, text: str, *, retain: bool = False, qos: int = 0, wait: bool = False
    ) -> None:
        assert self._client is not None
        info = self._client.publish(topic, text, qos=qos, retain=retain)
        if info.rc:
            raise ConnectionError("the connection to the broker is lost")
        if wait:
            info.wait_for_publish(0.5)

    def _connected(self, client: Any, data: Any, flags: Any, code: Any, properties: Any) -> None:
        self._answer = code
        self._answered.set()

    def _disconnected(self, client: Any, data: Any, flags: Any, code: Any, properties: Any) -> None:
        self._lost.set()


def _message(frame: Frame) -> dict[str, Any]:
    """Return what is published of a frame."""
    values: dict[str, Any] = {
        key: None if value is None else round(value, 4)
        for key in (
            "valence", "arousal", "valence01", "arousal01", "p_positive", "p_energetic",
            "sigma_valence", "sigma_arousal", "intensity", "active",
        )
        for value in (getattr(frame, key),)
    }  # fmt: skip
    red, green, blue = (round(255 * part) for part in colour(frame, PALETTE))
    values["color"] = f"#{red:02x}{green:02x}{blue:02x}"
    return values | {"quadrant": frame.quadrant, "state": frame.state}


def _password(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as a password ({error})") from error
    if not lines:
        raise InputError(f"{path} is empty: its first line is expected to be the password")
    return lines[0]
