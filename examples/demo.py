"""Stream the bundled track through the real pipeline and show how its mood moves.

    python examples/demo.py

The mood is published too: `streammer watch` shows it in any other terminal. If the usual port is
taken, another one is chosen. At the end, what was heard stands beside what was composed.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PORT = 5580


def free_endpoint():
    """Return the usual endpoint, or one on a port that the system finds free."""
    for port in (PORT, 0):
        with socket.socket() as probe:
            if os.name != "nt":  # as the publisher does; on Windows it would share a taken port
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
        if mood["seq"] % 2 == 1:
            v, a = (round(10 * mood[axis]) for axis in ("valence", "arousal"))
            bars = ["".join("o" if x == y else "|" if y == 0 else "." for y in range(-10, 11))
                    for x in (v, a)]  # fmt: skip
            print(f"{mood['t_audio_s']:5.1f} s  valence {bars[0]} {mood['valence']:+.2f}  "
                  f"arousal {bars[1]} {mood['arousal']:+.2f}  {mood['quadrant']} {mood['state']}",
                  flush=True)  # fmt: skip


def main():
    """Run the demo."""
    endpoint = free_endpoint()
    other = "" if endpoint.endswith(f":{PORT}") else f" --connect {endpoint}"
    print(f"The same mood in another terminal: streammer watch{other}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "moods.jsonl"
        listen = [sys.executable, "-m", "streammer", "listen", str(HERE / "demo.ogg")]
        listen += ["--pace", "live", "--bind", endpoint, "--jsonl", str(log)]
        if sys.stdout.isatty():
            code = subprocess.run(listen, check=False).returncode
        else:
            with subprocess.Popen(listen, stdout=subprocess.PIPE, text=True) as process:
                show(process.stdout)
            code = process.returncode
        if code != 0:
            return code
        moods = [json.loads(line) for line in log.read_text().splitlines()]
    print("\nmovement  composed as   heard: valence  arousal")
    for part in json.loads((HERE / "demo.json").read_text()):
        heard = [m for m in moods if part["start_s"] + 3 < m["t_audio_s"] <= part["end_s"]]
        if heard:
            v, a = (sum(m[k] for m in heard) / len(heard) for k in ("valence", "arousal"))
            print(f"{part['name']:<9} {part['quadrant']:<20} {v:+.2f}    {a:+.2f}")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
