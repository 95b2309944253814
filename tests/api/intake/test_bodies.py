"""Bodies that wait: for room, for a thread, or for their own end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import pytest

from app.api.capacity import Capacity
from app.api.intake import bodies, spool
from app.api.intake.bodies import FILE_BYTES, START_BYTES
from app.main import create_app
from app.settings import Settings
from tests.api.clients import client_of
from tests.encoded import compressed, encoded

pytestmark = pytest.mark.anyio

ROWS = "/v1/score/binary/rows"
NPZ = {"content-type": "application/x-npz"}
NDJSON = {"content-type": "application/x-ndjson"}
ROW = b'{"labels": 1, "probabilities": 0.25}\n'
MANY: dict[str, list[Any]] = {"labels": [1, 0] * 600, "probabilities": [i * 7919 % 1201 / 1201 for i in range(1200)]}


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    """Large ones with small ones between them, so that order shows."""
    for start in range(0, len(body), 1_000):
        yield body[start : start + 900]
        yield body[start + 900 : start + 1_000]


@pytest.mark.parametrize("at_once", [1, 2_000, FILE_BYTES])
@pytest.mark.parametrize("encoding", ["", "gzip"])
@pytest.mark.parametrize("format_", ["npz", "parquet"])
async def test_what_is_too_large_for_memory_is_read_from_a_file(
    format_: str, encoding: str, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "FILE_BYTES", at_once)
    body = compressed(encoding, encoded(format_, MANY))
    headers = {"content-type": {"npz": NPZ["content-type"], "parquet": "application/vnd.apache.parquet"}[format_]}
    headers |= {"content-encoding": encoding} if encoding else {}
    async with client_of(Settings()) as client:
        monkeypatch.setattr(spool, "IN_MEMORY_BYTES", len(body) // 2)
        for _ in range(5):  # all that was taken of memory and files is given back
            response = await client.post(ROWS, content=in_pieces(body), headers=headers)
            assert response.json()["n_samples"] == 1200
        assert (await client.get("/readyz")).status_code == 200


async def test_files_have_a_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "IN_MEMORY_BYTES", 1_000)
    body = encoded("npz", MANY)
    half, begun, release = len(body) // 2, asyncio.Event(), asyncio.Event()

    async def slow_body() -> AsyncIterator[bytes]:
        yield body[:half]
        yield body[half:-1]
        begun.set()
        await release.wait()
        yield body[-1:]

    async with client_of(Settings(max_spooled_bytes=len(body), max_filed_bytes=len(body))) as client:
        slow = asyncio.create_task(client.post(ROWS, content=slow_body(), headers=NPZ))
        await begun.wait()
        refused = await client.post(ROWS, content=body, headers=NPZ)
        assert (refused.status_code, refused.headers["retry-after"] in {"1", "2"}) == (503, True)
        assert "in files" in refused.json()["detail"]
        release.set()
        assert (await slow).json()["n_samples"] == 1200
        assert (await client.post(ROWS, content=body, headers=NPZ)).status_code == 200


async def test_the_time_in_which_a_body_waits_for_its_thread_is_not_the_clients() -> None:
    settings = Settings(body_timeout_seconds=0.1, max_streams=1)
    app, go = create_app(settings), Event()
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://surprisal") as client,
    ):
        capacity: Capacity = app.capacity
        busy = asyncio.create_task(capacity.arriving.run(0, go.wait, 60.0))
        body = ROW * (3 * START_BYTES // len(ROW))
        stream = asyncio.create_task(client.post(ROWS, content=body, headers=NDJSON))
        done, _ = await asyncio.wait([stream], timeout=0.3)
        assert not done
        go.set()
        assert await busy
        assert (await stream).json()["n_samples"] == body.count(b"\n")


async def test_a_stream_may_be_no_longer_than_its_limit() -> None:
    async with client_of(Settings(max_streamed_bytes=2 * START_BYTES)) as client:
        body = ROW * (3 * START_BYTES // len(ROW))
        response = await client.post(ROWS, content=in_pieces(body), headers=NDJSON)
    assert (response.status_code, response.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize(("max_bytes", "status"), [(2 * START_BYTES, 413), (2**40, 500)])
async def test_an_error_while_a_body_arrives_ends_the_request(max_bytes: int, status: int) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        async for piece in in_pieces(ROW * (3 * START_BYTES // len(ROW))):
            yield piece
        if status == 500:
            raise ValueError("the connection failed in a way that nobody meant")

    async with client_of(Settings(max_streams=1, max_streamed_bytes=max_bytes)) as client:
        for _ in range(2):  # the one thread is free again
            sending = asyncio.create_task(client.post(ROWS, content=breaking(), headers=NDJSON))
            done, _ = await asyncio.wait([sending], timeout=20)
            assert done
            assert (await sending).status_code == status


class Held(ThreadPoolExecutor):
    """A thread that begins its work when it is told to."""

    def __init__(self) -> None:
        super().__init__(1)
        self.begun, self.go = Event(), Event()
        self.work: list[Future[Any]] = []

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        self.work.append(super().submit(self._when_told, partial(work, *arguments, **named)))
        return self.work[-1]

    def _when_told(self, work: Callable[[], object]) -> object:
        self.begun.set()
        self.go.wait(30)
        return work()


def files_without_a_name() -> set[str]:
    """Descriptors of this process whose file is in no folder, as that of a `Spool`."""
    links = Path("/proc/self/fd").iterdir()
    return {link.name for link in links if link.is_symlink() and link.readlink().name.endswith("(deleted)")}


async def test_a_file_is_not_closed_under_the_thread_that_writes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spool, "IN_MEMORY_BYTES", 0)
    others, thread = files_without_a_name(), Held()
    async with client_of(Settings()) as client:
        await asyncio.sleep(0)  # until the application has begun to import what it needs later
        asyncio.get_running_loop().set_default_executor(thread)
        sending = asyncio.create_task(client.post(ROWS, content=in_pieces(encoded("npz", MANY)), headers=NPZ))
        with ThreadPoolExecutor(1) as waiting:
            await asyncio.wrap_future(waiting.submit(thread.begun.wait, 30))
        sending.cancel()
        done, _ = await asyncio.wait([sending], timeout=0.1)
        assert not done
        thread.go.set()
        await asyncio.wait([sending])
    assert [work.exception() for work in thread.work] == [None, None]  # the write, and the end of jobs
    assert files_without_a_name() <= others
