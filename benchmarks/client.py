"""A client of one request at a time, which takes the time that a user would see."""

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException

TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Answer:
    """An answer; status 0 stands for a connection that was cut."""

    status: int
    content: bytes
    seconds: float


def chunk(content: bytes) -> bytes:
    """A chunk of the transfer coding, ready to be sent any number of times."""
    return b"%X\r\n%b\r\n" % (len(content), content)


def post(port: int, path: str, content_type: str, body: bytes | Iterable[bytes]) -> Answer:
    """Send a body, whole or as ready `chunk`s, over a connection of its own; connecting is not timed."""
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    headers = {"Content-Type": content_type} | ({} if isinstance(body, bytes) else {"Transfer-Encoding": "chunked"})
    connection.connect()
    start = time.perf_counter()
    try:
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before its end, and answered
            connection.request("POST", path, body, headers)
        response = connection.getresponse()
        return Answer(response.status, response.read(), time.perf_counter() - start)
    except (OSError, HTTPException):
        return Answer(0, b"", time.perf_counter() - start)
    finally:
        connection.close()
