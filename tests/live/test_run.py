"""`streammer run` as a real process: many feeds, a file that changes, signals."""

import json
import os
import signal
import sys
import time
from collections import Counter

import pytest
import soundfile

from streammer.bus import Subscriber
from tests.sounds import SR, make_song

RUN = (sys.executable, "-m", "streammer", "run")
PATIENCE_S = 90.0

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of Unix")


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("songs")
    for k in range(3):
        soundfile.write(folder / f"{k}.wav", make_song(60.0, seed=k), SR)
    return folder


@pytest.fixture
def venue(songs, free_endpoint):
    """Return what writes the file of a run in the folder of the songs."""
    path = songs / "venue.toml"

    def write(*feeds, rest=""):
        text = f'[bus]\nbind = "{free_endpoint}"\n{rest}\n'
        for keys in feeds:
            text += "[[feeds]]\n" + "".join(
                f"{key} = {json.dumps(value)}\n" for key, value in keys.items()
            )
        new = path.with_suffix(".new")
        new.write_text(text)
        os.replace(new, path)
        return path

    write.endpoint = free_endpoint
    return write


def feed(name, source="0.wav", **keys):
    return {"name": name, "source": source, **keys}


def lines_until(process, enough):
    """Read lines of JSON until `enough` of those read so far says so."""
    seen = []
    while not enough(seen):
        line = process.line()
        assert line, process.err
        seen.append(json.loads(line))
    return seen


def of(seen, name):
    return [mood for mood in seen if mood["stream"] == name]


def test_each_feed_is_a_stream_on_the_bus_and_a_signal_ends_all(start, venue):
    path = venue(feed("a"), feed("b", "1.wav", gain_db=-12), feed("c", "gone.wav"))
    run = start(*RUN, path)
    with Subscriber(venue.endpoint, "a") as a, Subscriber(venue.endpoint, "b") as b:
        moods = [s.read(PATIENCE_S) for s in (a, b)]
        assert [m.stream for m in moods] == ["a", "b"]
        assert run.end(timeout_s=PATIENCE_S) == 0
        for subscriber in (a, b):
            deadline = time.monotonic() + PATIENCE_S
            while not subscriber.ended and time.monotonic() < deadline:
                subscriber.read(0.2)
            assert subscriber.ended
    assert "c: " in run.err
    assert "gone.wav" in run.err
    for name in "ab":
        assert f"{name}: " in run.err
    assert "publishing a, b, c on" in run.err


@pytest.mark.parametrize("how", ["signal", "watch"])
def test_a_changed_file_changes_what_differs_and_touches_nothing_else(start, venue, how):
    path = venue(feed("stays"), feed("louder", "1.wav"), feed("leaves"), feed("moves"))
    options = ("--watch",) if how == "watch" else ()
    run = start(*RUN, path, *options)
    names = {"stays", "louder", "leaves", "moves"}
    before = lines_until(run, lambda seen: {m["stream"] for m in seen} == names)
    path = venue(
        feed("stays"), feed("louder", "1.wav", gain_db=-20, silence_dbfs=-90),
        feed("comes", "2.wav"), feed("moves", "2.wav"),
    )  # fmt: skip
    if how == "signal":
        run.send(signal.SIGHUP)
    run.await_err("read again: leaves left, louder changed, comes joined, moves begun", PATIENCE_S)
    after = lines_until(
        run,
        lambda seen: (
            of(seen, "comes")
            and len({m["epoch"] for m in of(before + seen, "moves")}) == 2
            and min(len(of(seen, name)) for name in ("stays", "louder")) > 4
        ),
    )
    both = before + after
    for name in ("stays", "louder"):
        assert len({m["epoch"] for m in of(both, name)}) == 1
        assert [m["seq"] for m in of(both, name)] == list(range(len(of(both, name))))
    assert not [m for m in of(both, "stays") if m["state"] == "degraded" and m["seq"] > 3]
    levels = [m["level_dbfs"] for m in of(both, "louder")]
    assert levels[0] - levels[-1] > 12.0
    assert run.end(timeout_s=PATIENCE_S) == 0
    assert run.err.count("read again") == 1


def test_a_file_that_is_broken_when_it_is_read_again_changes_nothing(start, venue):
    path = venue(feed("a"), feed("b"))
    run = start(*RUN, path)
    lines_until(run, lambda seen: len(seen) >= 2)
    venue(feed("a", gain_db=100), feed("b", wiat=True))
    run.send(signal.SIGHUP)
    run.await_err("the run goes on as before", PATIENCE_S)
    assert "feeds[1].gain_db is 100: expected a number from -60 to 60 (and 1 more)" in run.err
    path.unlink()
    run.send(signal.SIGHUP)
    run.await_err("cannot be read", PATIENCE_S)
    seen = lines_until(run, lambda seen: len(of(seen, "a")) > 2 and len(of(seen, "b")) > 2)
    assert {m["stream"] for m in seen} == {"a", "b"}
    assert run.end(timeout_s=PATIENCE_S) == 0


def test_a_hangup_that_is_ignored_stays_ignored(start, venue):
    path = venue(feed("a"))
    run = start("nohup", *RUN, path)
    lines_until(run, lambda seen: len(seen) >= 1)
    venue(feed("b"))
    run.send(signal.SIGHUP)
    seen = lines_until(run, lambda seen: len(seen) >= 4)
    assert {m["stream"] for m in seen} == {"a"}
    assert run.end(timeout_s=PATIENCE_S) == 0
    assert "read again" not in run.err


