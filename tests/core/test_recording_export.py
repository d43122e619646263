"""What is exported is what was recorded, in the time of the recording."""

import csv
import io
import shutil
import socket
import struct
import subprocess

import msgspec
import pytest
from bus_parts import estimate

from streammer.cli import main
from streammer.recording.export import as_csv, as_midi, as_osc_script
from streammer.web.messages import Mark

MOODS = [
    estimate(k, t_publish=1.7e9 + 0.5 * k, valence=0.5 * (k - 1), quadrant=f"Q{k + 1}")
    for k in range(3)
]
MARKS = [
    Mark(t=1.7e9 + 0.7, stream="main", epoch=MOODS[0].epoch, seq=1, t_audio_s=1.0, label='dr"op')
]


def test_a_table_has_seconds_all_keys_and_marks():
    rows = list(csv.DictReader(io.StringIO(as_csv(MOODS, MARKS).decode())))
    assert [row["seconds"] for row in rows] == ["0.0", "0.5", "1.0"]
    assert [row["valence"] for row in rows] == ["-0.5", "0.0", "0.5"]
    assert [row["mark"] for row in rows] == ["", 'dr"op', ""]
    assert set(rows[0]) == {"seconds", "mark", *msgspec.structs.asdict(MOODS[0])}


def test_a_script_has_a_line_a_value_in_the_order_of_time():
    lines = as_osc_script(MOODS, MARKS).decode().splitlines()
    assert lines[0] == "e0000000.00000000 /mood/main/valence f -0.500000"
    assert lines[4].startswith("e0000000.80000000 ")
    assert lines[8].endswith('/mood/main/mark s "drop"')
    assert lines[-1] == 'e0000001.00000000 /mood/main/state s "live"'
    assert [line.split()[0] for line in lines] == sorted(line.split()[0] for line in lines)


def test_a_midi_file_has_controllers_programs_and_markers_at_their_times():
    mido = pytest.importorskip("mido", reason="mido is not installed")
    other = [msgspec.structs.replace(MOODS[0], stream="bar")]
    file = mido.MidiFile(file=io.BytesIO(as_midi([*MOODS, *other], MARKS)))
    main_track, bar = file.tracks
    second, seen = 0.0, []
    for message in main_track:
        second += message.time / 960.0
        if message.type == "control_change" and message.control == 20:
            seen.append((second, message.value))
        elif message.type == "program_change":
            seen.append((second, f"p{message.program}"))
        elif message.type == "marker":
            seen.append((round(second, 2), message.text))
    assert seen == [(0, 32), (0, "p0"), (0.5, 64), (0.5, "p1"), (0.7, 'dr"op'), (1, 95), (1, "p2")]
    assert {m.channel for m in bar if hasattr(m, "channel")} == {1}


def test_oscsendfile_plays_the_script(tmp_path):
    if not shutil.which("oscsendfile"):
        pytest.skip("oscsendfile is not installed (apt install liblo-tools)")
    (tmp_path / "s.osc.txt").write_bytes(as_osc_script(MOODS, MARKS))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(30.0)
        port = str(receiver.getsockname()[1])
        command = ["oscsendfile", "127.0.0.1", port, str(tmp_path / "s.osc.txt"), "10"]
        subprocess.run(command, check=True, timeout=60)
        packets = [receiver.recv(4096) for _ in range(3)]  # a bundle a time
    wanted = b"/mood/main/valence\0\0,f\0\0" + struct.pack(">f", -0.5)
    assert any(wanted in packet for packet in packets)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["s.jsonl", "--to", "wav"], 2, "wav"),
        (["none.jsonl", "--to", "csv"], 3, "cannot be read"),
        (["s.jsonl", "--to", "csv", "--stream", "bar"], 3, "no estimate of bar"),
        (["s.jsonl", "--to", "csv", "-o", "s.jsonl"], 2, "is what is exported"),
        (["s.jsonl", "--to", "csv", "-o", "none/s.csv"], 4, "cannot be written"),
        (["s.jsonl", "--to", "csv"], 0, "3 estimates and 0 marks exported to s.export.csv"),
    ],
)
def test_the_command_says_what_it_did_in_one_line(tmp_path, monkeypatch, capsys, words, code, said):
    monkeypatch.chdir(tmp_path)
    lines = b"".join(msgspec.json.encode(mood) + b"\n" for mood in MOODS)
    (tmp_path / "s.jsonl").write_bytes(lines)
    assert main(["export", *words]) == code
    err = capsys.readouterr().err
    assert said in err
    assert len(err.splitlines()) == 1
    assert (tmp_path / "s.jsonl").read_bytes() == lines
