"""Bridges in `streammer run`: one that cannot begin harms no other."""

import re
import signal
import sys

import soundfile
from receivers import free_port, needs_program
from test_bridge_osc import read_until, shows

from tests.sounds import SR, make_song

RUN = """
[bus]
bind = "tcp://127.0.0.1:0"
[[feeds]]
name = "stage"
source = "song.flac"
[[feeds]]
name = "bar"
source = "song.flac"
[[bridges]]
kind = "osc"
feed = "bar"
port = {osc}
[[bridges]]
kind = "sacn"
feed = "stage"
map = "none.toml"
"""


def test_a_feed_reaches_its_receiver_and_a_bridge_without_its_map_is_a_line(start, tmp_path):
    oscdump, port = needs_program("oscdump", "liblo-tools"), free_port()
    soundfile.write(tmp_path / "song.flac", make_song(60.0, channels=1), SR)
    (tmp_path / "venue.toml").write_text(RUN.format(osc=port))
    receiver = start(oscdump, "-L", port)
    run = start(sys.executable, "-m", "streammer", "run", tmp_path / "venue.toml")
    assert float(
        read_until(receiver, shows(r"/mood/bar/active f ([\d.]+)", lambda a: float(a) > 0.5))
    )
    line = receiver.line()
    assert re.search(r"/mood/bar/", line), line
    run.await_err("none.toml cannot be read", 30.0)
    assert run.end(signal.SIGTERM, 60.0) == 0
    assert len([line for line in run.err.splitlines() if "sacn: " in line]) == 1
