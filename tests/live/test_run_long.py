"""A venue for a while: eight files and what a sound server plays, and no tick is lost."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest
import soundfile

from streammer.bus.streams import Streams
from streammer.estimate import MoodEstimate
from tests.live.sound_server import SoundServer, missing
from tests.sounds import make_song

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "it is here")

PATIENCE_S = 60.0
FILES = 8
MONITORS = ("left", "right")
SR = 4000


@pytest.fixture(scope="module")
def pulse(tmp_path_factory):
    server = SoundServer(tmp_path_factory.mktemp("pulse"))
    yield server
    server.stop()


@pytest.mark.parametrize(
    "seconds", [20, pytest.param(3600, marks=pytest.mark.nightly)], ids=["now", "an-hour"]
)
def test_a_run_of_eight_files_and_a_monitor_loses_no_tick(pulse, tmp_path, free_endpoint, seconds):
    song = make_song(20.0, sr=SR, channels=1)
    long = np.tile(song, (int((seconds + 90) / 20) + 1, 1))
    soundfile.write(tmp_path / "0.wav", long, SR, subtype="PCM_16")
    text = f'[bus]\nbind = "{free_endpoint}"\n'
    for k in range(FILES):
        if k:
            os.link(tmp_path / "0.wav", tmp_path / f"{k}.wav")
        text += f'[[feeds]]\nname = "file-{k}"\nsource = "{k}.wav"\ngain_db = {-k}\n'
    for k, name in enumerate(MONITORS, 1):  # one device, heard by two feeds
        text += f'[[feeds]]\nname = "{name}"\nsource = "device:Monitor of"\nselect = [{k}]\n'
    (tmp_path / "venue.toml").write_text(text)
    names = {f"file-{k}" for k in range(FILES)} | set(MONITORS)
    with subprocess.Popen(
        [sys.executable, "-m", "streammer", "run", str(tmp_path / "venue.toml")],
        env=pulse.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    ) as run, Streams(free_endpoint) as streams:  # fmt: skip
        try:
            counts = Counter()
            deadline = time.monotonic() + PATIENCE_S
            # All sources are opened, on a machine that may be busy: what counts begins after that.
            while min(counts[name] for name in names) < 4 and time.monotonic() < deadline:
                counts.update(m.stream for m in streams.read(0.2) if isinstance(m, MoodEstimate))
            assert set(streams.following) == names
            before = {name: each.status.skipped_ticks for name, each in streams.following.items()}
            counts.clear()
            began = time.monotonic()
            while time.monotonic() < began + seconds:
                counts.update(m.stream for m in streams.read(0.2) if isinstance(m, MoodEstimate))
                assert run.poll() is None
            elapsed = time.monotonic() - began
            statuses = {name: each.status for name, each in streams.following.items()}
            missed = {name: each.missed for name, each in streams.following.items()}
            epochs = {each.epoch for each in streams.following.values()}
        finally:
            run.send_signal(signal.SIGTERM)
            err = run.stderr.read().decode()
            code = run.wait(PATIENCE_S)
    assert code == 0, err
    assert len(epochs) == len(names)
    assert missed == dict.fromkeys(names, 0), err
    assert {name: status.skipped_ticks for name, status in statuses.items()} == before
    for name in names:
        assert counts[name] >= 2 * elapsed - 4, (name, counts, err)
        assert not statuses[name].overloaded
    for k in range(FILES):
        assert statuses[f"file-{k}"].lost_samples == 0
