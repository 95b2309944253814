import asyncio
from threading import Event

import pytest

from app.api.intake.pipe import MAX_WAITING_BYTES, Pipe
from app.api.seats import Seats

pytestmark = pytest.mark.anyio


async def test_bytes_come_out_in_order_and_in_the_size_asked_for() -> None:
    pipe = Pipe([b"a", b"bc"], Seats(1))
    assert [pipe.read(2), pipe.read(1)] == [b"a", b"b"]
    for piece in (b"defgh", b"i"):
        await pipe.write(piece)
    pipe.end()
    assert [pipe.read(9), pipe.read(3), pipe.read(9), pipe.read(9), pipe.read(9)] == [
        b"c",
        b"def",
        b"gh",
        b"i",
        b"",
    ]


async def test_a_reader_waits_for_bytes() -> None:
    pipe = Pipe([b"start"], Seats(1))
    assert pipe.read(10) == b"start"
    reading = asyncio.create_task(asyncio.to_thread(pipe.read, 10))
    await asyncio.sleep(0)
    assert not reading.done()
    await pipe.write(b"late")
    assert await reading == b"late"


async def test_a_writer_waits_until_enough_is_read() -> None:
    pipe = Pipe([b"start"], Seats(1))
    pipe.read(10)
    piece = b"x" * (MAX_WAITING_BYTES // 2)
    for _ in range(3):
        await pipe.write(piece)
    third = asyncio.create_task(pipe.write(b"one too many"))
    done, _ = await asyncio.wait([third], timeout=0.05)
    assert not done
    for _ in range(3):
        assert await asyncio.to_thread(pipe.read, len(piece)) == piece
    await asyncio.wait_for(third, 5)


async def test_what_waits_for_a_thread_does_not_grow() -> None:
    pipe = Pipe([b"start"], Seats(1))
    second = asyncio.create_task(pipe.write(b"second"))
    done, _ = await asyncio.wait([second], timeout=0.05)
    assert not done
    assert pipe.read(10) == b"start"
    await asyncio.wait_for(second, 5)
    assert pipe.read(10) == b"second"


@pytest.mark.parametrize("is_whole", [True, False])
async def test_an_error_takes_the_place_of_what_is_left(is_whole: bool) -> None:
    pipe = Pipe([b"never seen"], Seats(1))
    pipe.check()
    if is_whole:
        pipe.end()
    pipe.end(lambda: TimeoutError("too slow"))
    pipe.end(lambda: ConnectionError("gone"))  # the first error counts
    for use in (pipe.check, lambda: pipe.read(10)):
        with pytest.raises(TimeoutError, match="too slow"):
            use()


async def test_an_error_wakes_a_reader_that_waits() -> None:
    pipe, begun = Pipe([], Seats(1)), Event()

    def read() -> bytes:
        begun.set()
        return pipe.read(10)

    reading = asyncio.create_task(asyncio.to_thread(read))
    await asyncio.to_thread(begun.wait)
    pipe.end(lambda: ConnectionError("gone"))
    with pytest.raises(ConnectionError, match="gone"):
        await reading
