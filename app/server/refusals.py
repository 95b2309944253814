"""The refusals of the protocol: their reasons, and the bytes of an answer that the application does not hear of."""

from typing import NamedTuple

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from app.api import capacity, problems
from app.api.bounds import (
    MAX_CHUNKS_PER_SECOND,
    MAX_HEAD_BYTES,
    MAX_HEADER_BYTES,
    MAX_HEADER_LINES,
    MAX_PIPELINED,
)
from app.api.response import SECURITY_HEADERS
from app.api.turns import WAITS_TOO_LONG


class Breach(NamedTuple):
    """A bound or a rule of the protocol that a client breaks.

    Attributes:
        reason: The word for it in log and counters.
        code: The code of the problem.
        detail: The sentence for the client.
    """

    reason: str
    code: str
    detail: str


BYTES = Breach("bytes", "malformed_request", "the bytes must be a request in HTTP/1.1")
CONNECT = Breach("method", "malformed_request", "the method must not be CONNECT: this service is no proxy")
HOST = Breach("host", "malformed_request", "the header Host must be sent once, with every request in HTTP/1.1")
ENCODING = Breach("transfer_encoding", "malformed_request", "Transfer-Encoding must be `chunked` and nothing else")
CHUNKS = Breach(
    "chunks",
    "malformed_request",
    f"a body must come in at most {MAX_CHUNKS_PER_SECOND} chunks a second; send larger ones",
)
HEAD_BYTES = Breach(
    "head_bytes",
    "head_too_large",
    f"request line and headers must fit in {MAX_HEAD_BYTES} bytes; longer options stand in a JSON body",
)
HEADER_BYTES = Breach("header_bytes", "head_too_large", f"a header must fit in {MAX_HEADER_BYTES} bytes")
HEADER_LINES = Breach("header_lines", "head_too_large", f"a request must have at most {MAX_HEADER_LINES} headers")
TRAILER_BYTES = Breach("trailer_bytes", "head_too_large", f"trailers must fit in {MAX_HEAD_BYTES} bytes")
CONNECTIONS = Breach("connections", "unavailable", "the service has as many connections as it can")
ADDRESS = Breach("connections_of_address", "unavailable", "this address has as many connections as it may")
LAG = Breach("lag", "unavailable", WAITS_TOO_LONG)
NO_THREAD = Breach("threads", "unavailable", capacity.NO_THREAD)
PIPELINED = Breach("pipelined", "unavailable", f"at most {MAX_PIPELINED} requests may wait behind one")


def too_slow(part: str, seconds: float) -> Breach:
    """The breach of a deadline by the head or the trailers of a request."""
    told = {"head": "request line and headers", "trailer": "trailers"}[part]
    return Breach(f"{part}_seconds", "request_timeout", f"{told} must arrive within {seconds:g} seconds")


class Ended(Exception):
    """The end of reading, raised in a callback of the parser after a refusal: no byte more is parsed."""


def refusal(breach: Breach, request_id: str, root_path: str, retry_after: int = 0, keep_alive: bool = False) -> bytes:
    """A whole answer, a problem after which the connection is closed or goes on."""
    _, code, detail = breach
    content = problems.content(code, detail, "", request_id, {"type": problems.address(code, root_path)})
    head = f"content-type: {problems.MEDIA_TYPE}\r\ncontent-length: {len(content)}\r\nx-request-id: {request_id}\r\n"
    if not keep_alive:
        head += "connection: close\r\n"
    if retry_after:
        head += f"retry-after: {retry_after}\r\n"
    security = b"".join(b"%b: %b\r\n" % header for header in SECURITY_HEADERS.items())
    return STATUS_LINE[problems.CATALOGUE[code].status] + head.encode() + security + b"\r\n" + content