def test_a_terminal_that_closes_ends_a_run(venue):
    pty = pytest.importorskip("pty")
    path = venue(feed("a"))
    pid, master = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [*RUN, str(path)])
    try:
        with Subscriber(venue.endpoint, "a") as moods:
            assert moods.read(PATIENCE_S) is not None
            os.close(master)
            deadline = time.monotonic() + PATIENCE_S
            while not moods.ended and time.monotonic() < deadline:
                moods.read(0.2)
            assert moods.ended
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise


def test_named_pipes_of_pcm_are_feeds_that_outlive_their_writers(start, venue, songs):
    fifos = [songs / f"{k}.fifo" for k in range(2)]
    for fifo in fifos:
        if not fifo.exists():
            os.mkfifo(fifo)
    pcm = {"format": "s16le", "rate": 22050, "channels": 1}
    path = venue(*(feed(f"p{k}", f"pcm:{k}.fifo", **pcm) for k in range(2)), feed("song"))
    run = start(*RUN, path)
    tone = (make_song(2.0, sr=22050, channels=1) * 20000).astype("<i2").tobytes()
    for _ in range(2):  # the second writer goes on where the first has gone
        for fifo in fifos:
            with fifo.open("wb") as pipe:
                pipe.write(tone)
        lines_until(
            run,
            lambda seen: all(
                sum(m["state"] != "degraded" for m in of(seen, f"p{k}")) >= 3 for k in range(2)
            ),
        )
    assert run.end(timeout_s=PATIENCE_S) == 0


def test_the_run_ends_when_all_feeds_have_ended_with_the_code_of_the_first_failure(start, venue):
    path = venue(
        feed("a", pace="fast"), feed("b", "1.wav", pace="fast"), rest="[model]\nname = 'small'\n"
    )
    run = start(*RUN, path)
    seen = [json.loads(line) for line in run.rest(PATIENCE_S)]
    assert run.wait() == 0
    assert Counter(m["stream"] for m in seen) == {"a": 120, "b": 120}
    path = venue(feed("a", pace="fast"), feed("x", "venue.toml", pace="fast"))
    run = start(*RUN, path)
    assert len(run.rest(PATIENCE_S)) == 120
    assert run.wait() == 3
    assert "x: " in run.err


def test_bad_input_is_one_line_each_and_starts_nothing(streammer_run, venue):
    path = venue(feed("a"), feed("a"), feed("b", "http://[::1", wait=1))
    ran = streammer_run(path)
    assert (ran.returncode, ran.stdout) == (2, b"")
    said = ran.stderr.decode().splitlines()
    assert len(said) == 2
    assert all(f"{path}:" in line for line in said)
    path = venue(feed("a"), feed("b", "http://[::1"))
    ran = streammer_run(path)
    assert ran.returncode == 2
    assert f"{path}:9: " in ran.stderr.decode()
    assert streammer_run().returncode == 2
    assert streammer_run("nosuch.toml").returncode == 3


@pytest.fixture
def streammer_run():
    import subprocess

    def run(*args):
        return subprocess.run([*RUN, *map(str, args)], capture_output=True, timeout=PATIENCE_S)

    return run


def test_the_example_is_run(start, streammer_run, songs, free_endpoint):
    example = songs / "example.toml"
    example.write_bytes(streammer_run("--print-example").stdout)
    given = [
        item
        for setting in ("stage.source=0.wav", "radio.source=1.wav", "stage.select=[1]")
        for item in ("--set", setting)
    ]
    assert streammer_run(example, "--check", *given).returncode == 0
    run = start(*RUN, example, "--bind", free_endpoint, *given)
    seen = lines_until(run, lambda seen: {m["stream"] for m in seen} == {"stage", "radio"})
    assert seen
    assert run.end(timeout_s=PATIENCE_S) == 0
    logged = (songs / "moods.jsonl").read_text().splitlines()
    assert {json.loads(line)["stream"] for line in logged} == {"stage", "radio"}


def test_watch_all_follows_every_stream(start, watch, venue):
    path = venue(feed("a"), feed("b", "1.wav"))
    run = start(*RUN, path)
    all_of_them = watch("--connect", venue.endpoint, "--all", "--count", "8")
    seen = [json.loads(line) for line in all_of_them.rest(PATIENCE_S)]
    assert all_of_them.wait() == 0
    assert len(seen) == 8
    assert {mood["stream"] for mood in seen} == {"a", "b"}
    assert "8 estimates of 2 streams" in all_of_them.err
    assert run.end(timeout_s=PATIENCE_S) == 0


def test_watch_all_of_nothing_says_so_and_a_name_contradicts_it(watch, free_endpoint):
    waiting = watch("--connect", free_endpoint, "--all")
    waiting.await_err(f"nothing at {free_endpoint} yet; waiting for a", PATIENCE_S)
    assert waiting.end(timeout_s=PATIENCE_S) == 0
    wrong = watch("--all", "--stream", "a")
    assert wrong.wait(PATIENCE_S) == 2
    assert "contradict" in wrong.err
