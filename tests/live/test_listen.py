"""`streammer listen` as a real process: paces, pipes, signals, closed pipes, outputs."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import soundfile

from tests.processes import read_rest
from tests.sounds import SR, make_song

VOLATILE = ("epoch", "t_capture", "t_publish", "lag_ms")
LISTEN = [sys.executable, "-m", "streammer", "listen"]


@pytest.fixture(scope="module")
def song():
    return make_song(8.0)


@pytest.fixture(scope="module")
def song_wav(tmp_path_factory, song):
    path = tmp_path_factory.mktemp("listen") / "song.wav"
    soundfile.write(path, song, SR, subtype="FLOAT")
    return path


def start(*args, **kwargs):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.PIPE}
    return subprocess.Popen([*LISTEN, *map(str, args)], **{**pipes, **kwargs})


def moods(out):
    return [json.loads(line) for line in out.decode().splitlines()]


def steady(estimates):
    return [{k: v for k, v in e.items() if k not in VOLATILE} for e in estimates]


def fast(path):
    process = start(path, "--pace", "fast")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return moods(out)


def test_a_file_at_fast_pace_gives_a_line_of_json_a_step(song_wav):
    estimates = fast(song_wav)
    assert [e["seq"] for e in estimates] == list(range(16))
    assert estimates[-1]["t_audio_s"] == 8.0


def test_a_file_at_live_pace_takes_its_time_and_says_the_same(song, tmp_path):
    short = tmp_path / "short.wav"
    soundfile.write(short, song[: 4 * SR], SR, subtype="FLOAT")
    process = start(short, "--no-publish")
    first = json.loads(process.stdout.readline())
    began = time.monotonic()
    out, _ = read_rest(process)
    took = time.monotonic() - began
    assert process.returncode == 0
    estimates = [first, *moods(out)]
    heard = [e for e in estimates if e["state"] != "degraded"]
    assert took > 3.0
    drop = lambda es: [{k: v for k, v in e.items() if k != "seq"} for e in es]  # noqa: E731
    assert drop(steady(heard)) == drop(steady(fast(short)))


@pytest.mark.parametrize("format", ["f32le", "s16le"])
def test_raw_pcm_from_a_pipe_says_what_the_file_says(tmp_path, song, format):
    kind = {"f32le": ("<f4", 1.0, "FLOAT"), "s16le": ("<i2", 32767.0, "PCM_16")}[format]
    raw = np.round(song * kind[1]) if format == "s16le" else song
    samples = raw.astype(kind[0])
    path = tmp_path / "same.wav"
    soundfile.write(path, samples if format == "s16le" else song, SR, subtype=kind[2])
    process = start(
        "-", "--format", format, "--rate", SR, "--channels", 2, "--pace", "fast", "--no-publish"
    )
    out, err = process.communicate(samples.tobytes(), timeout=60)
    assert process.returncode == 0, err
    assert steady(moods(out)) == steady(fast(path))


def test_a_pipe_that_stalls_degrades_and_comes_back(song):
    process = start("-", "--rate", SR, "--channels", 2, "--no-publish")
    raw = song.astype("<f4").tobytes()
    half = len(raw) // 2
    process.stdin.write(raw[:half])
    process.stdin.flush()
    states = []
    while "degraded" not in states:
        states.append(json.loads(process.stdout.readline())["state"])
    out, err = read_rest(process, raw[half:])
    estimates = moods(out)
    assert process.returncode == 0, err
    assert estimates[-1]["state"] in ("live", "warming")
    assert estimates[-1]["t_audio_s"] == 8.0
    assert [e["seq"] for e in estimates] == list(range(len(states), len(states) + len(estimates)))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_end_in_order(song_wav, tmp_path, number):
    log = tmp_path / "log.jsonl"
    process = start(song_wav, "--no-publish", "--jsonl", log)
    for _ in range(3):
        process.stdout.readline()
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert b"of sound" in err
    lines = log.read_text().splitlines()
    assert 3 <= len(lines) < 12  # the file has 16 steps; it did not wait for its end
    assert all(json.loads(line)["v"] == 1 for line in lines)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    "module", ["streammer.config", "streammer.engine.loop", "streammer.sources.open"]
)
def test_a_signal_while_it_starts_ends_in_order_too(song_wav, number, module):
    # The signal comes during an import; what is imported then says where in the start that is.
    program = f"""
import os, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), {int(number)})
sys.meta_path.insert(0, Finder())
from streammer.cli import main
sys.exit(main(["listen", {str(song_wav)!r}, "--no-publish"]))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr.decode().splitlines() == [
        "streammer: ended by a signal before there was any sound"
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="a pseudo-terminal is wanted")
def test_a_terminal_shows_an_error_and_no_empty_picture(tmp_path):
    import pty

    ours, theirs = pty.openpty()
    process = start(tmp_path / "missing.wav", "--no-publish", stdout=theirs)
    _, err = process.communicate(timeout=60)
    os.close(theirs)
    os.set_blocking(ours, False)
    try:
        shown = os.read(ours, 1 << 16)
    except OSError:
        shown = b""
    finally:
        os.close(ours)
    assert process.returncode == 3
    assert b"missing.wav" in err
    assert shown == b""


def test_a_closed_stdout_ends_in_order(song_wav):
    process = start(song_wav, "--no-publish")
    process.stdout.readline()
    process.stdout.close()
    process.stdin.close()
    with process.stderr:
        err = process.stderr.read()
    assert process.wait(timeout=20) == 0
    assert b"Traceback" not in err
    assert b"Broken" not in err


def test_a_log_is_appended_to_and_never_rewritten(song_wav, tmp_path):
    log = tmp_path / "log.jsonl"
    log.write_text('{"before": true}\n')
    process = start(song_wav, "--pace", "fast", "--jsonl", log)
    process.communicate(timeout=60)
    lines = log.read_text().splitlines()
    assert lines[0] == '{"before": true}'
    assert len(lines) == 17


def test_a_kill_leaves_whole_lines_in_the_log(song_wav, tmp_path):
    log = tmp_path / "log.jsonl"
    process = start(song_wav, "--no-publish", "--jsonl", log)
    for _ in range(4):  # the log has a writer of its own, which may be a line behind
        process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    text = log.read_text()
    assert text.endswith("\n")
    assert len([json.loads(line) for line in text.splitlines()]) >= 3
