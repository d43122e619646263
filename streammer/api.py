"""`listen` and `label` for Python programs: the same engine as the command line."""

import inspect
import queue
import threading
import warnings
import weakref
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy.typing as npt

from streammer.bus import Publisher
from streammer.config import Pace, StreamConfig
from streammer.engine.engine import Engine
from streammer.errors import InputError, StreammerError
from streammer.estimate import MoodEstimate
from streammer.inference.loading import load_models
from streammer.labelling.files import find_audio
from streammer.labelling.rows import LabelWarning, Row
from streammer.labelling.workers import InOrder, label_files
from streammer.sources.open import open_feed

__all__ = ["Listener", "label", "listen"]

_KEPT = 64
"""Estimates that wait for a slow reader at live pace; older ones are dropped."""


class _Run:
    """An engine with its thread, queue and publisher; it knows nothing of who reads it.

    The thread refers to this, and this never to the `Listener`, who can therefore go out of use
    while the engine runs.
    """

    def __init__(self, engine: Engine, pace: Pace, publisher: Publisher | None) -> None:
        self.engine = engine
        self.publisher = publisher
        self.estimates: Generator[MoodEstimate]
        self._queue: queue.Queue[MoodEstimate | BaseException | None] = queue.Queue()
        self._thread: threading.Thread | None = None
        if pace == "fast":
            self.estimates = self._fast()
        else:
            self.estimates = self._live()
            self._thread = threading.Thread(target=self._run, name="streammer-listen", daemon=True)
            self._thread.start()

    def close(self) -> None:
        self.engine.stop()
        try:
            self.estimates.close()
        except ValueError as error:
            # It is being read in another thread, and ends there. Our errors are ValueErrors too.
            running = inspect.getgeneratorstate(self.estimates) == inspect.GEN_RUNNING
            if isinstance(error, StreammerError) or not running:
                raise
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout=5.0)
        self._unbind()

    def _fast(self) -> Generator[MoodEstimate]:
        try:
            yield from self.engine.estimates()
        finally:
            self._unbind()

    def _live(self) -> Generator[MoodEstimate]:
        while (item := self._queue.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    def _run(self) -> None:
        last: BaseException | None = None
        try:
            self.engine.run([self._keep])
        except BaseException as error:  # raised again where the estimates are read
            last = error
        finally:
            self._unbind()
            self._queue.put(last)

    def _keep(self, estimate: MoodEstimate) -> None:
        while self._queue.qsize() >= _KEPT:
            self._queue.get_nowait()
        self._queue.put(estimate)

    def _unbind(self) -> None:
        publisher, self.publisher = self.publisher, None
        if publisher is not None:
            publisher.close()


class Listener:
    """An iterator of estimates; also a context manager, so that a live source can be closed.

    At live pace the engine runs in a thread of its own: ticks, and the bus, do not wait for the
    reader of this iterator, who gets the newest 64 at most. At fast pace nothing is dropped.

    `close`, or the end of a ``with`` block, closes the source. So does the end of use, as with a
    file: in ``for mood in listen("mic")`` the device is closed when the loop is left, by ``break``
    too, while a listener that has a name can be read on.
    """

    def __init__(self, engine: Engine, pace: Pace, publisher: Publisher | None) -> None:
        self._run = _Run(engine, pace, publisher)
        self._close = weakref.finalize(self, self._run.close)

    @property
    def endpoint(self) -> str | None:
        """Where subscribers connect to; None when nothing is published."""
        publisher = self._run.publisher
        return None if publisher is None else publisher.endpoint

    def __iter__(self) -> "Listener":
        return self

    def __next__(self) -> MoodEstimate:
        return next(self._run.estimates)

    def __enter__(self) -> "Listener":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening, close the source and leave the bus."""
        self._close()


def listen(
    source: str | Path | npt.NDArray[Any],
    *,
    sr: int | None = None,
    pace: Pace | None = None,
    model: str | Sequence[str] = "default",
    select: Sequence[int] | None = None,
    silence_dbfs: float = -70.0,
    smoothing_s: float = 0.0,
    gain_db: float = 0.0,
    name: str = "main",
    bind: str | None = None,
    insecure: bool = False,
    wait: bool = False,
    format: str | None = None,
    rate: int | None = None,
    channels: int | None = None,
) -> Listener:
    """Iterate over the mood of a source, an estimate every step (0.5 s).

    Parameters
    ----------
    source : str, Path, or np.ndarray [shape=(n,) or (n, channels)]
        mic, device:NAME, a path, a URL, '-' (raw PCM on stdin), or samples in [-1, 1].
    sr : int
        Rate of an array [Hz]; arrays only.
    pace : str, optional
        'live' or 'fast'; by default arrays are fast, all else is live.
    model : str or sequence of str
        Names or paths; each output comes from the first model that has it.
    select : sequence of int, optional
        Channels that are averaged, from 1; default all.
    silence_dbfs : float
        Sound under this level is silence [dBFS].
    smoothing_s : float
        Time constant of output smoothing [s]; 0 means none.
    gain_db : float
        What the sound is amplified by before it is heard [dB].
    name : str
        Name of the stream.
    bind : str, optional
        Endpoint to publish on, such as tcp://127.0.0.1:5580; default none.
    insecure : bool
        Allow a bind beyond this machine.
    wait : bool
        Wait for a device or URL that is not there yet.
    format : str
        Of raw PCM, and refused elsewhere: f32le (the default), s16le, s24le or s32le.
    rate : int
        Of raw PCM, and refused elsewhere [Hz]; by default 44100.
    channels : int
        Of raw PCM, and refused elsewhere; by default 2.

    Returns
    -------
    Listener
        Iterator of `MoodEstimate`, and context manager.

    Raises
    ------
    UsageError, InputError, DeviceError, NetworkError, ModelError
        As `streammer.errors` describes them; what only shows when the source is opened is raised
        by the first `next`.

    Examples
    --------
    >>> import numpy as np
    >>> from streammer import listen
    >>> tone = 0.1 * np.sin(2 * np.pi * 220 * np.arange(44100) / 44100)
    >>> [mood.seq for mood in listen(tone.astype("float32"), sr=44100)]
    [0, 1]
    """
    names = (model,) if isinstance(model, str) else tuple(model)
    config = StreamConfig(
        name=name,
        models=names,
        select=None if select is None else tuple(select),
        silence_dbfs=silence_dbfs,
        smoothing_s=smoothing_s,
        gain_db=gain_db,
    )
    named = str(source) if isinstance(source, Path) else source
    feed = open_feed(
        named, pace=pace, wait=wait, sr=sr, format=format, rate=rate, channels=channels
    )
    models = load_models(names)
    publisher = None if bind is None else Publisher(bind, insecure=insecure)
    engine = Engine(feed.source, config, models, pace=feed.pace, publisher=publisher)
    return Listener(engine, feed.pace, publisher)


def label(
    paths: Sequence[str | Path] | str | Path,
    *,
    steps: bool = False,
    model: str | Sequence[str] = "default",
    select: Sequence[int] | None = None,
    silence_dbfs: float = -70.0,
    smoothing_s: float = 0.0,
    gain_db: float = 0.0,
    jobs: int = 1,
) -> Iterator[Row]:
    """Iterate over the mood of files, a dict a file (or a step), as `streammer label` writes it.

    Parameters
    ----------
    paths : sequence of str or Path
        Files, or folders that are searched for audio.
    steps : bool
        One row a step instead of one a file.
    model, select, silence_dbfs, smoothing_s, gain_db
        As in `listen`.
    jobs : int
        Processes. With more than one, guard your program by ``if __name__ == "__main__":``.

    Yields
    ------
    dict
        In the order of the files, those of a folder by name.

    Warns
    -----
    LabelWarning
        If a file cannot be used, or is damaged and only a part of it can: with its path and the
        reason. The rest is done (`streammer.labelling.LabelWarning`, a UserWarning).

    Raises
    ------
    InputError
        If a folder holds no audio or, at the end, if none of the files could be used.
    ModelError
        If a model is unknown or refused.
    """
    names = (model,) if isinstance(model, str) else tuple(model)
    config = StreamConfig(
        models=names,
        select=None if select is None else tuple(select),
        silence_dbfs=silence_dbfs,
        smoothing_s=smoothing_s,
        gain_db=gain_db,
    )
    given = [paths] if isinstance(paths, str | Path) else list(paths)
    found = find_audio(given)
    for unusable in found.unusable:
        warnings.warn(unusable.complaint, LabelWarning, stacklevel=2)
    order, done = InOrder(), 0
    with closing(label_files(found.files, config, steps=steps, jobs=jobs)) as results:
        for k, result in results:
            if result.complaint:
                warnings.warn(result.complaint, LabelWarning, stacklevel=2)
            done += not result.error
            order.add(k, result)
            for next_one in order.ready():
                yield from next_one.rows
    if not done:
        raise InputError(f"none of {found.count} files could be used: see the warnings")
