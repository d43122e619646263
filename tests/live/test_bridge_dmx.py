"""`streammer bridge sacn` and `artnet` beside real receivers: OLA, and the receiver of sacn."""

import itertools
import os
import signal
import threading
from pathlib import Path

import pytest
import sacn
from ola import Ola
from receivers import await_true, bridge

MAP = """
[[fixture]]
name = "par"
universe = {universe}
address = 10
channels = ["dimmer", "red", "green", "blue", "arousal:16", "strobe", 77]
"""


@pytest.fixture
def map_of(tmp_path):
    def write(universe):
        path = tmp_path / f"{universe}.toml"
        path.write_text(MAP.format(universe=universe))
        return path

    return write


@pytest.fixture(scope="module")
def ola(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ola")
    for path in (folder, folder.parent, folder.parent.parent):
        os.chmod(path, 0o755)  # an ordinary user has to reach it
    node = Ola(Path(folder))
    yield node
    node.close()


@pytest.mark.parametrize(("protocol", "device"), [("artnet", "ArtNet"), ("sacn", "E1.31")])
def test_a_universe_of_ola_moves_with_the_mood_and_goes_dark_at_the_end(
    protocol, device, ola, start, publish, map_of
):
    universe = {"artnet": 0, "sacn": 21}[protocol]
    number = {"artnet": 16, "sacn": 21}[protocol]  # Art-Net's 0 is any of OLA's that it is given
    ola.add_universe(number, device)
    _, endpoint = publish()
    lights = map_of(universe)
    command = bridge(protocol, "--map", lights, "--connect", endpoint, "--host", "127.0.0.1")
    sender = start(*command, "--attack", 0.2, "--release", 0.2, "--floor", 0)

    def channels():
        return [0] * 20 if len(found := ola.channels(number)) < 20 else found

    await_true(lambda: channels()[16] == 77, "the fixed channel")
    seen = set()
    await_true(lambda: seen.add(channels()[9]) or (max(seen) > 200 and min(seen) < 60), "a swing")
    assert channels()[:9] == [0] * 9
    assert channels()[15] == 0  # strobe
    assert sender.end(signal.SIGTERM) == 0
    await_true(lambda: not any(channels()), "the blackout")


@pytest.fixture
def sacn_receiver():
    receiver = sacn.sACNreceiver(bind_address="127.0.0.1")
    receiver.start()
    yield receiver
    receiver.stop()


def test_an_sacn_receiver_gets_every_frame_in_order_and_the_end_of_the_source(
    sacn_receiver, start, publish
):
    packets, ended = [], threading.Event()
    sacn_receiver.register_listener("universe", packets.append, universe=5)

    @sacn_receiver.listen_on("availability", universe=5)
    def availability(universe, changed):
        if changed == "timeout":
            ended.set()

    _, endpoint = publish()
    command = bridge("sacn", "--universe", 5, "--connect", endpoint, "--host", "127.0.0.1")
    sender = start(*command, "--rate", 40, "--priority", 150)
    await_true(lambda: len(packets) > 60, "packets")
    sequences = [p.sequence for p in packets]
    assert all((b - a) % 256 == 1 for a, b in itertools.pairwise(sequences))
    assert {p.priority for p in packets} == {150}
    assert {p.universe for p in packets} == {5}
    assert len({p.dmxData[:4] for p in packets}) > 20
    assert sender.end(signal.SIGTERM) == 0
    assert ended.wait(20.0)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["sacn", "--universe", 70000], 2, "universe 70000 of light is none: 1 to 63999"),
        (["artnet", "--universe", 70000], 2, "0 to 32767 is expected"),
        (["artnet", "--map", "none.toml"], 3, "none.toml cannot be read"),
        (["sacn", "--map", "two.toml"], 2, "a and b are both on channel 3 of universe 1"),
    ],
)
def test_what_cannot_be_is_one_line_and_the_right_code(arguments, code, words, start, tmp_path):
    two = '[[fixture]]\nname="a"\naddress=3\nchannels=["red"]\n[[fixture]]\nname="b"\naddress=1\n'
    (tmp_path / "two.toml").write_text(f'{two}channels=["red","green","blue"]\n')
    arguments = [tmp_path / a if str(a).endswith(".toml") else a for a in arguments]
    process = start(*bridge(*arguments))
    assert process.wait(60) == code
    assert words in process.err
    assert len(process.err.splitlines()) == 1
