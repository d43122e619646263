"""A ring of samples between one thread that writes and one that reads, without a lock.

A sound card's callback must return at once: it copies into the ring and never waits for the
reader. When the ring is full the oldest unread samples are overwritten; the reader finds out,
counts them, and their time passes all the same. Sources that may wait use `write_wait` instead.

How it holds together without a lock. Samples are numbered from 0 as they are written ("index").
The writer announces how far it will write (`_reserved`), copies, then announces how far it has
written (`_written`). The reader copies samples below `_written`, then looks at `_reserved` again:
all below ``_reserved - capacity`` may have been overwritten meanwhile and is dropped from what it
copied. Each number has one writer, and reading or assigning one is atomic. A reader that waits is
woken by an event, which is touched only then.
"""

import threading
from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streammer.clock import Clock

__all__ = ["RING_S", "Ring", "RingRead"]

RING_S = 10.0
"""Sound that a source's ring holds [s]."""

_STAMPS = 4096
_ROOM_POLL_S = 0.02

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class RingRead:
    """What was read.

    Attributes
    ----------
    samples : np.ndarray [shape=(n, channels)], float32
        The reader's own.
    position : int
        Of the first sample since the ring was made, lost samples included.
    lost : int
        Samples lost directly before these, on the way in or overwritten.
    t_capture : float
        Unix time at which the last sample was captured [s].
    t_arrival_mono : float
        Monotonic time at which the last sample was written [s].
    """

    samples: Float32
    position: int
    lost: int
    t_capture: float
    t_arrival_mono: float


