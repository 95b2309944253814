"""A whole answer, as a route returns it."""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple, TypeAlias

from starlette import responses

Header: TypeAlias = tuple[bytes, bytes]

SECURITY_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
}
"""Headers of every answer, unless a route has set its own."""


class Response(responses.Response):
    """A response of Starlette that leaves the making of headers to a cache, for most answers have the same.

    Attributes:
        body: The bytes of the body.
        fixed: All headers but those that differ from request to request.

    Raises:
        ValueError: A header is not one line.
    """

    body: bytes

    def __init__(
        self,
        content: bytes | str = b"",
        status_code: int = 200,
        headers: Mapping[str, str] | None = None,
        media_type: str | None = None,
    ) -> None:
        self.body = content.encode() if isinstance(content, str) else content
        self.status_code = status_code
        self.fixed = _fixed(media_type, tuple(headers.items()) if headers else ())


class Fixed(NamedTuple):
    """Headers of an answer, and the lines that they are."""

    headers: tuple[Header, ...]
    lines: bytes

    @classmethod
    def of(cls, headers: Mapping[bytes, bytes]) -> "Fixed":
        """Write headers out.

        Raises:
            ValueError: A header is not one line.
        """
        lines = [b"%b: %b\r\n" % header for header in headers.items()]
        if any(line.splitlines() != [line[:-2]] for line in lines):
            raise ValueError("a header must be one line")
        return cls(tuple(headers.items()), b"".join(lines))

    def and_further(self, headers: tuple[Header, ...]) -> "Fixed":
        """Add headers, which replace those of the same name."""
        return Fixed.of(dict(self.headers + headers))


@lru_cache(maxsize=128)
def _fixed(media_type: str | None, headers: tuple[tuple[str, str], ...]) -> Fixed:
    own = {name.encode("latin-1"): value.encode("latin-1") for name, value in headers}
    if media_type:
        charset = "; charset=utf-8" if media_type.startswith("text/") and "charset=" not in media_type else ""
        own[b"content-type"] = f"{media_type}{charset}".encode("latin-1")
    return Fixed.of(SECURITY_HEADERS | own)
