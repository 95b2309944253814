"""The beat looks for garbage in calm moments, and while large bodies are in work only once in a long time."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator
from threading import Event

import pytest

from app.api import pulse
from app.api.capacity import Capacity
from app.api.pulse import Pulse
from app.api.telemetry import Telemetry
from app.jobs.work import Work
from app.settings import Settings

pytestmark = pytest.mark.anyio


class Cycle:
    """An object that only the garbage collector ends."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(params=[-(2**40)])
async def capacity(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Capacity]:
    """A capacity whose beat goes with each turn of the event loop, and alone looks for garbage."""
    monkeypatch.setattr(pulse, "BEAT_SECONDS", 0.0)
    monkeypatch.setattr(pulse, "BEATS_A_SHOW", 1)
    monkeypatch.setattr(pulse, "MANY_YOUNG", -1)
    monkeypatch.setattr(pulse, "FEW_BLOCKS", request.param)
    gc.disable()
    with Capacity(Settings()) as capacity:
        beat = Pulse(Telemetry("error"), capacity, Work())
        beat.begin()
        yield capacity
        beat.end()
    gc.enable()


async def is_found(n_turns: int) -> bool:
    """Tell if garbage is found within some turns of the event loop."""
    ends = weakref.ref(Cycle())
    for _ in range(n_turns):
        await asyncio.sleep(0)
    return ends() is None


@pytest.mark.usefixtures("capacity")
async def test_garbage_is_found_in_a_calm_moment() -> None:
    assert await is_found(20)


async def test_garbage_waits_while_a_large_body_is_in_work(capacity: Capacity, monkeypatch: pytest.MonkeyPatch) -> None:
    go = Event()
    work = asyncio.create_task(capacity.arriving.run(0, go.wait, 60.0))
    await asyncio.sleep(0)
    assert not await is_found(20)
    monkeypatch.setattr(pulse, "LONG_BUSY_SECONDS", 0)
    assert await is_found(20)
    go.set()
    assert await work


@pytest.mark.parametrize("capacity", [2**40], indirect=True)
async def test_garbage_among_few_objects_is_found_at_once(capacity: Capacity) -> None:
    go = Event()
    work = asyncio.create_task(capacity.arriving.run(0, go.wait, 60.0))
    await asyncio.sleep(0)
    assert await is_found(20)
    go.set()
    assert await work
