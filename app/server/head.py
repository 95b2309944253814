"""The head of a request: its sizes, and the offer of another protocol."""

from collections.abc import Sequence

from httptools import HttpRequestParser

from app.api.bounds import MAX_HEAD_BYTES, MAX_HEADER_BYTES
from app.api.response import Header
from app.server.refusals import HEAD_BYTES, HEADER_BYTES, Breach

LINE_BYTES = len(b": \r\n")
"""The bytes of a header beside name and value."""
UNCOUNTED_BYTES = 64
"""A number of bytes above what the size of a head leaves out: method, version, spaces and line ends. While a head is
still arriving, its bytes may exceed the bound by so many."""


def breach_of_size(url: bytes, headers: Sequence[Header]) -> Breach | None:
    """The size that a head exceeds; None if there is none."""
    sizes = [len(name) + len(value) for name, value in headers]
    if len(url) + sum(sizes) + LINE_BYTES * len(sizes) > MAX_HEAD_BYTES:
        return HEAD_BYTES
    return HEADER_BYTES if max(sizes, default=0) > MAX_HEADER_BYTES else None


def without_offer(parser: HttpRequestParser, url: bytes, headers: Sequence[Header]) -> bytes:
    """The head that a parser has just read, written anew without its offer of another protocol."""
    first = b"%b %b HTTP/%b" % (parser.get_method(), url, parser.get_http_version().encode())
    others = [b"%b: %b" % header for header in headers if header[0] != b"upgrade"]
    return b"\r\n".join([first, *others, b"", b""])
