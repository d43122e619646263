"""What the README and the how-tos show runs: Python blocks, commands, links."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import msgspec
import pytest

from streammer import errors
from streammer.bus import Publisher
from streammer.cli.commands import build_app
from streammer.clock import SystemClock
from streammer.estimate import STATES, MoodEstimate, new_epoch

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(*languages):
    for page in PAGES:
        for i, (language, text) in enumerate(BLOCK.findall(page.read_text())):
            if language in languages:
                yield pytest.param(text, id=f"{page.stem}-{i}")


def programs(*, on_the_bus):
    for case in blocks("python"):
        text = case.values[0]
        whole = "import" in text and "..." not in text and "onFrameStart" not in text
        if whole and ("5580" in text) == on_the_bus:
            yield case


@pytest.mark.parametrize("code", list(programs(on_the_bus=False)))
def test_a_program_that_needs_no_bus_runs(code):
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.fixture
def bus():
    """Publish a mood that swings between calm and energetic, twenty times a second."""
    clock, stop = SystemClock(), threading.Event()
    epoch = new_epoch(clock)
    with Publisher("tcp://127.0.0.1:0") as publisher:

        def publish():
            seq = 0
            while not stop.wait(0.05):
                arousal = 0.8 if seq // 10 % 2 else -0.8
                publisher.publish(mood(epoch, seq, arousal, clock.unix()))
                seq += 1

        thread = threading.Thread(target=publish)
        thread.start()
        yield publisher.endpoint
        stop.set()
        thread.join()


def mood(epoch, seq, arousal, now):
    return MoodEstimate(
        stream="main", epoch=epoch, seq=seq, t_audio_s=0.5 * (seq + 1), t_capture=now,
        t_publish=now, valence=0.25, arousal=arousal, sigma_valence=0.2, sigma_arousal=0.2,
        p_positive=0.6, p_energetic=0.5, quadrant="Q1" if arousal > 0 else "Q4", state="live",
        level_dbfs=-20.0, lag_ms=1.0, model="default", lost_samples=0,
    )  # fmt: skip


@pytest.mark.parametrize("code", list(programs(on_the_bus=True)))
def test_a_subscriber_prints_what_it_hears(code, bus):
    code = code.replace("tcp://127.0.0.1:5580", bus).replace("DWELL_S = 4.0", "DWELL_S = 0.2")
    with subprocess.Popen(
        [sys.executable, "-u", "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        watchdog = threading.Timer(30.0, process.kill)
        watchdog.start()
        line = process.stdout.readline()
        process.kill()
        watchdog.cancel()
    assert re.search(r"-?0\.\d|party", line), line


def test_the_touchdesigner_block_sets_both_channels(bus):
    (code,) = (c.values[0] for c in blocks("python") if "onFrameStart" in c.values[0])
    pars = type("Pars", (), {"value0": None, "value1": None})()
    space = {"op": lambda name: type("Op", (), {"par": pars})() if name == "mood" else None}
    exec(compile(code.replace("tcp://127.0.0.1:5580", bus), "td", "exec"), space)
    try:
        assert space["sock"].poll(5000)
        space["onFrameStart"](1)
    finally:
        space["sock"].close()
    assert pars.value0 == 0.25
    assert abs(pars.value1) == 0.8


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed (apt install jq)")
def test_the_jq_scenes_change_with_hysteresis(tmp_path):
    (script,) = (c.values[0] for c in blocks("sh") if "foreach" in c.values[0])
    swing = [0.0, 0.2, 0.1, 0.0, -0.04, -0.1, 0.1, 0.16]
    lines = [msgspec.json.encode(mood("0" * 16, i, a, 0.0)).decode() for i, a in enumerate(swing)]
    (tmp_path / "moods.jsonl").write_text("\n".join(lines))
    script = script.replace("streammer watch --json", "cat moods.jsonl")
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["party", "quiet", "party"]


def commands():
    seen = set()
    for case in blocks("sh"):
        for line in case.values[0].splitlines():
            for part in re.split(r"\||<|>|&&", line.split(" #")[0]):
                if part.strip().startswith("streammer ") and part.strip() not in seen:
                    seen.add(part.strip())
                    yield pytest.param(part.strip(), id=part.strip())


@pytest.mark.parametrize("line", list(commands()))
def test_a_command_that_is_shown_has_these_options(line):
    tokens = ["stdin:" if t == "-" else t for t in shlex.split(line)[1:]]
    build_app().parse_args(tokens, exit_on_error=False, print_error=False)


def test_make_targets_that_are_shown_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        for _, text in BLOCK.findall(page.read_text()):
            assert set(re.findall(r"^make (\w+)", text, re.MULTILINE)) <= targets


def test_the_node_subscriber_that_is_shown_is_the_example_that_is_tested():
    (text,) = (case.values[0] for case in blocks("js"))
    assert text == (ROOT / "examples" / "subscriber.mjs").read_text()


def test_links_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_message_in_the_readme_is_one():
    (text,) = (
        c.values[0] for c in blocks("json") if '"valence"' in c.values[0] and c.id[:4] == "READ"
    )
    assert set(json.loads(text)) == set(MoodEstimate.__struct_fields__)


def test_the_fault_page_has_every_exit_code():
    page = (ROOT / "docs" / "faults.md").read_text()
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}
    raised = {getattr(errors, name).exit_code for name in errors.__all__}
    assert codes == {0, 6, 130} | raised


def test_the_fault_page_has_every_state():
    page = (ROOT / "docs" / "faults.md").read_text()
    assert set(re.findall(r"^\| `([a-z]+)` \|", page, re.MULTILINE)) == set(STATES)
