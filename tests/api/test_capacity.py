import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from threading import Event

import httpx
import pytest

from app.api import capacity as module
from app.api.capacity import LEAST_BYTES, Budget, Capacity, FileLease, Pool, account_bytes
from app.errors import Unavailable
from app.main import create_app
from app.settings import Settings
from tests.documents import ROOT

pytestmark = pytest.mark.anyio

SCORE = "/v1/score/binary"


async def test_what_finds_no_place_in_the_queue_is_refused() -> None:
    go = Event()
    with Capacity(Settings(max_threads=1, max_waiting=1)) as capacity:
        works = [asyncio.create_task(capacity.whole.run(0, go.wait, 60.0)) for _ in range(2)]
        await asyncio.sleep(0)
        assert not capacity.has_room
        with pytest.raises(Unavailable, match="queue is full"):
            await capacity.whole.run(0, go.wait, 60.0)
        go.set()
        assert await asyncio.gather(*works) == [True, True]
        assert capacity.has_room


async def test_fewer_may_wait_where_work_is_long_and_once_one_was_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CROWDED_SECONDS", 60.0)
    go = Event()

    def has_room(seconds: float, crowded_seconds: float) -> bool:
        monkeypatch.setattr(module, "LONG_WAIT_SECONDS", seconds)
        monkeypatch.setattr(module, "CROWDED_WAIT_SECONDS", crowded_seconds)
        return capacity.has_room

    with Capacity(Settings(max_threads=1)) as capacity:
        assert await capacity.whole.run(0, divmod, 7, 2) == (3, 1)
        works = [asyncio.create_task(capacity.whole.run(0, go.wait, 60.0)) for _ in range(1 + module.ROUNDS)]
        await asyncio.sleep(0)
        assert has_room(60.0, 0.0)
        assert not has_room(0.0, 60.0)
        with pytest.raises(Unavailable, match="queue is full"):
            await capacity.whole.run(0, go.wait, 60.0)
        assert not has_room(60.0, 0.0)
        assert has_room(0.0, 60.0)
        go.set()
        assert all(await asyncio.gather(*works))


async def test_small_bodies_may_wait_after_a_large_one_took_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONG_WAIT_SECONDS", 0.01)
    begun, go = Event(), Event()

    def work() -> bool:
        begun.set()
        return go.wait(60.0)

    with Capacity(Settings(max_threads=1)) as capacity:
        large = asyncio.create_task(capacity.whole.run(10**12, work))
        await asyncio.to_thread(begun.wait, 60.0)
        await asyncio.to_thread(go.wait, 0.02)
        go.set()
        assert await large
        go.clear()
        works = [asyncio.create_task(capacity.whole.run(100, go.wait, 60.0)) for _ in range(100)]
        await asyncio.sleep(0)
        assert capacity.has_room
        go.set()
        assert all(await asyncio.gather(*works))


async def test_what_loads_libraries_at_the_start_is_no_work_to_wait_for() -> None:
    app = create_app(Settings(max_threads=1))
    async with app.router.lifespan_context(app):
        await asyncio.sleep(0)
        assert not app.capacity.whole.n_busy


async def test_a_failed_work_leaves_its_place() -> None:
    with Capacity(Settings(max_threads=1, max_waiting=0)) as capacity:
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await capacity.whole.run(0, divmod, 1, 0)


async def test_who_waits_too_long_is_told_to_come_again() -> None:
    go = Event()
    with Capacity(Settings(max_threads=1, queue_timeout_seconds=0.01)) as capacity:
        work = asyncio.create_task(capacity.whole.run(0, go.wait, 60.0))
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match=r"within 0\.01 seconds"):
            await capacity.whole.run(0, go.wait, 60.0)
        go.set()
        assert await work
        assert await capacity.whole.run(0, divmod, 7, 2) == (3, 1)


async def test_those_who_wait_are_served_in_their_order() -> None:
    go, order = Event(), list[int]()
    with Capacity(Settings(max_threads=1)) as capacity:
        first = asyncio.create_task(capacity.whole.run(0, go.wait, 60.0))
        works = [asyncio.create_task(capacity.whole.run(0, order.append, i)) for i in range(9)]
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(first, *works)
    assert order == list(range(9))


