"""`streammer run`: many inputs in one process, as a file says."""

import os
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from streammer.cli.messages import complain
from streammer.cli.opening import model_names, opening_of, resolved
from streammer.cli.options import option
from streammer.cli.plugged import load_plugs
from streammer.cli.reload import Reloader
from streammer.cli.running import run_config
from streammer.config.read import RunFileError, read_run
from streammer.config.run import BusOptions, Device, ModelOptions, RunConfig
from streammer.errors import InputError, UsageError
from streammer.system.signals import ending, reloading

__all__ = ["run"]

_PROBLEMS_SAID = 20


def run(
    file: Path | None = None,
    /,
    *,
    bind: Annotated[str | None, option(BusOptions, "bind")] = None,
    connect: Annotated[str | None, option(BusOptions, "connect")] = None,
    insecure: Annotated[bool | None, option(BusOptions, "insecure", flag=True)] = None,
    model: Annotated[list[str] | None, option(ModelOptions, "name", "MODEL", flag=True)] = None,
    device: Annotated[Device | None, option(ModelOptions, "device")] = None,
    smoothing: Annotated[float | None, option(ModelOptions, "smoothing_s")] = None,
    set: Annotated[list[str] | None, Parameter(negative=())] = None,
    watch: Annotated[bool, Parameter(negative=())] = False,
    wait: Annotated[bool, Parameter(negative=())] = False,
    check: Annotated[bool, Parameter(negative=())] = False,
    print_example: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Run many inputs in one process, each a stream on the bus, as a file says.

    Parameters
    ----------
    file
        A run in TOML; --print-example shows one.
    set
        Override a key of a feed: NAME.KEY=VALUE, such as stage.gain_db=6. Several times for
        several; the environment does the same (STREAMMER_FEED_STAGE_GAIN_DB).
    watch
        Read the file again when it changes, as on SIGHUP: what differs is changed, the other feeds
        go on untouched.
    wait
        At the start, wait for a port that is taken: a line a minute.
    check
        Read the file, find its sources and load its models, and do no more.
    print_example
        Print a file with every key, commented, and do no more.
    """
    load_plugs()
    if print_example:
        from streammer.config.example import example_run

        print(example_run(), end="")
        return 0
    if file is None:
        raise UsageError("no file is named: streammer run venue.toml; --print-example shows one")
    given = {
        ("bus", "bind"): (bind, "--bind"),
        ("bus", "connect"): (connect, "--connect"),
        ("bus", "insecure"): (insecure, "--insecure"),
        ("model", "name"): (model, "--model"),
        ("model", "device"): (device, "--device"),
        ("model", "smoothing_s"): (smoothing, "--smoothing"),
    }
    overrides: dict[Any, tuple[Any, str]] = {
        key: (value, f"{name} (or {name.replace('--', 'STREAMMER_').upper()})")
        for key, (value, name) in given.items()
        if value is not None
    }
    read = partial(read_run, file, overrides=overrides, settings=tuple(set or ()))
    reloader = Reloader(file, read, watch=watch)
    with reloading(reloader.ask):
        config = _read(read)
        if check:
            return _check(config, file)
        return run_config(config, wait=wait, began=reloader.attend)


def _read(read: "partial[RunConfig]") -> RunConfig:
    """Read the file; of several mistakes in it, say each."""
    try:
        config = read()
        _find_sources(config)
    except RunFileError as error:
        first, *others = error.problems[:_PROBLEMS_SAID]
        for problem in (*([first] if others else []), *others[:-1]):
            complain(problem)
        raise UsageError(others[-1] if others else first) from error
    return config


def _find_sources(config: RunConfig) -> None:
    """Refuse sources that are malformed, before anything begins."""
    problems = []
    for k, feed in enumerate(config.feeds):
        try:
            opening_of(feed, config.folder)
        except UsageError as error:
            problems.append(f"{config.place(k)}: {error}")
        except InputError:
            pass  # that feed's failure, when it begins
    if problems:
        raise RunFileError(problems)


def _check(config: RunConfig, file: Path) -> int:
    """Say what keeps a run from starting, or that nothing does."""
    from streammer.inference.loading import load_models
    from streammer.sources.open import kind_of

    with ending("interrupted", 130):
        load_models(model_names(config.model, config.folder), device=config.model.device)
    missing = 0
    for k, feed in enumerate(config.feeds):
        source = resolved(feed.source, config.folder)
        if kind_of(source) == "file" and not os.path.exists(source):
            missing += 1
            complain(f"{config.place(k)}: {feed.name}: {source} does not exist: check the path")
    lacking = f", {missing} of them with a file that is not there" if missing else ""
    print(f"{file}: {len(config.feeds)} feeds{lacking}")
    return InputError.exit_code if missing else 0
