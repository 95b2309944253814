"""Bodies of requests: read whole into memory, or handed to a thread while they arrive."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from fastapi import Request
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.api.load import Load
from app.api.pipe import Pipe
from app.api.telemetry import Telemetry
from app.errors import TooLarge
from app.settings import Settings

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Resources:
    """What one application owns; opened in its lifespan."""

    settings: Settings
    load: Load
    telemetry: Telemetry


def resources_of(request: Request) -> Resources:
    """The resources of the application that answers a request."""
    resources: Resources = request.app.state.resources
    return resources


@asynccontextmanager
async def whole_body(request: Request) -> AsyncIterator[bytearray]:
    """The body in memory, which the budget for bodies pays for as long as it is used.

    Raises:
        TooLarge: It holds more than `max_body_bytes`.
        Unavailable: The budget is spent.
        HTTPException: 408, it came too slowly.
    """
    resources = resources_of(request)
    with resources.load.hold() as take:
        yield await _read(request, resources.settings, take)


async def _read(request: Request, settings: Settings, take: Callable[[int], None]) -> bytearray:
    check_declared(request, settings.max_body_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(settings.body_timeout_seconds):
            async for chunk in request.stream():
                take(len(chunk))
                body += chunk
                _check_size(len(body), settings.max_body_bytes)
    except TimeoutError as error:
        raise _too_slow("arrive", settings) from error
    return body


async def while_arriving(request: Request, work: Callable[[Pipe], Result]) -> Result:
    """What a thread makes of a body that it reads while it arrives.

    The thread gets what ends the body before its time as an error: the client leaves, pauses too long, or the server
    ends. The body is read no further than the thread needs it.
    """
    resources, pipe = resources_of(request), Pipe()
    feeding = asyncio.create_task(_feed(request, pipe, resources.settings))
    try:
        return await resources.load.arriving.run(work, pipe)
    finally:
        pipe.end(ClientDisconnect)
        feeding.cancel()
        await asyncio.wait([feeding])


async def _feed(request: Request, pipe: Pipe, settings: Settings) -> None:
    pieces = aiter(request.stream())
    try:
        while True:
            async with asyncio.timeout(settings.body_timeout_seconds):
                piece = await anext(pieces, None)
            if piece is None:
                return pipe.end()
            if piece:
                await pipe.write(piece)
    except TimeoutError:
        pipe.end(partial(_too_slow, "go on arriving", settings))
    except ClientDisconnect:
        pipe.end(ClientDisconnect)


def _too_slow(verb: str, settings: Settings) -> HTTPException:
    return HTTPException(408, f"the body must {verb} within {settings.body_timeout_seconds:g} seconds")


def check_declared(request: Request, max_bytes: int) -> None:
    """Refuse a body whose declared length is too large before any of it is read."""
    declared = request.headers.get("content-length", "")
    _check_size(int(declared) if declared.isdecimal() else 0, max_bytes)


def _check_size(n_bytes: int, max_bytes: int) -> None:
    if n_bytes > max_bytes:
        raise TooLarge(f"the body must hold at most {max_bytes} bytes")
