"""One browser: what it looks at, what waits for it, and what it may ask.

A browser that takes its messages slowly has its own queue to fall behind in, and is given up when
it takes none; it holds up neither the others nor the bus.
"""

import asyncio
from collections import deque
from typing import Protocol

__all__ = ["DEPTH", "PATIENCE_S", "Client", "Socket"]

DEPTH = 4096
"""Messages that wait for a browser at most; beyond it the oldest are dropped."""

PATIENCE_S = 5.0
"""A browser that takes nothing for this long is given up; it connects anew when it is back [s]."""


class Socket(Protocol):
    """What a client needs of a WebSocket."""

    async def send_text(self, data: str) -> None:
        """Send a message, as soon as the browser takes it."""
        ...

    async def send_bytes(self, data: bytes) -> None:
        """Send a message of bytes."""
        ...


class Client:
    """The messages on their way to one browser.

    Attributes
    ----------
    stream : str
        What it looks at; empty before it has said so.
    features : bool
        Whether it shows that stream's spectrogram.
    dropped : int
        Messages that it was too slow to take.
    """

    def __init__(self, depth: int = DEPTH) -> None:
        self.stream = ""
        self.features = False
        self.dropped = 0
        self._waiting: deque[str | bytes] = deque(maxlen=depth)
        self._arrived = asyncio.Event()

    def put(self, message: str | bytes) -> None:
        """Hand over a message; never waits."""
        self.dropped += len(self._waiting) == self._waiting.maxlen
        self._waiting.append(message)
        self._arrived.set()

    async def send_to(self, socket: Socket, patience_s: float = PATIENCE_S) -> None:
        """Send what is handed over, for ever.

        Raises
        ------
        TimeoutError
            The browser took nothing for `patience_s`.
        """
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                message = self._waiting.popleft()
                async with asyncio.timeout(patience_s):
                    if isinstance(message, str):
                        await socket.send_text(message)
                    else:
                        await socket.send_bytes(message)
