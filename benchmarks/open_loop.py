"""Clients in an open loop: they send at times of their own, however long the answers to others take.

A request counts from the time at which it was due, also while all connections are busy and it waits for one. One
process of little Python sends some twenty thousand small requests a second.
"""

import random
import selectors
import socket
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from math import inf
from typing import NamedTuple

SILENCE_SECONDS = 0.001
"""The longest sleep of a client that has nothing to read, so that it sends in time."""


class Plan(NamedTuple):
    """The load that is offered.

    Attributes:
        sent: A whole request, which leaves the connection open.
        rate: Requests a second, at random times; 0 if each client sends again as soon as it is answered.
        n_connections: The connections, which are opened before the first request.
        patience: The seconds after which a client gives up, and its connection is closed.
    """

    port: int
    sent: bytes
    rate: float
    seconds: float
    n_connections: int = 400
    patience: float = 1.0
    seed: int = 0


@dataclass
class Seen:
    """The record of what the clients have seen.

    Attributes:
        served: The seconds of each answer of status 200, from the time at which its request was due.
        refused: The seconds of each answer of status 503, from the time at which its request was sent.
        others: The answers of other statuses; 0 for connections that were cut.
        n_late: Requests that were given up.
        n_due: All requests.
        retry_after: The values of the header in answers of status 503.
        seconds: The time until the last answer.
    """

    served: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    others: Counter[int] = field(default_factory=Counter)
    n_late: int = 0
    n_due: int = 0
    retry_after: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0


class Client:
    """A connection with at most one request."""

    __slots__ = ("due", "got", "is_busy", "sent_at", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.due = self.sent_at = 0.0
        self.is_busy = False
        self.got = b""


class OpenLoop:
    """The clients of one process."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._random = random.Random(plan.seed)  # noqa: S311 a load is no secret
        self._poll = selectors.EpollSelector()
        self._free: deque[Client] = deque()
        self._waiting: deque[float] = deque()  # requests that are due and have no connection
        self._under_way: deque[tuple[float, Client]] = deque()  # in the order of their times
        self.seen = Seen()
        for _ in range(plan.n_connections):
            self._open()

    def run(self) -> Seen:
        """Offer the load, and wait for the last answers."""
        began = now = due = time.perf_counter()
        ends = began + self._plan.seconds
        while now < ends or self._is_waiting():
            due = self._ask(now, due, ends)
            while self._waiting and self._free:
                self._send(self._free.pop(), self._waiting.popleft())
            self._give_up(now)
            for key, _ in self._poll.select(SILENCE_SECONDS if now < due else 0):
                self._read(key.data)
            now = time.perf_counter()
        self.seen.seconds = now - began
        self._close()
        return self.seen

    def _ask(self, now: float, due: float, ends: float) -> float:
        """Let requests wait for a connection that are due by now; return when the next one is."""
        n_before = len(self._waiting)
        if not self._plan.rate and now < ends:
            self._waiting.extend([now] * len(self._free))
        while self._plan.rate and due <= now and due < ends:
            self._waiting.append(due)
            due += self._random.expovariate(self._plan.rate)
        self.seen.n_due += len(self._waiting) - n_before
        return due if self._plan.rate else inf

    def _is_waiting(self) -> bool:
        return bool(self._waiting) or any(client.is_busy for _, client in self._under_way)

    def _open(self) -> None:
        client = Client(self._plan.port)
        self._poll.register(client.socket, selectors.EVENT_READ, client)
        self._free.append(client)

    def _send(self, client: Client, due: float) -> None:
        client.due, client.sent_at, client.is_busy, client.got = due, time.perf_counter(), True, b""
        self._under_way.append((due, client))
        try:
            if client.socket.send(self._plan.sent) < len(self._plan.sent):
                raise RuntimeError("a request must fit in the buffer of a socket")
        except OSError:
            self._lose(client)

    def _read(self, client: Client) -> None:
        try:
            got = client.socket.recv(1 << 17)
        except OSError:
            got = b""
        if not got:
            self._lose(client)
            return
        client.got += got
        head, _, body = client.got.partition(b"\r\n\r\n")
        length = int(head.rpartition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0] or -1)
        if len(body) == length:
            self._note(client, head)

    def _note(self, client: Client, head: bytes) -> None:
        now, seen, status = time.perf_counter(), self.seen, int(head[9:12])
        if status == 200:
            seen.served.append(now - client.due)
        elif status == 503:
            seen.refused.append(now - client.sent_at)
            seen.retry_after[int(head.rpartition(b"\r\nretry-after: ")[2].partition(b"\r\n")[0])] += 1
        else:
            seen.others[status] += 1
        client.is_busy = False
        if b"\r\nconnection: close" in head:
            self._end(client)
            self._open()
        else:
            self._free.append(client)

    def _lose(self, client: Client) -> None:
        if client.is_busy:
            self.seen.others[0] += 1
        elif client in self._free:
            self._free.remove(client)
        self._end(client)
        self._open()

    def _give_up(self, now: float) -> None:
        least = now - self._plan.patience
        under_way = self._under_way
        while under_way and (under_way[0][0] < least or not _is_of(*under_way[0])):
            due, client = under_way.popleft()
            if _is_of(due, client):
                self.seen.n_late += 1
                client.is_busy = False
                self._end(client)
                self._open()
        while self._waiting and self._waiting[0] < least:
            self._waiting.popleft()
            self.seen.n_late += 1

    def _end(self, client: Client) -> None:
        client.is_busy = False
        self._poll.unregister(client.socket)
        client.socket.close()

    def _close(self) -> None:
        for key in list(self._poll.get_map().values()):
            key.data.socket.close()
        self._poll.close()


def _is_of(due: float, client: Client) -> bool:
    """Tell if a client still waits for the answer to the request that was due then."""
    return client.is_busy and client.due == due


def offered(plan: Plan) -> Seen:
    """Offer a load from this process."""
    return OpenLoop(plan).run()
