"""A client without manners: raw bytes to a real server, and the processor time that they cost it."""

import gc
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from time import process_time

from tests.api.servers import Process

TICK = 1 / os.sysconf("SC_CLK_TCK")
GROWTH = 2.5
"""The most that twice the input may cost, in times of the cost of the input."""
TRIES = 4


def post(path: str, body: bytes, kind: str, *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: a", f"content-type: {kind}", f"content-length: {len(body)}", *headers]
    return "\r\n".join([*lines, "connection: close", "", ""]).encode() + body


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "host: a", *headers, "connection: close", "", ""]).encode()


def answer(server: Process, sent: bytes, seconds: float = 60.0) -> tuple[int, bytes]:
    """Send bytes and read until the server closes: the status, and all that came."""
    with closing(server.socket()) as connection:
        connection.settimeout(seconds)
        connection.sendall(sent)
        got = bytearray()
        while piece := connection.recv(1 << 16):
            got += piece
    return int(got.split(b" ", 2)[1]), bytes(got)


def processor_seconds(server: Process) -> float:
    """The processor time that a server has taken so far, in ticks of some hundredths of a second."""
    fields = Path(f"/proc/{server.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK


def growth(work: Callable[[int], object], n: int) -> float:
    """The processor time of `work(2 * n)` in times of that of `work(n)`, by the best of a few pairs."""
    best = [float("inf")] * 2
    for _ in range(TRIES):
        for place, size in enumerate((n, 2 * n)):
            gc.collect()
            began = process_time()
            work(size)
            best[place] = min(best[place], process_time() - began)
        if best[1] <= GROWTH * best[0]:
            break
    return best[1] / best[0]
