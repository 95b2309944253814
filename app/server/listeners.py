"""The sockets on which all workers listen."""

import ctypes
import socket
import struct
import sys
from contextlib import suppress
from typing import Any

BACKLOG = 2048
"""The most clients that wait in the system for a worker; the number is uvicorn's."""
DROP_NEW_CLIENTS = (
    (0x30, 0, 0, 13),  # load the byte of TCP's flags
    (0x54, 0, 0, 0x12),  # keep SYN and ACK
    (0x15, 0, 1, 0x02),  # is it SYN alone?
    (0x06, 0, 0, 0),  # then drop the packet
    (0x06, 0, 0, 0xFFFFFFFF),  # else take all of it
)
"""A program of the kernel's packet filter (BPF): code, jump if true, jump if false, and operand of each step."""
SO_ATTACH_FILTER = 26  # of Linux; Python does not name it


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


def turn_away(listener: socket.socket) -> None:
    """Let the kernel drop who would connect from now on; those that have connected can still be taken.

    A client that connects between the last `accept` and the end of a listener would be reset. One whose first packet is
    dropped sends it again a second later, and is told then that nobody listens. Where there is no such filter,
    the listener stays as it is.
    """
    if sys.platform != "linux":
        return
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in DROP_NEW_CLIENTS))
    with suppress(OSError):
        pointer = struct.pack("HP", len(DROP_NEW_CLIENTS), ctypes.addressof(program))
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, pointer)
