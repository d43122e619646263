"""Make a page of the `--help` of every command: a hook of mkdocs."""

import os
import subprocess
import sys

__all__ = ["help_page", "on_files"]

INTRODUCTION = """\
# Command line

Results go to stdout, everything else to stderr; stdout is JSON lines when it is no terminal. Exit
codes are on the page [Faults](faults.md). `--debug`, with any command, shows where an error came
from.

"""


def _help(*command):
    environment = {**os.environ, "COLUMNS": "82", "TERM": "dumb", "NO_COLOR": "1"}
    asked = [sys.executable, "-m", "streammer", *command, "--help"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True, env=environment)
    return "\n".join(line.rstrip() for line in done.stdout.strip().splitlines())


def help_page():
    """Return the page: the help of each command."""
    from streammer.cli.bridge_help import BRIDGES
    from streammer.cli.commands import COMMANDS

    page = INTRODUCTION
    for name in ("", *COMMANDS, *(f"bridge {protocol}" for protocol in BRIDGES)):
        page += f"## streammer {name}".rstrip() + f"\n\n```text\n{_help(*name.split())}\n```\n\n"
    return page


def on_files(files, config):
    """Put the page among the files of the site."""
    from mkdocs.structure.files import File

    files.append(File.generated(config, "commands.md", content=help_page()))
    return files
