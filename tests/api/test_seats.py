"""Seats go round among the threads that read bodies."""

import asyncio
from itertools import groupby

import pytest

from app.api.intake import pipe as module
from app.api.intake.pipe import Pipe
from app.api.seats import Seats

pytestmark = pytest.mark.anyio
N_PIECES = 5


def wait_for_others(seats: Seats, n: int) -> None:
    while seats.n_waiting < n:
        pass


async def test_threads_take_turns_piece_by_piece() -> None:
    """Three threads with one seat, and all their bytes at hand, read one piece each, again and again."""
    seats, order = Seats(1), list[str]()
    pipes = {name: Pipe([name.encode()] * N_PIECES, seats) for name in "abc"}

    def read(name: str) -> None:
        while pipes[name].read(1):
            order.append(name)
        pipes[name].leave()

    for pipe in pipes.values():
        pipe.end()
    seats.take()
    reading = [asyncio.create_task(asyncio.to_thread(read, name)) for name in pipes]
    await asyncio.to_thread(wait_for_others, seats, 3)
    seats.leave()
    await asyncio.gather(*reading)
    assert sorted(order) == sorted("abc" * N_PIECES)
    assert all(len(list(run)) == 1 for _, run in groupby(order))


async def test_a_thread_that_waits_for_bytes_has_no_seat() -> None:
    seats = Seats(1)
    idle, busy = Pipe([b"a"], seats), Pipe([b"b"], seats)
    assert idle.read(1) == b"a"
    waiting = asyncio.create_task(asyncio.to_thread(idle.read, 1))
    assert await asyncio.to_thread(busy.read, 1) == b"b"
    busy.leave()
    idle.end()
    assert await waiting == b""


@pytest.mark.parametrize(("seconds", "lets_sit"), [(0.0, True), (1000.0, False)])
async def test_long_work_after_the_last_bytes_lets_others_sit(
    seconds: float, lets_sit: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SITTING_SECONDS", seconds)
    seats = Seats(1)
    pipe, other = Pipe([], seats), Pipe([b"b"], seats)
    pipe.end()
    assert pipe.read(1) == b""
    sitting = asyncio.create_task(asyncio.to_thread(read_and_leave, other))
    await asyncio.to_thread(wait_for_others, seats, 1)
    await asyncio.to_thread(pipe.checkpoint)  # of a thread that helps, which never waits for a seat
    assert seats.n_waiting == 1
    pipe.checkpoint()
    assert seats.n_waiting == (0 if lets_sit else 1)
    pipe.leave()
    await sitting


def read_and_leave(pipe: Pipe) -> None:
    assert pipe.read(1) == b"b"
    pipe.leave()
