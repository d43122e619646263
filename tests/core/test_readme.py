"""What the README and the how-tos show runs: Python blocks, commands, links."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from streammer import errors
from streammer.bus import Publisher
from streammer.cli.commands import build_app
from streammer.clock import SystemClock
from streammer.estimate import STATES, MoodEstimate, new_epoch
from tests.sounds import SR, make_song

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(*languages):
    for page in PAGES:
        for i, (language, text) in enumerate(BLOCK.findall(page.read_text())):
            if language in languages:
                yield pytest.param(text, id=f"{page.stem}-{i}")


EXAMPLES = {
    path.read_text(encoding="utf-8"): path.name
    for path in sorted((ROOT / "examples").iterdir())
    if path.suffix in {".mjs", ".py", ".sh"}
}


def programs(*, on_the_bus):
    for case in blocks("python"):
        text = case.values[0]
        whole = "import" in text and "..." not in text and "onFrameStart" not in text
        hub = "hub/status" in text  # needs a hub: tests/live/test_hub_processes.py
        if whole and not hub and text not in EXAMPLES and ("5580" in text) == on_the_bus:
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
def test_a_subscriber_prints_what_it_receives(code, bus):
    code = code.replace("tcp://127.0.0.1:5580", bus)
    with subprocess.Popen(
        [sys.executable, "-u", "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        watchdog = threading.Timer(30.0, process.kill)
        watchdog.start()
        line = process.stdout.readline()
        process.kill()
        watchdog.cancel()
    assert re.search(r"-?0\.\d", line), line


def commands():
    seen = set()
    for case in blocks("sh", "ini"):
        for line in case.values[0].replace("ExecStart=/opt/streammer/bin/", "").splitlines():
            for part in re.split(r"\||<|>|&&", line.split(" #")[0]):
                if part.strip().startswith("streammer ") and part.strip() not in seen:
                    seen.add(part.strip())
                    yield pytest.param(part.strip(), id=part.strip())


@pytest.mark.parametrize("line", list(commands()))
def test_a_command_that_is_shown_has_these_options(line):
    words = [word for word in shlex.split(line)[1:] if word not in ("--quiet", "--debug")]
    tokens = ["stdin:" if t == "-" else t for t in words]
    build_app().parse_args(tokens, exit_on_error=False, print_error=False)


HARDWARE = re.compile(
    r" mic|device:|bridge |dash |record |replay |session|://|watch|ssh |arecord|parec|/tmp/|"
    r"my-models|apt |pip |make |python -m"
)
"""What a line names that is not there: a microphone, a radio, another machine, a browser."""


def lines_that_need_nothing():
    for case in blocks("sh"):
        for line in case.values[0].splitlines():
            line = line.split(" #")[0].strip()
            if "streammer " in line and not HARDWARE.search(line):
                yield pytest.param(line, id=line)


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """Return a folder with what the lines name: a set in MP3 and FLAC, a film, music."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "music").mkdir()
    sound = make_song(3.0)
    for name in ("set.mp3", "music/a.mp3"):
        soundfile.write(folder / name, sound, SR)
    soundfile.write(folder / "set.flac", np.tile(sound, (21, 1)), SR)  # a line begins after 60 s
    if shutil.which("ffmpeg"):
        for name in ("film.mkv", "input.mkv"):
            make = ["ffmpeg", "-nostdin", "-v", "error", "-i", "set.mp3", name]
            subprocess.run(make, cwd=folder, check=True, timeout=60)
    return folder


@pytest.mark.parametrize("line", list(lines_that_need_nothing()))
def test_a_line_that_needs_no_hardware_does_what_it_shows(line, desk):
    for program in ("ffmpeg", "sox", "jq"):
        if program in line and not shutil.which(program):
            pytest.skip(f"{program} is not installed (apt install {program})")
    ours = f"{shlex.quote(sys.executable)} -m streammer "
    done = subprocess.run(
        ["sh", "-c", line.replace("streammer ", ours)],
        cwd=desk, capture_output=True, text=True, timeout=180, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    hardware = line in ("streammer devices", "streammer doctor")
    assert done.returncode in ((0, 4) if hardware else (0,)), done.stderr
    out = re.search(r"(?:--out|-o|--jsonl|>) (\S+)$|--out (\S+)", line)
    name = out and (out.group(1) or out.group(2))
    assert (desk / name).stat().st_size if name else done.stdout.strip() or hardware


def test_make_targets_that_are_shown_exist():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        for _, text in BLOCK.findall(page.read_text()):
            assert set(re.findall(r"^make (\w+)", text, re.MULTILINE)) <= targets


def test_the_programs_that_are_shown_are_the_examples_that_are_tested():
    shown = {EXAMPLES.get(case.values[0]) for case in blocks("python", "bash", "js")}
    assert shown >= {"lights.py", "lights.sh", "visuals.py", "subscriber.mjs"}
    tried = "".join(path.read_text() for path in (ROOT / "tests" / "live").glob("test_*.py"))
    assert all(name in tried for name in shown - {None})


GENERATED = {"commands.md"}
"""Pages that exist in the site only."""


def test_links_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            found = (page.parent / target).exists() or target in GENERATED
            assert found, f"{page.name}: {target}"


HEADINGS = [
    "Install", "Quick start", "Python API", "Command line", "Many inputs", "Output format",
    "Latency", "Accuracy", "Train your own", "Troubleshooting", "Where to go next", "Licence",
]  # fmt: skip


def test_the_readme_is_short_and_has_the_headings_that_people_search_for():
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 250
    assert [line[3:] for line in lines if line.startswith("## ")] == HEADINGS
    top = "\n".join(lines[: lines.index("## Install")])
    assert "MIT" in top
    assert "weights" in top
    assert "CC BY-NC" in top


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
