"""The refusal of small requests that would wait too long, at the price of a look at their bytes."""

import re
from functools import lru_cache
from math import inf
from random import getrandbits
from typing import Any

from app.api import problems
from app.api.capacity import Capacity
from app.api.exchange import VISIBLE_ASCII
from app.server.refusals import LAG, NO_THREAD, Breach, refusal
from app.server.refusing import RefusingProtocol

PLAIN_HEAD = re.compile(
    rb"POST [A-Za-z0-9/._~-]{0,256}/v1/(?:score|compare|calibrate)/[a-z]++ HTTP/1\.1\r\n"
    rb"(?:[A-Za-z0-9-]++: [ -~]*+\r\n)++\r\n"  # which gives nothing back, so that no bytes are tried many times
)
"""A head without anything that leaves a doubt where its request ends. A head of another form is read by the parser."""
UNUSUAL = re.compile(rb"\r\n(?:transfer-encoding|upgrade|expect|(?:proxy-)?connection: (?!keep-alive\r\n))")
"""Headers that change what a request means, in a head in lower case."""
FIT = b"/v1/calibrate/"
"""The path of requests that get a thread, however small they are."""
HOST = b"\r\nhost: "
LENGTH = b"\r\ncontent-length: "
REQUEST_ID = b"\r\nx-request-id: "
PAUSE_SECONDS = 0.2
"""The time for which a client is not heard after one of many refusals. `Retry-After` asks it to wait for longer; who
comes again at once would have the service do nothing but refuse."""
BLANK_ID = "0" * 32
"""The request id in a prepared answer, before its own one is put there."""


class SheddingProtocol(RefusingProtocol):
    """HTTP/1.1 of one connection, on which a small request may be refused and the next one be answered.

    The parser does not see it, no task is made for it, and the application does not hear of it. So it costs a small
    part of a refusal from there, and scoring goes on while many times as much is refused.
    """

    _idle_since: float  # the time at which the last answer was out; infinite while a request is under way
    _head_bytes: int  # the bytes of a request that has begun
    _is_in_head: bool  # also true before the first request

    def __init__(self, capacity: Capacity, *parts: Any, **connection: Any) -> None:
        super().__init__(capacity, *parts, **connection)
        self._turns, self._threads = capacity.turns, capacity.whole

    def _sheds(self, data: bytes) -> bool:
        """Refuse a piece that is one whole small request, if too many wait before it; tell if it was refused."""
        is_idle = self._idle_since < inf and not self._head_bytes
        if not is_idle or self._is_spare or self.is_leaving or self.flow.write_paused:
            return False
        head = plain_head(data)
        if not head or (self._settings.cors_origins and b"\r\norigin: " in head):
            return False  # a page of another site reads no answer without headers that the application adds
        breach = self._breach(len(data), head)
        if breach:
            self._turn_away(data, head, breach)
        return breach is not None

    def _breach(self, n_bytes: int, head: bytes) -> Breach | None:
        """The lack of room for a request, if there is one: in the threads for a fit, else in the turns of the loop."""
        if FIT in head[: head.index(b"\r")]:
            return NO_THREAD if self._threads.refuses and not self._threads.has_room else None
        return LAG if self._turns.waiting and self._turns.is_full(n_bytes) else None

    def _turn_away(self, data: bytes, head: bytes, breach: Breach) -> None:
        seconds, root_path, at = self._backoff.seconds(), self._settings.root_path, head.find(REQUEST_ID)
        if at < 0:
            request_id = f"{getrandbits(128):032x}"
            told = request_id.encode().join(_prepared(breach, root_path, seconds))
        else:
            sent = data[at + len(REQUEST_ID) : data.index(b"\r\n", at + len(REQUEST_ID))]
            request_id = sent.decode() if VISIBLE_ASCII.fullmatch(sent) else f"{getrandbits(128):032x}"
            told = refusal(breach, request_id, root_path, seconds, keep_alive=True)
        self.transport.write(told)
        why = {"reason": breach.reason, "peer": self.client[0] if self.client else ""}
        self._telemetry.refuse(request_id, problems.CATALOGUE[breach.code].status, breach.code, why)
        self._is_in_head = False
        self._stop_clock()  # that of the first head of the connection
        self.on_response_complete()
        if self._backoff.are_many:
            self.flow.pause_reading()
            self.loop.call_later(PAUSE_SECONDS, self._read_on)

    def _read_on(self) -> None:
        """Callback of a timer: read what the client has sent since it was refused."""
        if not self.transport.is_closing():
            self.flow.resume_reading()


def plain_head(data: bytes) -> bytes:
    r"""The head, in lower case, of a piece that is one whole request of the plain form; empty if it is anything else.

    >>> plain_head(b"POST /v1/score/binary HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}")
    b'post /v1/score/binary http/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n'
    >>> plain_head(b"POST /v1/score/binary HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{")
    b''
    """
    found = PLAIN_HEAD.match(data)
    if not found:
        return b""
    head = found[0].lower()
    if head.count(HOST) != 1 or head.count(LENGTH) != 1 or UNUSUAL.search(head):
        return b""
    return head if b"%b%d\r\n" % (LENGTH, len(data) - len(head)) in head else b""


@lru_cache(maxsize=128)
def _prepared(breach: Breach, root_path: str, seconds: int) -> list[bytes]:
    """The parts of an answer around its request id."""
    return refusal(breach, BLANK_ID, root_path, seconds, keep_alive=True).split(BLANK_ID.encode())
