"""`streammer record` and `replay` as processes: kills, full disks, and what comes out again."""

import re
import shlex
import signal
import sys
import time
from pathlib import Path

import msgspec
import pytest
import soundfile

from streammer.bus import Subscriber
from streammer.recording.read import read_estimates
from tests.sounds import SR, make_song

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "howto-record.md").read_text(encoding="utf-8")
BEGINNINGS = {
    ".png": b"\x89PNG", ".html": b"<!doctype html>", ".csv": b"seconds,v,", ".txt": b"e0000000.",
    ".mid": b"MThd",
}  # fmt: skip
OURS = (sys.executable, "-m", "streammer")


def await_lines(path, count, timeout_s=60.0):
    deadline = time.monotonic() + timeout_s
    while not path.exists() or path.read_bytes().count(b"\n") < count:
        assert time.monotonic() < deadline, f"{path} has not {count} lines within {timeout_s} s"
        time.sleep(0.02)


def read(path):
    return list(read_estimates(path, pytest.fail))


@pytest.fixture
def record(start, tmp_path):
    def run(endpoint, out, *options):
        return start(*OURS, "record", "--out", tmp_path / out, "--connect", endpoint, *options)

    return run


@pytest.mark.parametrize(
    ("out", "grows"),
    [("s.parquet", "s.journal.jsonl"), ("s.csv", "s.csv"), ("s.jsonl", "s.jsonl")],
)
def test_a_kill_loses_less_than_a_second(publish, record, tmp_path, out, grows):
    _, endpoint = publish()
    process = record(endpoint, out)
    await_lines(tmp_path / grows, 20)
    killed_at = time.time()
    process.send(signal.SIGKILL)
    process.wait()
    moods = list(read_estimates(tmp_path / grows, print))
    assert moods[-1].t_publish >= killed_at - 1.0
    assert [m.seq for m in moods] == list(range(moods[0].seq, moods[0].seq + len(moods)))
    if out == "s.parquet":
        after = record(endpoint, out, "--duration", 1)
        assert after.wait(60.0) == 0
        assert f"had left: {len(moods)} estimates" in after.err
        assert read(tmp_path / out) == moods
        assert (tmp_path / "s.2.parquet").exists()
        assert not (tmp_path / grows).exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_in_order(publish, record, tmp_path, number):
    _, endpoint = publish()
    process = record(endpoint, "s.parquet")
    await_lines(tmp_path / "s.journal.jsonl", 5)
    assert process.end(number, 60.0) == 0
    count = re.search(r"recorded: (\d+) estimates in .*s\.parquet$", process.err, re.M)
    assert len(read(tmp_path / "s.parquet")) == int(count[1]) >= 5
    assert [p.name for p in tmp_path.iterdir()] == ["s.parquet"]


def test_a_full_disk_is_one_line_and_the_publisher_goes_on(publish, start, tmp_path):
    publisher, endpoint = publish()
    with Subscriber(endpoint) as moods:
        before = moods.read(30.0)
        line = f'ulimit -f 8; exec "$@" --out {tmp_path / "s.jsonl"} --connect {endpoint}'
        process = start("sh", "-c", line, "sh", *OURS, "record")
        assert process.wait(120.0) == 4
        assert process.err.count("cannot be written") == 1
        rows = read(tmp_path / "s.jsonl")
        assert f"{len(rows)} estimates are kept" in process.err
        after = moods.read(30.0)
        assert after.seq > before.seq
        assert publisher.popen.poll() is None


def test_what_was_replayed_and_recorded_is_what_was_recorded(
    publish, record, start, tmp_path, free_endpoint
):
    publisher, endpoint = publish("tcp://127.0.0.1:0", 0.005)
    first = record(endpoint, "first.parquet")
    await_lines(tmp_path / "first.journal.jsonl", 300)
    assert publisher.end(signal.SIGTERM) == 0
    assert first.end(signal.SIGTERM, 60.0) == 0
    second = record(free_endpoint, "second.csv")
    second.await_err("recording what comes", 60.0)
    player = start(
        *OURS, "replay", tmp_path / "first.parquet", "--speed", "max", "--bind", free_endpoint
    )
    assert player.wait(60.0) == 0
    second_rows = 0
    deadline = time.monotonic() + 60.0
    rows = read(tmp_path / "first.parquet")
    while second_rows < len(rows) + 1 and time.monotonic() < deadline:
        second_rows = (tmp_path / "second.csv").read_bytes().count(b"\n")
        time.sleep(0.02)
    assert second.end(signal.SIGTERM, 60.0) == 0
    same = {"epoch": "", "t_capture": 0.0, "t_publish": 0.0}

    def plain(moods):
        return [msgspec.structs.replace(mood, **same) for mood in moods]

    again = read(tmp_path / "second.csv")
    assert len(again) >= 300
    assert plain(again) == plain(rows)
    assert {m.epoch for m in again}.isdisjoint({m.epoch for m in rows})


