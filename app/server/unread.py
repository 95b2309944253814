"""The watch over a client that reads its answer more slowly than it is written."""

import asyncio

from app.settings import Settings


class UnreadWatch:
    """A deadline for a client that leaves bytes of its answer unread: beyond it the connection is cut off."""

    def __init__(self, transport: asyncio.Transport, settings: Settings) -> None:
        self._transport = transport
        self._seconds = settings.body_timeout_seconds
        self._bytes_in_time = self._seconds * settings.min_bytes_per_second
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Give the client time until some of what is unread must be read."""
        self.end()
        most = self._transport.get_write_buffer_size() - self._bytes_in_time
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._check, most)

    def end(self) -> None:
        """Wait no more: nearly all is read, or the connection is lost."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self, most: float) -> None:
        if self._transport.get_write_buffer_size() > most:
            self._transport.abort()
        else:
            self.begin()
