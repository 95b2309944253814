from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import structlog
from structlog.typing import EventDict

from app.settings import Settings
from tests.api.clients import client_of


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def client(anyio_backend: str) -> AsyncIterator[httpx.AsyncClient]:  # noqa: ARG001
    async with client_of(Settings()) as client:
        yield client


@pytest.fixture
def log_lines() -> Iterator[list[EventDict]]:
    with structlog.testing.capture_logs() as lines:
        yield lines