def test_a_subscriber_is_told_that_it_is_a_replay(publish, record, start, tmp_path, free_endpoint):
    _, endpoint = publish()
    process = record(endpoint, "s.jsonl")
    await_lines(tmp_path / "s.jsonl", 40)
    assert process.end(signal.SIGTERM, 60.0) == 0
    with Subscriber(free_endpoint) as moods:
        player = start(*OURS, "replay", tmp_path / "s.jsonl", "--loop", "--bind", free_endpoint)
        seen = [moods.read(60.0).epoch]
        while len(set(seen)) < 2:
            seen.append(moods.read(60.0).epoch)
        assert moods.status.replay
        assert moods.status.source == "s.jsonl"
        assert player.end(signal.SIGTERM, 60.0) == 0
    assert "replayed (stopped)" in player.err


def test_a_run_records_a_feed(start, tmp_path):
    soundfile.write(tmp_path / "song.flac", make_song(60.0, channels=1), SR)
    table = re.search(r"```toml\n(.*?)```", PAGE, re.DOTALL)[1]
    feeds = table.replace('"mic"', '"song.flac"')
    more = '[[feeds]]\nname = "bar"\nsource = "song.flac"\n[bus]\nbind = "tcp://127.0.0.1:0"\n'
    (tmp_path / "venue.toml").write_text(feeds + more)
    run = start(*OURS, "run", tmp_path / "venue.toml")
    await_lines(tmp_path / "stage.journal.jsonl", 4, 120.0)
    assert run.end(signal.SIGTERM, 60.0) == 0
    rows = read(tmp_path / "stage.parquet")
    assert len(rows) >= 4
    assert {mood.stream for mood in rows} == {"stage"}


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("record --out s.txt", 2, "ends in '.txt'"),
        ("record --out none/s.csv", 4, "cannot be written"),
        ("record --out s.csv --stream A", 2, "stream name"),
        ("record --out s.csv --keep 2", 2, "say when one is full"),
        ("record --out s.csv --duration 0", 2, "--duration is 0"),
        ("record --out s.csv --connect tcp://x:99999", 2, "99999"),
        ("replay none.csv", 3, "cannot be read"),
        ("replay two.jsonl", 3, "is of version 2"),
        ("replay empty.jsonl", 3, "holds no estimate"),
        ("replay one.jsonl --speed fast", 2, "expected 0.1 to 1000, or max"),
        ("replay one.jsonl --skip -1", 2, "--skip is -1"),
        ("replay one.jsonl --skip 1000", 3, "holds no estimate after 1000 s"),
        ("replay one.jsonl --bind tcp://0.0.0.0:5581", 4, "--insecure"),
    ],
)
def test_what_cannot_be_is_one_line_with_its_code(start, tmp_path, monkeypatch, line, code, said):
    row = re.search(r'"v":1,"stream".*?\}', (ROOT / "docs" / "wire.md").read_text(), re.DOTALL)[0]
    good = "{" + row.replace("\n", "")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    Path("one.jsonl").write_text(good + "\n")
    Path("two.jsonl").write_text(good.replace('"v":1', '"v":2') + "\n")
    Path("empty.jsonl").write_text("")
    process = start(*OURS, *shlex.split(line))
    assert process.wait(60.0) == code
    assert said in process.err
    assert len(process.err.splitlines()) == 1, process.err


def shown():
    """Return every line of the page that begins with a recorder or a replay."""
    return re.findall(r"^streammer (?:record|replay) [^#\n]*", PAGE, re.MULTILINE)


def test_every_line_that_is_shown_does_what_it_shows(
    publish, start, tmp_path, monkeypatch, free_endpoint
):
    assert len(shown()) >= 7
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    _, endpoint = publish("tcp://127.0.0.1:0", 0.01)
    recorders = []
    for line in (line for line in shown() if "record" in line):
        words = re.sub(r"--duration \d+", "--duration 3", line)
        recorders.append(start(*OURS, *shlex.split(words)[1:], "--connect", endpoint))
    for grows in ("session.journal.jsonl", "session.csv", "club.journal.jsonl"):
        await_lines(tmp_path / grows, 10, 120.0)
    for process in recorders:
        if process.popen.poll() is None:
            process.send(signal.SIGTERM)
        assert process.wait(60.0) == 0, process.err
    (tmp_path / "session.2.csv").write_bytes((tmp_path / "session.csv").read_bytes())
    for line in (line for line in shown() if "replay" in line):
        words = re.sub(r" --bind \S+| --skip \d+", "", line)
        process = start(*OURS, *shlex.split(words)[1:], "--bind", free_endpoint)
        process.await_err("replaying session.csv on ", 60.0)
        if "--loop" in line:
            with Subscriber(free_endpoint) as moods:
                assert moods.read(60.0) is not None
            process.send(signal.SIGTERM)
        assert process.wait(60.0) == 0, line
        assert re.search(r"\d+ estimates of 1 streams replayed", process.err), process.err
    for line in re.findall(r"^streammer (?:plot|export) session[^#\n]*", PAGE, re.MULTILINE):
        process = start(*OURS, *shlex.split(line)[1:])
        assert process.wait(120.0) == 0, process.err
        out = tmp_path / re.search(r"-o (\S+)", line)[1]
        assert out.read_bytes().startswith(BEGINNINGS[out.suffix])
