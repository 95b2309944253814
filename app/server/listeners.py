"""The sockets on which all workers listen."""

import socket
from typing import Any

BACKLOG = 2048
"""The most clients that wait in the system for a worker; the number is uvicorn's."""


def listeners_on(host: str, port: int) -> list[socket.socket]:
    """Listen on every address of a host, as asyncio does.

    Raises:
        OSError: The host is not known, or an address of it cannot be had.
    """
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return [_listener(*pair) for pair in dict.fromkeys((entry[0], entry[4]) for entry in found)]


def address_of(listener: socket.socket) -> str:
    """The URL of a listener."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if listener.family == socket.AF_INET6 else f"http://{host}:{port}"


def _listener(family: int, address: tuple[Any, ...]) -> socket.socket:
    # The number of the protocol is given, for without it asyncio's own loop leaves Nagle's algorithm on, which delays
    # small answers.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    try:
        listener.bind(address)
    except OSError:
        listener.close()
        raise
    listener.listen(BACKLOG)
    listener.setblocking(False)
    return listener
