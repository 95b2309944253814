"""The beat of a server's event loop, as `/metrics` tells it: how long the loop stood, and for what."""

import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from tests.api.servers import Process
from tests.attacks.clients import answer, get

BUCKET = re.compile(r'surprisal_loop_(stall|work|held)_seconds_bucket\{le="([^"]+)"\} (\S+)')


class Stall(NamedTuple):
    """The least bounds of the buckets in which all delays of the loop were, and the statuses of the answers meanwhile.

    Attributes:
        seconds: The bound by the clock, to which a busy machine adds its own delays, and threads that hold the lock of
            the interpreter theirs.
        work: The bound of the processor time that the loop itself took in a delay. A busy machine adds at most 20 ms to
            it, the work between two beats.
        held: The bound of the processor time that the whole process took in a delay: that of threads which held the
            interpreter, and of others beside them. What other processes took is not in it.
    """

    seconds: float
    work: float
    held: float
    statuses: set[int]


def stall(
    server: Process, asked: Callable[[Process, bytes], int], requests: Iterable[bytes], n_clients: int = 1
) -> Stall:
    """Send requests, some at once, and see how long the loop stood."""
    before = _buckets(server)
    with ThreadPoolExecutor(n_clients) as clients:
        statuses = set(clients.map(lambda sent: asked(server, sent), requests))
    after = _buckets(server)
    new = {place: after[place] - before[place] for place in after}
    seconds, work, held = (
        min(bound for name, bound in new if name == kind and new[name, bound] == new[name, float("inf")])
        for kind in ("stall", "work", "held")
    )
    return Stall(seconds, work, held, statuses)


def _buckets(server: Process) -> dict[tuple[str, float], float]:
    _, got = answer(server, get("/metrics"))
    return {(kind, float(bound)): float(n) for kind, bound, n in BUCKET.findall(got.decode())}


def whole_answer(server: Process, sent: bytes) -> int:
    """The status of an answer that is read to its end."""
    return answer(server, sent)[0]


def begun_answer(server: Process, sent: bytes) -> int:
    """The status of an answer, after which the client leaves: the server may still wait for a body."""
    with server.socket() as connection:
        connection.sendall(sent)
        return int(connection.recv(1 << 16).split(b" ", 2)[1])
