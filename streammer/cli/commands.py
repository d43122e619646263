"""The commands, each with its help; they are loaded when they are asked for."""

from typing import TYPE_CHECKING

from streammer import __version__
from streammer.cli import bridge_help

if TYPE_CHECKING:
    from cyclopts import App

__all__ = ["COMMANDS", "build_app"]

_EPILOGUE = """\
Examples:

  streammer demo                             a minute of music, its mood in the browser

  streammer listen mic                       what the microphone picks up, here and on the bus

  streammer watch                            the same mood, in any other terminal

  streammer label music/ --out moods.csv     the mood of every file in a folder

With any command: --quiet leaves nothing but errors on stderr, for services; --debug shows where an
error came from. A second Ctrl-C ends at once.

Exit codes: 0 done, 2 wrong usage, 3 input, 4 device, port, network, output or a limit of the
system, 5 model, 6 label did some files and not others, 70 a bug, 130 interrupted.
"""

_LISTEN = """\
Examples:

  streammer listen mic

  streammer listen device:Scarlett --select 3,4 --silence -55

  streammer listen set.mp3 --pace fast --jsonl moods.jsonl

  streammer listen https://radio.example/stream.mp3 --name radio --wait --quiet

  ffmpeg -i in.mkv -f f32le -ac 2 -ar 44100 - | streammer listen - --rate 44100 --channels 2
"""

_RUN = """\
Examples:

  streammer run --print-example > venue.toml

  streammer run venue.toml --check

  streammer run venue.toml --watch

  streammer run venue.toml --bind tcp://127.0.0.1:5581 --set stage.gain_db=6
"""

_HUB = """\
Examples:

  streammer hub --publishers tcp://0.0.0.0:5581 --bind tcp://0.0.0.0:5580 --insecure

  streammer listen mic --name stage --connect tcp://10.0.0.2:5581

  streammer watch --all --connect tcp://10.0.0.2:5580
"""

_WATCH = """\
Examples:

  streammer watch

  streammer watch --connect tcp://192.168.1.20:5580 --stream main

  streammer watch --all                      a tile for every stream of a run

  streammer watch --json --count 10 | jq .arousal
"""

_DEMO = """\
Examples:

  streammer demo

  streammer demo --no-page                       in this terminal alone
"""

_DASH = """\
Examples:

  streammer dash --open

  streammer dash --connect tcp://192.168.1.20:5580 --port 8080

  streammer dash --host 0.0.0.0 --token new      for a phone in the same network

  streammer dash --marks marks.jsonl             keep the moments that are marked on the page
"""

_RECORD = """\
Examples:

  streammer record --out session.parquet

  streammer record --out session.csv --stream stage --stream bar

  streammer record --out /var/lib/mood/club.parquet --file-hours 24 --keep 30 --quiet

  streammer dash --marks session.marks.jsonl     the moments that are marked meanwhile
"""

_REPLAY = """\
Examples:

  streammer replay session.parquet

  streammer replay session.parquet --speed 10 --loop

  streammer replay session.parquet session.2.parquet --speed max --bind tcp://127.0.0.1:5581
"""

_PLOT = """\
Examples:

  streammer plot session.parquet -o mood.png

  streammer plot song.mp3 -o mood.html

  streammer plot club.csv --stream stage --title "Saturday" -o mood.svg
"""

_EXPORT = """\
Examples:

  streammer export session.parquet --to csv

  streammer export session.parquet --to osc-script -o show.osc.txt

  streammer export club.csv --to midi --stream stage
"""

_LABEL = """\
Examples:

  streammer label music/ --out moods.csv

  streammer label a.mp3 b.wav --steps --out steps.jsonl

  streammer label music/ --out moods.parquet --model default

  streammer label music/ --out moods.csv --resume     after an interruption
"""

_COMPLETION = """\
Examples:

  streammer completion bash > ~/.local/share/bash-completion/completions/streammer

  streammer completion zsh > ~/.zfunc/_streammer

  streammer completion fish > ~/.config/fish/completions/streammer.fish
"""

COMMANDS = {
    "listen": (
        "Estimate the mood of a microphone, file, URL or pipe, and publish it on the bus.",
        _LISTEN,
    ),
    "run": ("Run many inputs in one process, each a stream on the bus.", _RUN),
    "watch": ("Follow a stream of the bus from another terminal or program.", _WATCH),
    "hub": ("Bring the streams of many machines together on one bus.", _HUB),
    "bridge": ("Send the mood to lights and screens.", bridge_help.EPILOGUE),
    "demo": ("Play a bundled minute of music, and show how its mood moves.", _DEMO),
    "dash": ("Show the mood in a browser.", _DASH),
    "record": ("Record what comes over the bus to a file.", _RECORD),
    "replay": ("Publish a recording again.", _REPLAY),
    "plot": ("Draw a session or a song.", _PLOT),
    "export": ("Write a recording for other programs: a table, OSC, MIDI.", _EXPORT),
    "label": ("Estimate the mood of many files or folders, as a table.", _LABEL),
    "devices": ("List the sound inputs of this machine.", "Example:\n\n  streammer devices\n"),
    "models": (
        "List the models, or check one against the model contract.",
        "Examples:\n\n  streammer models\n\n  streammer models --check my-model.onnx\n",
    ),
    "doctor": (
        "Examine this installation: what works, what does not, what to do.",
        "Example:\n\n  streammer doctor\n",
    ),
    "completion": ("Print what completes commands and options in a shell.", _COMPLETION),
}
"""Each command with the line of `streammer --help`, and the examples of its own help."""


def build_app() -> "App":
    """Return the command line; what it lists is not imported yet."""
    from cyclopts import App

    app = App(
        name="streammer",
        help="Estimate, twice a second, how music feels while it plays.",
        help_epilogue=_EPILOGUE,
        version=__version__,
        version_flags=["--version"],
        suppress_keyboard_interrupt=False,
    )
    for name, (line, epilogue) in COMMANDS.items():
        if name == "bridge":
            app.command(_bridge(App(name=name, help=line, help_epilogue=epilogue)))
            continue
        app.command(f"streammer.cli.{name}:{name}", name=name, help=line, help_epilogue=epilogue)
    return app


def _bridge(app: "App") -> "App":
    for name, (line, epilogue) in bridge_help.BRIDGES.items():
        app.command(f"streammer.cli.bridge:{name}", name=name, help=line, help_epilogue=epilogue)
    return app
