import io
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import redirect_stdout

import httpx
import orjson
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


class Lines(io.BytesIO):
    """A standard output that keeps lines of the log as structlog's `capture_logs` does."""

    def __init__(self, lines: list[EventDict]) -> None:
        super().__init__()
        self._lines = lines

    def write(self, written: bytes, /) -> int:  # type: ignore[override]
        for line in map(orjson.loads, written.splitlines()):
            assert line.pop("timestamp").endswith("Z")
            self._lines.append({"log_level": line.pop("level"), **line})
        return len(written)


@pytest.fixture
def log_lines() -> Iterator[list[EventDict]]:
    with structlog.testing.capture_logs() as lines:
        yield lines


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Redirect standard output here, for pytest redirects it to itself between a fixture and its test."""
    lines = pyfuncitem.funcargs.get("log_lines")
    if not isinstance(lines, list):
        return (yield)
    with redirect_stdout(io.TextIOWrapper(Lines(lines))):
        return (yield)
