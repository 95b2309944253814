"""A server of uvicorn with our protocol, ready to run."""

import asyncio
import gc
import sys
from collections.abc import Callable
from functools import partial

import uvicorn

from app.api.application import Application
from app.machine import share_heaps
from app.server.cycle import Beginnings
from app.server.protocol import BoundedProtocol
from app.server.room import Room
from app.settings import Settings

SWITCH_SECONDS = 0.000_5
"""The interval after which a waiting thread takes the interpreter from another, a tenth of Python's default: now and
then a small request waits that long for a thread that scores."""

NEVER = 2**30
"""The number of looks at young objects after which Python looks at all: with large bodies that takes half a second."""

KEEP_ALIVE_SECONDS = 75
"""The time for which an idle connection stays open. It is longer than that of clients and proxies (httpx 5 seconds,
load balancers 60): a server that closes first may do so on a request that is already under way."""


def tune() -> None:
    """Tune the interpreter for a server, after all imports."""
    share_heaps()
    # What is imported by now stays: the collector need not look at it while a body is read.
    gc.collect()
    gc.freeze()
    gc.set_threshold(
        *gc.get_threshold()[:2], NEVER
    )  # the beat of the event loop looks at old objects, in a calm moment
    sys.setswitchinterval(SWITCH_SECONDS)


def configuration(app: Application, settings: Settings, host: str, port: int) -> uvicorn.Config:
    """The configuration of uvicorn."""
    room = Room(settings)
    protocol: Callable[..., asyncio.Protocol] = partial(
        BoundedProtocol, app.capacity, settings, app.telemetry, room, Beginnings(app.serve)
    )
    return uvicorn.Config(
        app,
        host,
        port,
        http=protocol,  # type: ignore[arg-type] # uvicorn's type asks for a class, but it only calls it
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.drain_timeout_seconds,
    )
