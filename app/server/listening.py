"""A server of uvicorn that takes its clients itself, several in each turn of the event loop."""

import asyncio
import logging
import signal
from socket import socket
from types import FrameType
from typing import Any

import uvicorn

from app.server.last_resort import LastResort
from app.server.listeners import address_of, turn_away
from app.server.refusing import State
from app.settings import Settings

BATCH = 100
"""The most clients that are taken in one turn of the event loop, which takes some milliseconds. uvloop takes one, and
under load a turn takes some 20 ms."""
FULL_SECONDS = 1.0
"""The pause of a server that may not open another file, as long as that of asyncio."""

ENTERING_SECONDS = 0.1
"""The time between the last client that the kernel lets in and the end of listening, in which handshakes are done."""
SETTLING_SECONDS = 0.2
"""The time between the end of listening and that of idle connections, in which requests that have come are read."""
END_SECONDS = 1.0
"""The time that a drained process has to end; then it is ended."""

log = logging.getLogger("surprisal.server")


class Server(uvicorn.Server):
    """A server that takes the clients of the listeners it is run with, and drains so that none of them notices.

    After SIGTERM it is not ready, goes on as before for `drain_delay_seconds` but that every answer closes its
    connection, then takes no more clients, and last closes idle connections. Ctrl-C leaves the delay out.
    """

    def __init__(self, config: uvicorn.Config, settings: Settings) -> None:
        super().__init__(config)
        self.server_state: State = State()
        self._delay_seconds = settings.drain_delay_seconds
        drain_seconds = settings.drain_delay_seconds + settings.drain_timeout_seconds
        self._last_resort = LastResort(drain_seconds + ENTERING_SECONDS + SETTLING_SECONDS + END_SECONDS)
        self._listeners: list[socket] = []
        self._entering: set[asyncio.Task[Any]] = set()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Start the application, and take clients."""
        await super().startup(sockets=[])
        self._loop = asyncio.get_running_loop()
        self._listeners = sockets or []
        for listener in self._listeners:
            self._listen(listener)
        self._tell()

    def _tell(self) -> None:
        """Say that clients may come."""
        where = address_of(self._listeners[0])
        logging.getLogger("uvicorn.error").info("Uvicorn running on %s (Press CTRL+C to quit)", where)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Drain: go on for a while, take no more clients, and finish the requests of those that have come."""
        self.server_state.is_ending = True
        app: Any = self.config.app
        app.capacity.is_ending = True
        await self._delay()
        if self._is_last_to_listen():
            for listener in self._listeners:
                turn_away(listener)
        await asyncio.sleep(ENTERING_SECONDS)
        self._stop_listening()
        await asyncio.gather(*self._entering, return_exceptions=True)
        await asyncio.sleep(SETTLING_SECONDS)
        await super().shutdown(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handler of signals: begin to end."""
        self._last_resort.begin()
        super().handle_exit(sig, frame)

    def _stop_listening(self) -> None:
        """Take the clients that wait, for the end of a listener resets them, and no more."""
        listeners, self._listeners = self._listeners, []
        for listener in listeners:
            self._loop.remove_reader(listener)
            while self._take(listener):
                pass
            listener.close()

    def _is_last_to_listen(self) -> bool:
        """Tell if the listeners end with this server, or with others that end too."""
        return True

    async def _delay(self) -> None:
        ends = self._loop.time() + self._delay_seconds
        while self._loop.time() < ends and signal.SIGINT not in self._captured_signals:
            await self.on_tick(0)  # the date of answers goes on
            await asyncio.sleep(0.1)

    def _listen(self, listener: socket) -> None:
        if listener in self._listeners:  # a server that ends has dropped it
            self._loop.add_reader(listener, self._offered, listener)

    def _offered(self, listener: socket) -> None:
        """Callback of the event loop: clients wait."""
        n_taken = 0
        while n_taken < BATCH and self._may_take() and self._take(listener):
            n_taken += 1

    def _may_take(self) -> bool:
        """Tell if the next client is for this server."""
        return True

    def _pause(self, listener: socket, seconds: float) -> None:
        self._loop.remove_reader(listener)
        self._loop.call_later(seconds, self._listen, listener)

    def _take(self, listener: socket) -> bool:
        """Take a client, if one is there."""
        try:
            client, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return False  # another worker was first, or the client has left
        except OSError as error:
            log.warning("no client can be taken: %s", error)
            self._pause(listener, FULL_SECONDS)
            return False
        client.setblocking(False)
        entering = self._loop.create_task(self._loop.connect_accepted_socket(self._protocol, client))
        self._entering.add(entering)
        entering.add_done_callback(self._entering.discard)
        return True

    def _protocol(self) -> asyncio.Protocol:
        make: Any = self.config.http_protocol_class
        protocol: asyncio.Protocol = make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol
