import asyncio
from collections.abc import AsyncIterator
from threading import Event

import pytest

from app.api.load import Load
from app.errors import Unavailable
from app.settings import Settings
from tests.api.clients import client_of

pytestmark = pytest.mark.anyio

SCORE = "/v1/score/binary"


async def test_what_finds_no_place_in_the_queue_is_refused() -> None:
    go = Event()
    with Load(Settings(max_threads=1, max_waiting=1)) as load:
        works = [asyncio.create_task(load.whole.run(go.wait, 60.0)) for _ in range(2)]
        await asyncio.sleep(0)
        assert not load.has_room
        with pytest.raises(Unavailable, match="queue is full"):
            await load.whole.run(go.wait, 60.0)
        go.set()
        assert await asyncio.gather(*works) == [True, True]
        assert load.has_room


async def test_a_failed_work_leaves_its_place() -> None:
    with Load(Settings(max_threads=1, max_waiting=0)) as load:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await load.whole.run(divmod, 1, 0)


def test_bytes_are_given_back() -> None:
    load = Load(Settings(max_body_bytes=10, max_buffered_bytes=10))
    with load.hold() as take:
        take(6)
        take(4)
        assert not load.has_room
        with load.hold() as take_more, pytest.raises(Unavailable, match="no room for more"):
            take_more(1)
    assert load.has_room


async def test_a_full_service_says_so_and_when_to_come_again() -> None:
    settings = Settings(max_body_bytes=1000, max_buffered_bytes=1000)
    release = asyncio.Event()
    begun = asyncio.Event()

    async def slow_body() -> AsyncIterator[bytes]:
        yield b" " * 1000
        begun.set()
        await release.wait()
        yield b""

    async with client_of(settings) as client:
        slow = asyncio.create_task(client.post(SCORE, content=slow_body()))
        await begun.wait()
        for response in (await client.post(SCORE, json={"labels": []}), await client.get("/readyz")):
            assert response.status_code == 503
            assert response.headers["retry-after"] == "1"
            assert response.json()["code"] == "unavailable"
        assert (await client.get("/healthz")).status_code == 200
        release.set()
        assert (await slow).status_code == 400
        assert (await client.get("/readyz")).status_code == 200
