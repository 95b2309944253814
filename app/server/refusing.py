"""The way in which a connection ends early: the answer, the record of it, and bytes that still come."""

import asyncio
from collections import deque
from functools import partial
from secrets import token_hex
from typing import TYPE_CHECKING, Any, NoReturn

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from app.api import problems
from app.api.capacity import Capacity
from app.api.telemetry import Telemetry
from app.server.refusals import Breach, Ended, refusal
from app.server.room import Room
from app.server.unread import UnreadWatch
from app.settings import Settings

if TYPE_CHECKING:
    from app.server.cycle import Beginnings  # which knows this module

LINGER_SECONDS = 2.0
"""The time for which a server that ends reads a connection that it has closed for writing."""


class State(ServerState):
    """The state that a server shares with its connections.

    Attributes:
        is_ending: Whether the server drains, so that every answer closes its connection.
    """

    is_ending = False


class RefusingProtocol(HttpToolsProtocol):
    """HTTP/1.1 of one connection, which can be refused; what comes after that is dropped without being parsed."""

    server_state: State
    pipeline: deque[tuple[Any, Any]]  # cycles that wait for their turn, and what begins them

    def __init__(
        self,
        capacity: Capacity,
        settings: Settings,
        telemetry: Telemetry,
        room: Room,
        beginnings: "Beginnings",
        **connection: Any,
    ) -> None:
        super().__init__(**connection)
        self._beginnings = beginnings
        self._backoff = capacity.backoff
        self._room = room
        self._settings = settings
        self._telemetry = telemetry
        telemetry.connections = self.connections
        self._refused = False
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Callback of asyncio: a client has connected, for which there may be no room."""
        super().connection_made(transport)
        self._unread = UnreadWatch(transport, self._settings)
        self._address = self._room.address(self.client[0] if self.client else "")
        breach = self._room.enter(self._address)
        self._has_entered = breach is None
        self._is_spare = self._room.is_overfull
        if breach:
            self._refused = True
            transport.write(self._refusal(breach))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Callback of asyncio: nothing more will come."""
        self._stop_clock()
        self._unread.end()
        self._unset_keepalive_if_required()
        if self._has_entered:
            self._room.leave(self._address)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Callback of asyncio: the client reads more slowly than it is answered."""
        super().pause_writing()
        self._unread.begin()

    def resume_writing(self) -> None:
        """Callback of asyncio: the client has read nearly all."""
        super().resume_writing()
        if not self.transport.is_closing():  # then what is left must be read too
            self._unread.end()

    def drop_rest(self) -> None:
        """Callback of a cycle: its answer is out, and what is left of its body is dropped for a while."""
        self._refused = True
        self._stop_clock()
        self._linger(self._settings.body_timeout_seconds)

    @property
    def is_leaving(self) -> bool:
        """Tell if the server ends and no request waits behind the one that is answered."""
        return self.server_state.is_ending and not self.pipeline

    def leave(self) -> None:
        """Close the connection; while the server ends, drop what still comes.

        A client may have sent a request in this moment, for which it then gets the end of the connection and no reset.
        """
        if self.server_state.is_ending:
            self._refused = True
            self._stop_clock()
            self._linger(LINGER_SECONDS)
        else:
            self._close()

    def _close(self) -> None:
        """Close, once the client has read what it was answered: for that it has the time that it has for any answer."""
        self.transport.close()
        if self.transport.get_write_buffer_size():
            self._unread.begin()

    def _end(self, breach: Breach) -> NoReturn:
        """Refuse from a callback of the parser, which then reads no further."""
        self._refuse(breach)
        raise Ended

    def _refuse(self, breach: Breach) -> None:
        """Answer, drop for a while what still comes, and close.

        Earlier requests of the connection are answered first. The last of them closes it, and there is no further
        answer, unless it is that one which is refused, in the middle of its body.
        """
        if self._refused:
            return
        self._stop_clock()
        self._refused = True
        told = self._refusal(breach)
        if self._may_answer():
            self._answer(told)
            return
        self.flow.resume_reading()
        if self.pipeline and self.cycle.more_body:
            self.pipeline[0] = self.cycle, partial(self._answer_later, told)
        else:
            self.cycle.keep_alive = False

    def _refusal(self, breach: Breach) -> bytes:
        """Count and log a refusal; return the answer."""
        seconds = self._backoff.seconds() if breach.code == "unavailable" else 0
        return refusal(breach, self._record_refusal(breach), self._settings.root_path, seconds)

    def _answer(self, told: bytes) -> None:
        cycle: Any = self.cycle
        if cycle is not None:
            cycle.disconnected, cycle.waiting_for_100_continue = True, False
            cycle.tell()
        self.transport.write(told)
        self._linger(self._settings.head_timeout_seconds)

    def _answer_later(self, told: bytes, *_: object) -> None:
        self._answer(told)

    def _record_refusal(self, breach: Breach) -> str:
        """Count and log a refusal, with the request that the application has, if there is one; return its id."""
        code, status = breach.code, problems.CATALOGUE[breach.code].status
        scope: Any = self.cycle.scope if self._is_inside_body() else {}
        why = {"reason": breach.reason, "peer": self.client[0] if self.client else ""}
        if exchange := scope.get("exchange"):
            exchange.status, exchange.code, exchange.refusal = status, code, why
            return str(exchange.request_id)
        request_id = token_hex(16)
        self._telemetry.refuse(request_id, status, code, why)
        return request_id

    def _linger(self, seconds: float) -> None:
        """Close the sending half, and the other half later.

        On a connection that is closed at once bytes that still come cause a reset, by which the answer is lost.
        """
        if not self.transport.is_closing():
            self.flow.resume_reading()
            self.transport.write_eof()
            self._deadline = self.loop.call_later(seconds, self._close)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None

    def _is_answering(self) -> bool:
        cycle: Any = self.cycle  # None until the first request
        return cycle is not None and not cycle.response_complete

    def _may_answer(self) -> bool:
        return not self._is_answering() or self._is_inside_body()

    def _is_inside_body(self) -> bool:
        """Tell if the body of a request is under way, its answer is not begun, and no request waits before it."""
        cycle = self.cycle
        return self._is_answering() and cycle.more_body and not cycle.response_started and not self.pipeline