class Ring:
    """Samples in the order in which they were written, the newest `capacity` of them.

    Parameters
    ----------
    capacity, channels : int
        Samples that fit, and channels.
    sr : int
        Rate by which capture times within a write are interpolated [Hz].
    clock : Clock
        What `read` and `write_wait` wait by.

    Notes
    -----
    One thread writes and one reads. `write` allocates no array. Times are kept for the newest 4096
    writes; older ones are extrapolated by the rate.
    """

    def __init__(self, capacity: int, channels: int, *, sr: int, clock: Clock) -> None:
        if capacity < 1 or channels < 1:
            raise ValueError(f"capacity {capacity} and channels {channels}: expected at least 1")
        self.capacity = capacity
        self._data = np.zeros((capacity, channels), np.float32)
        self._sr = sr
        self._clock = clock
        # The writer's numbers.
        self._reserved = 0
        self._written = 0
        self._stamped = 0
        self._stamp_end = np.zeros(_STAMPS, np.int64)
        self._stamp_capture = np.zeros(_STAMPS, np.float64)
        self._stamp_arrival = np.zeros(_STAMPS, np.float64)
        self._holes: deque[tuple[int, int]] = deque()  # (index before which, samples lost)
        # The reader's.
        self._read = 0
        self._position = 0
        self._stamp = 0
        self._lost = 0  # before what is read next
        # Between them.
        self._waiting = False
        self._woken = threading.Event()

    @property
    def unread(self) -> int:
        """Samples that wait for the reader, by the latest state of both sides."""
        return min(self.capacity, max(0, self._written - self._read))

    def write(self, samples: Float32, t_capture: float, t_arrival: float, lost: int = 0) -> int:
        """Copy samples in, over the oldest unread ones if need be.

        Parameters
        ----------
        samples : np.ndarray [shape=(n, channels)]
        t_capture : float
            Unix time at which the last of them was captured [s].
        t_arrival : float
            Monotonic time of now [s].
        lost : int
            Samples that were lost before these.

        Returns
        -------
        int
            Unread samples that this write gave up, as far as the writer can know: those that the
            reader was copying at this moment may count here and not there. `RingRead.lost`, on the
            reader's side, is exact.
        """
        n = len(samples)
        if lost > 0:
            self._holes.append((self._written, lost))
        if not n:
            return 0
        capacity, start = self.capacity, self._written
        end = start + n
        given_up = max(0, end - capacity - max(self._read, self._reserved - capacity))
        self._reserved = end
        skip = max(0, n - capacity)
        i = (start + skip) % capacity
        first = min(n - skip, capacity - i)
        self._data[i : i + first] = samples[skip : skip + first]
        self._data[: n - skip - first] = samples[skip + first :]
        k = self._stamped % _STAMPS
        self._stamp_end[k] = end
        self._stamp_capture[k] = t_capture
        self._stamp_arrival[k] = t_arrival
        self._stamped += 1
        self._written = end
        self._wake_reader()
        return given_up

    def write_wait(
        self,
        samples: Float32,
        t_capture: float,
        t_arrival: float,
        stop: threading.Event,
        lost: int = 0,
    ) -> bool:
        """Copy samples in as room comes free; return False if `stop` was set before all were in."""
        n = len(samples)
        done = 0
        if lost > 0:
            self._holes.append((self._written, lost))
        while done < n:
            room = self.capacity - (self._written - self._read)
            if room <= 0:
                if self._clock.wait(stop, _ROOM_POLL_S):
                    return False
                continue
            part = samples[done : done + room]
            done += len(part)
            self.write(part, t_capture - (n - done) / self._sr, t_arrival)
        return not stop.is_set()

    def wake(self) -> None:
        """Let a waiting `read` return: there will be no more, or something to say."""
        self._wake_reader()

    def read(self, max_frames: int, timeout_s: float) -> RingRead | None:
        """Return the next samples, at most `max_frames`, or None if none come within the time.

        A read ends where samples were lost: those after it come with the next.
        """
        until = self._clock.monotonic() + timeout_s
        while True:
            if self._written == self._read and not self._wait(until):
                return None
            self._skip_overwritten()
            self._take_holes()
            start = self._read
            end = min(self._written, start + max_frames, self._next_hole())
            samples = self._copy(start, end)
            # What the writer reached while it was copied is torn: it joins the lost ones.
            torn = min(end - start, max(0, self._reserved - self.capacity - start))
            self._lose(torn)
            if torn < end - start:
                break
        samples = samples[torn:]
        lost, self._lost = self._lost, 0
        position = self._position
        self._position += len(samples)
        self._read = end
        t_capture, t_arrival = self._times(end)
        return RingRead(samples, position, lost, t_capture, t_arrival)

    def _lose(self, n: int) -> None:
        """Give up the next `n` samples in the ring."""
        self._lost += n
        self._position += n
        self._read += n

    def _skip_overwritten(self) -> None:
        # With a write longer than the ring, what may be overwritten ends beyond what is written.
        lost = min(self._reserved - self.capacity, self._written) - self._read
        if lost > 0:
            self._lose(lost)

    def _take_holes(self) -> None:
        """Account for samples that were lost on the way in up to the next one to be read."""
        while self._holes and self._holes[0][0] <= self._read:
            lost = self._holes.popleft()[1]
            self._lost += lost
            self._position += lost

    def _next_hole(self) -> int:
        return self._holes[0][0] if self._holes else 2**62

    def _copy(self, start: int, end: int) -> Float32:
        i = start % self.capacity
        first = min(end - start, self.capacity - i)
        out = np.empty((end - start, self._data.shape[1]), np.float32)
        out[:first] = self._data[i : i + first]
        out[first:] = self._data[: end - start - first]
        return out

    def _times(self, end: int) -> tuple[float, float]:
        """Return capture and arrival time of the sample before index `end`."""
        while True:
            oldest = max(0, self._stamped - _STAMPS + 1)
            k = max(self._stamp, oldest)
            while self._stamp_end[k % _STAMPS] < end and k + 1 < self._stamped:
                k += 1
            i = k % _STAMPS
            behind = int(self._stamp_end[i]) - end
            t_capture = float(self._stamp_capture[i]) - behind / self._sr
            t_arrival = float(self._stamp_arrival[i])
            if k >= self._stamped - _STAMPS + 1:  # not overwritten while it was read
                self._stamp = k
                return t_capture, t_arrival

    def _wait(self, until: float) -> bool:
        """Wait for something to read; return whether there is."""
        self._woken.clear()
        self._waiting = True
        left = until - self._clock.monotonic()
        if self._written == self._read and left > 0:
            self._clock.wait(self._woken, left)
        self._waiting = False
        return self._written != self._read

    def _wake_reader(self) -> None:
        if self._waiting:
            self._waiting = False
            self._woken.set()
