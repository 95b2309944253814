"""A talk with a real server over a raw socket: what was answered, and what log and counters say about it."""

import re
from collections.abc import Iterable
from contextlib import closing
from typing import Any

from tests.api.servers import Process

MOST_PIECES = 2_000
"""A text that is sent in small pieces comes in at most so many, or in single bytes."""


def pieces(text: bytes) -> list[bytes]:
    step = -(-len(text) // MOST_PIECES)
    return [text[i : i + step] for i in range(0, len(text), step)]


def talk(server: Process, sent: Iterable[bytes]) -> tuple[list[int], bytes]:
    """Send pieces, and read until the server closes: the statuses, and all that came."""
    got = bytearray()
    with closing(server.socket()) as connection:
        for piece in sent:
            connection.sendall(piece)
        while piece := connection.recv(1 << 16):
            got += piece
    return statuses(got), bytes(got)


def statuses(got: bytes | bytearray) -> list[int]:
    """The statuses of all answers."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", got)]


def request_id(got: bytes | bytearray) -> str:
    """The request id of the last answer."""
    return [found[1].decode() for found in re.finditer(rb"\r\nx-request-id: (\S+)", got)][-1]


def logged(server: Process, request_id: str) -> dict[str, Any]:
    """The line of a request in the log."""
    while (line := server.wait_for("request"))["request_id"] != request_id:
        pass
    return line


def refusals(server: Process, reason: str) -> float:
    """The number of refusals so far for a reason."""
    connection = server.connection()
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    found = re.findall(rf'surprisal_refusals_total{{reason="{reason}"}} (\S+)', text)
    return float(found[0]) if found else 0.0


def head(*headers: str, line: str = "GET /v1/limits HTTP/1.1", host: str = "host: a\r\n") -> bytes:
    lines = "".join(f"{header}\r\n" for header in headers)
    return f"{line}\r\n{host}{lines}connection: close\r\n\r\n".encode()
