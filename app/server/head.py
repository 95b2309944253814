"""The head of a request: its sizes, and the offer of another protocol."""

from collections.abc import Mapping, Sequence
from typing import Any

from httptools import HttpRequestParser

from app.api.bounds import MAX_HEAD_BYTES, MAX_HEADER_BYTES
from app.api.response import Header
from app.server.refusals import ENCODING, HEAD_BYTES, HEADER_BYTES, HOST, Breach

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


def breach_of_framing(headers: Sequence[Header], version: str) -> Breach | None:
    """The rule about `Host` and `Transfer-Encoding` that a head breaks; None if it keeps both.

    >>> breach_of_framing([(b"host", b"a"), (b"transfer-encoding", b"gzip")], "1.1").reason
    'transfer_encoding'
    """
    head = dict(headers)
    is_plain = len(head) == len(headers)  # no header comes twice
    if b"transfer-encoding" in head:
        codings = [value.lower() for name, value in headers if name == b"transfer-encoding"]
        if codings != [b"chunked"] * len(codings):
            return ENCODING
    if is_plain and b"host" in head:
        return None
    n_hosts = sum([name == b"host" for name, _ in headers])
    return HOST if n_hosts > 1 or (n_hosts == 0 and version != "1.0") else None


def expects_continue(scope: Mapping[str, Any]) -> bool:
    """Tell if a client waits for a word before it sends the body (RFC 9110, 10.1.1)."""
    if scope["http_version"] == "1.0":
        return False
    sent: bytes = dict(scope["headers"]).get(b"expect", b"")
    return sent.lower() == b"100-continue"


def without_offer(parser: HttpRequestParser, url: bytes, headers: Sequence[Header]) -> bytes:
    """The head that a parser has just read, written anew without its offer of another protocol."""
    first = b"%b %b HTTP/%b" % (parser.get_method(), url, parser.get_http_version().encode())
    others = [b"%b: %b" % header for header in headers if header[0] != b"upgrade"]
    return b"\r\n".join([first, *others, b"", b""])
