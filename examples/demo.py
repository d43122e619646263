"""Stream the bundled track through the real pipeline and show how its mood moves.

    python examples/demo.py

The mood is published too: `streammer watch` shows it in any other terminal. If the usual port is
taken, another one is chosen. At the end, what was estimated stands beside what was composed.
"""

import json
import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
PORT = 5580


def free_endpoint():
    """Return the usual endpoint, or one on a port that the system finds free."""
    for port in (PORT, 0):
        with socket.socket() as probe:
            if sys.platform != "win32":  # as the publisher does; Windows would share a taken port
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    raise SystemExit("no TCP port is free on 127.0.0.1")


def show(lines):
    """Print a line a second where there is no terminal for the live view."""
    for line in lines:
        mood = json.loads(line)
        if mood["seq"] % 2:
            text = f"{mood['t_audio_s']:5.1f} s"
            for axis in ("valence", "arousal"):
                at = round(10 * mood[axis]) + 10
                bar = "..........|.........."
                text += f"  {axis} {bar[:at]}o{bar[at + 1 :]} {mood[axis]:+.2f}"
            print(f"{text}  {mood['quadrant']} {mood['state']}", flush=True)


def compare(moods):
    """Print what was estimated in each movement beside what was composed."""
    print("\nmovement  composed as   published  valence  arousal")
    for part in json.loads((HERE / "demo.json").read_text()):
        rows = [m for m in moods if part["start_s"] + 4 < m["t_audio_s"] <= part["end_s"]]
        if rows:
            v, a = (sum(m[axis] for m in rows) / len(rows) for axis in ("valence", "arousal"))
            most, _ = Counter(m["quadrant"] for m in rows).most_common(1)[0]
            print(f"{part['name']:<9} {part['quadrant']:<13} {most!s:<10} {v:+.2f}    {a:+.2f}")


def main():
    """Run the demo."""
    endpoint = free_endpoint()
    other = "" if endpoint.endswith(f":{PORT}") else f" --connect {endpoint}"
    print(f"the same mood in another terminal: streammer watch{other}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "moods.jsonl"
        listen = [sys.executable, "-m", "streammer", "listen", str(HERE / "demo.ogg")]
        listen += ["--pace", "live", "--bind", endpoint, "--jsonl", str(log)]
        to = None if sys.stdout.isatty() else subprocess.PIPE
        with subprocess.Popen(listen, stdout=to, text=True) as process:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the listener to end on
            show(process.stdout or ())
        if process.returncode == 0:
            compare([json.loads(line) for line in log.read_text().splitlines()])
    return process.returncode


if __name__ == "__main__":
    sys.exit(main())