async def test_a_thread_that_nobody_waits_for_counts_until_it_ends() -> None:
    begun, go = Event(), Event()

    def work() -> None:
        begun.set()
        go.wait(60.0)

    with Capacity(Settings(max_threads=1, max_waiting=0)) as capacity:
        left = asyncio.create_task(capacity.whole.run(0, work))
        await asyncio.to_thread(begun.wait, 60.0)
        left.cancel()
        await asyncio.wait([left])
        assert not capacity.whole.has_room
        go.set()
        await asyncio.to_thread(capacity.whole.threads.submit(int).result)  # the only thread has come to it
        await asyncio.sleep(0)
        assert capacity.whole.has_room


def test_bytes_in_files_are_given_back() -> None:
    budget = Budget(10)
    with FileLease(budget) as lease:
        lease.take(6)
        lease.take(4)
        assert not budget.has_room
        with FileLease(budget) as more, pytest.raises(Unavailable, match="in files leave no room for more"):
            more.take(1)
    assert budget.has_room


@pytest.mark.parametrize("name", ["whole", "arriving"])
async def test_one_full_lane_is_no_room(name: str) -> None:
    go = Event()
    with Capacity(Settings(max_threads=1, max_streams=1, max_waiting=0)) as capacity:
        pool: Pool = getattr(capacity, name)
        work = asyncio.create_task(pool.run(0, go.wait, 60.0))
        await asyncio.sleep(0)
        found = [capacity.has_room]
        go.set()
        await work
        found.append(capacity.has_room)
    assert found == [False, True]


async def test_a_full_service_says_so_and_when_to_come_again() -> None:
    app = create_app(Settings())
    app.capacity.small.size = app.capacity.memory.size = 2**20 + 1000
    transport = httpx.ASGITransport(app)
    release, begun = asyncio.Event(), asyncio.Event()

    async def slow_body() -> AsyncIterator[bytes]:
        yield b" " * 500_000
        begun.set()
        await release.wait()
        yield b""

    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://surprisal") as client,
    ):
        slow = asyncio.create_task(client.post(SCORE, content=slow_body()))
        await begun.wait()
        refused = await client.post(SCORE, content=b" " * 500_000)
        for response in (refused, await client.get("/readyz")):
            assert response.status_code == 503
            assert response.headers["retry-after"] in {"1", "2"}
            assert response.json()["code"] == "unavailable"
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.post(SCORE, json={"labels": [1], "probabilities": [0.5]})).status_code == 200
        release.set()
        assert (await slow).status_code == 413  # it is here now, and would not fit with what is read of it
        assert (await client.get("/readyz")).status_code == 200


async def test_light_requests_pass_by_heavy_ones() -> None:
    app = create_app(Settings(max_threads=1, max_waiting=1))
    transport, go = httpx.ASGITransport(app), Event()
    body = {"labels": [1, 0], "probabilities": [0.5, 0.25]}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://surprisal") as client,
    ):
        heavy = [asyncio.create_task(app.capacity.whole.run(0, go.wait, 60.0)) for _ in range(2)]
        await asyncio.sleep(0)
        light = await client.post(SCORE, json=body | {"include": ["per_sample"]})
        refused = await client.post(SCORE, json=body | {"bootstrap": {"n_resamples": 100}})
        go.set()
        await asyncio.gather(*heavy)
    assert (light.status_code, refused.status_code) == (200, 503)


KEPT = """
from app.api import capacity as module
from app.api.capacity import Capacity
from app.machine import resident_bytes
from app.settings import Settings

module.KEPT_BYTES = 2**25
modest = Capacity(Settings(memory_bytes=2**40))
module.KEPT_BYTES = 2**28
ample = Capacity(Settings(memory_bytes=2**40))
others = modest.lease(0, "")
others.hold("body", 2**26)
pieces = [bytes(2**16) for _ in range(2**10)]
full = resident_bytes()
del pieces[:-1]  # the last one stands in the way of the allocator, which would return what is above it
ample.settle(0)
assert resident_bytes() > full - 2**25
modest.settle(0)
assert resident_bytes() > full - 2**25, "as far as the account tells, others hold it"
others.free()
modest.settle(0)
assert resident_bytes() < full - 2**25
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell what a process holds")
def test_free_memory_is_kept_for_the_next_request_up_to_a_bound() -> None:
    """A process of its own has no free memory of other tests."""
    subprocess.run([sys.executable, "-c", KEPT], cwd=ROOT, check=True)


def test_the_account_is_what_the_process_leaves_of_its_memory() -> None:
    assert account_bytes(2**40) < 2**40 - 2**37
    assert account_bytes(1) == LEAST_BYTES
    assert account_bytes(0) > LEAST_BYTES
