import asyncio
from threading import Event

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from app.api.capacity import Capacity
from app.api.exchange import Exchange
from app.api.intake.while_connected import while_connected
from app.core.checkpoints import Check
from app.settings import Settings
from tests.api.clients import exchange_with

pytestmark = pytest.mark.anyio


class Client:
    """A client that sends the rest of a body, leaves when told to, and says if somebody watches it."""

    def __init__(self) -> None:
        self.leaves = asyncio.Event()
        self.is_watched = False
        self._rest = [{"type": "http.request", "body": b"", "more_body": False}]

    @property
    def exchange(self) -> Exchange:
        return exchange_with(receive=self._receive)

    async def _receive(self) -> Message:
        if self._rest:
            return self._rest.pop()
        self.is_watched = True
        try:
            await self.leaves.wait()
        finally:
            self.is_watched = False
        return {"type": "http.disconnect"}


async def test_who_stays_gets_the_answer() -> None:
    client = Client()
    with Capacity(Settings()) as capacity:
        assert await while_connected(client.exchange, capacity.whole, lambda _, n: n + 1, 1) == 2
    await asyncio.sleep(0)
    assert not client.is_watched


async def test_work_for_who_has_left_ends_at_its_next_check() -> None:
    client, begun = Client(), Event()

    def work(check: Check) -> None:
        begun.set()
        while True:
            check()

    with Capacity(Settings(max_threads=1, max_waiting=0)) as capacity:
        working = asyncio.create_task(while_connected(client.exchange, capacity.whole, work))
        await asyncio.to_thread(begun.wait, 60.0)
        client.leaves.set()
        async with asyncio.timeout(60):
            with pytest.raises(ClientDisconnect):
                await working
        await asyncio.sleep(0)
        assert capacity.whole.has_room


async def test_what_waits_for_a_thread_is_not_begun_for_who_has_left() -> None:
    client, go, done = Client(), Event(), list[int]()
    with Capacity(Settings(max_threads=1)) as capacity:
        first = asyncio.create_task(capacity.whole.run(0, go.wait, 60.0))
        second = asyncio.create_task(while_connected(client.exchange, capacity.whole, lambda _: done.append(1)))
        await asyncio.sleep(0)
        client.leaves.set()
        await asyncio.sleep(0)
        go.set()
        assert await first
        with pytest.raises(ClientDisconnect):
            await second
    assert done == []


async def test_a_cancelled_request_ends_its_work() -> None:
    client, begun, ended = Client(), Event(), Event()

    def work(check: Check) -> None:
        begun.set()
        try:
            while True:
                check()
        finally:
            ended.set()

    with Capacity(Settings()) as capacity:
        working = asyncio.create_task(while_connected(client.exchange, capacity.whole, work))
        await asyncio.to_thread(begun.wait, 60.0)
        working.cancel()
        await asyncio.wait([working])
        assert await asyncio.to_thread(ended.wait, 60.0)
