"""The pages of other sites that may call the service: CORS, closed unless origins are named."""

from app.api.exchange import Exchange
from app.api.response import Header

METHODS = "GET, HEAD, POST, DELETE"
HEADERS = "Authorization, X-API-Key, Content-Type, Content-Encoding, Accept, X-Request-ID, Idempotency-Key"
EXPOSED = "X-Request-ID, Retry-After, Location, WWW-Authenticate"
MAX_AGE_SECONDS = 600
"""The time for which a browser need not ask again; the shortest bound of a common browser."""


def headers_for(exchange: Exchange, origins: frozenset[str]) -> tuple[Header, ...]:
    """The headers by which a browser lets a page read the answer; none for a page whose origin is not named.

    Keys are headers that the page itself sets. So cookies are never asked for, and any origin may be allowed.
    """
    if "*" in origins:
        return ((b"access-control-allow-origin", b"*"), (b"access-control-expose-headers", EXPOSED.encode()))
    varying = ((b"vary", b"Origin"),)
    origin = exchange.header("origin")
    if origin not in origins:
        return varying
    allowed = (b"access-control-allow-origin", origin.encode())
    return (*varying, allowed, (b"access-control-expose-headers", EXPOSED.encode()))


def is_preflight(exchange: Exchange) -> bool:
    """Tell if a browser asks, before the request itself, whether a page may send it."""
    head = exchange.head
    return exchange.method == "OPTIONS" and b"origin" in head and b"access-control-request-method" in head


def preflight_headers() -> dict[str, str]:
    """The answer to that question, beside the headers of every answer."""
    return {
        "access-control-allow-methods": METHODS,
        "access-control-allow-headers": HEADERS,
        "access-control-max-age": str(MAX_AGE_SECONDS),
    }
