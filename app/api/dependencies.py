"""What routes are handed: the application's resources, and a body that is safe to read."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from fastapi import Depends, Request
from starlette.exceptions import HTTPException

from app.api.load import Load
from app.api.media import accepts_json, is_json
from app.api.telemetry import Exchange, Telemetry
from app.errors import TooLarge, UnsupportedMediaType
from app.settings import Settings


@dataclass(frozen=True, slots=True)
class Resources:
    """What one application owns; opened in its lifespan."""

    settings: Settings
    load: Load
    telemetry: Telemetry


# These do nothing to await, but FastAPI sends dependencies that are plain functions through a thread.
async def _resources(request: Request) -> Resources:
    resources: Resources = request.app.state.resources
    return resources


async def _exchange(request: Request) -> Exchange:
    exchange: Exchange = request.state.exchange
    return exchange


OwnResources: TypeAlias = Annotated[Resources, Depends(_resources)]
CurrentExchange: TypeAlias = Annotated[Exchange, Depends(_exchange)]


async def _json_body(request: Request, resources: OwnResources) -> AsyncIterator[bytearray]:
    if not accepts_json(",".join(request.headers.getlist("accept")) or "*/*"):
        raise HTTPException(406, "the header Accept must not exclude application/json")
    if not is_json(request.headers):
        raise UnsupportedMediaType("Content-Type must be application/json in UTF-8, not compressed")
    with resources.load.hold() as take:
        yield await _read(request, resources.settings, take)


JsonBody: TypeAlias = Annotated[bytearray, Depends(_json_body)]


async def _read(request: Request, settings: Settings, take: Callable[[int], None]) -> bytearray:
    declared = request.headers.get("content-length", "")
    _check_size(int(declared) if declared.isdecimal() else 0, settings.max_body_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(settings.body_timeout_seconds):
            async for chunk in request.stream():
                take(len(chunk))
                body += chunk
                _check_size(len(body), settings.max_body_bytes)
    except TimeoutError as error:
        detail = f"the body must arrive within {settings.body_timeout_seconds:g} seconds"
        raise HTTPException(408, detail) from error
    return body


def _check_size(n_bytes: int, max_body_bytes: int) -> None:
    if n_bytes > max_body_bytes:
        raise TooLarge(f"the body must hold at most {max_body_bytes} bytes")
