"""Three ways to take in a body: whole into memory, whole into memory or a file, or to a thread while it arrives."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from copy import copy
from functools import partial
from typing import BinaryIO, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.api.capacity import FileLease
from app.api.exchange import Exchange
from app.api.intake.body import Body
from app.api.intake.deadline import within_deadline
from app.api.intake.pipe import MAX_WAITING_BYTES, Pipe
from app.api.intake.spool import Spool
from app.api.intake.while_connected import disconnected, while_connected
from app.api.memory import SMALL_BYTES, Lease
from app.core.checkpoints import Check
from app.errors import SurprisalError, TooLarge, Unavailable
from app.wire.limits import Limits
from app.wire.sources import Pieces, Source

Result = TypeVar("Result")

START_BYTES = 2**20
"""Bytes of an arriving body that must be here before it gets a thread, so that idle senders hold none."""
PIPE_BYTES = START_BYTES + MAX_WAITING_BYTES
"""Bytes that are paid for a body while it is scored on arrival."""

FILE_BYTES = 2**20
"""Bytes that are worth a thread, to write them to a file or to join them."""


async def whole_body(exchange: Exchange, advice: str) -> bytes | Body:
    """The body in memory; pieces are not joined yet: for a long body that takes milliseconds, which a thread has.

    Args:
        advice: The way out for the sender of a body that is too large.

    Raises:
        TooLarge: It holds more than `max_body_bytes`.
        Unavailable: There is no memory for it.
        HTTPException: 408, it came too slowly.
    """
    if (arrived := arrived_body(exchange, advice)) is not None:
        return arrived
    settings = exchange.settings
    _check_size(exchange.declared_bytes, settings.max_body_bytes, advice)
    body, more, memory = Body(length=exchange.declared_bytes), True, exchange.memory
    try:
        async with asyncio.timeout(settings.body_timeout_seconds):
            while more:
                piece, more = await exchange.next_piece()
                memory.take("arriving", len(piece))
                body.add(piece)
                _check_size(len(body), settings.max_body_bytes, advice)
    except TimeoutError as error:
        raise _too_slow(settings.body_timeout_seconds) from error
    memory.arrived()
    return body


def arrived_body(exchange: Exchange, advice: str) -> bytes | None:
    """The body, if it was whole when the request began; else None. It raises as `whole_body` does."""
    body = exchange.arrived
    if body is not None:
        exchange.taken(body)
        _check_size(len(body), exchange.settings.max_body_bytes, advice)
        if len(body) > SMALL_BYTES:  # a smaller one is there already, and mostly answered before anything else
            exchange.memory.take("body", len(body))
    return body


@asynccontextmanager
async def spooled(exchange: Exchange, limits: Limits) -> AsyncIterator[BinaryIO]:
    """The body as a file to move about in, held in memory while it is small; no thread waits for it.

    Raises:
        TooLarge: It holds more than its limits allow.
        Unavailable: There is no room for it in files.
        HTTPException: 408, it came too slowly.
    """
    _check_size(exchange.declared_bytes, limits.max_decoded_bytes, limits.advice)
    capacity, seconds = exchange.capacity, exchange.settings.spool_timeout_seconds
    memory = exchange.memory
    with FileLease(capacity.files) as files, Spool() as spool:
        try:
            async with asyncio.timeout(seconds), aclosing(_pieces(exchange, limits)) as pieces:
                await _store(pieces, spool, memory, files)
            memory.arrived()
        except TimeoutError as error:
            raise _too_slow(seconds) from error
        yield await asyncio.to_thread(spool.rewound) if spool.n_bytes > FILE_BYTES else spool.rewound()


async def _store(pieces: AsyncIterator[bytes], spool: Spool, memory: Lease, files: FileLease) -> None:
    late = bytearray()
    async for piece in pieces:
        if not late and spool.fits(piece) and _is_taken(memory, len(piece)):
            spool.write(piece)
            continue
        files.take(len(piece) + (spool.n_bytes if spool.is_in_memory and not late else 0))
        late += piece
        if len(late) >= FILE_BYTES:
            await _flush(late, spool, memory)
    if late:
        await _flush(late, spool, memory)


def _is_taken(memory: Lease, n_bytes: int) -> bool:
    """Take memory for a piece, unless there is none; then the body goes to a file."""
    try:
        memory.take("arriving", n_bytes)
    except (TooLarge, Unavailable):
        return False
    return True


async def _flush(late: bytearray, spool: Spool, memory: Lease) -> None:
    """Write to the file in a thread; even if cancelled, wait for the thread to end, for it cannot be stopped."""
    writing = asyncio.ensure_future(asyncio.to_thread(spool.write_to_file, late))
    try:
        await asyncio.shield(writing)
    finally:
        await asyncio.wait([writing])
    late.clear()
    memory.free("arriving")


async def while_arriving(exchange: Exchange, limits: Limits, work: Callable[[Check, Source], Result]) -> Result:
    """The result of a thread that reads a body while it arrives, or at once if all of it is there.

    If the client leaves, is too slow or sends too much, or the server ends, the thread gets that as an error. The body
    is read no further than the thread needs it.

    Raises:
        TooLarge: It is said to hold more than its limits allow.
        Unavailable: There is no room for its start in memory, or no thread for it.
        HTTPException: 408, it came too slowly.
    """
    _check_size(exchange.declared_bytes, limits.max_decoded_bytes, limits.advice)
    capacity = exchange.capacity
    async with aclosing(_pieces(exchange, limits)) as pieces:
        start, is_whole = await _start(pieces, exchange.memory)
        if is_whole:
            exchange.memory.arrived()
            return await while_connected(exchange, capacity.whole, work, Pieces(iter(start)))
        exchange.memory.hold("arriving", PIPE_BYTES)
        return await _streamed(exchange, start, pieces, work)


async def _start(pieces: AsyncIterator[bytes], memory: Lease) -> tuple[list[bytes], bool]:
    """The first pieces, and whether they are all."""
    start, n_bytes = [], 0
    async for piece in pieces:
        memory.take("arriving", len(piece))
        start.append(piece)
        n_bytes += len(piece)
        if n_bytes >= START_BYTES:
            return start, False
    return start, True


async def _streamed(
    exchange: Exchange, start: list[bytes], pieces: AsyncIterator[bytes], work: Callable[[Check, Source], Result]
) -> Result:
    pipe = Pipe(start, exchange.capacity.seats)
    start.clear()

    def in_thread(check: Check, source: Source) -> Result:
        try:
            return work(check, source)
        finally:
            pipe.leave()

    feeding = asyncio.create_task(_feed(exchange, pieces, pipe))
    try:
        result = await exchange.capacity.arriving.run(0, within_deadline, exchange, pipe.checkpoint, in_thread, pipe)
        pipe.check()
        return result
    finally:
        pipe.end(ClientDisconnect)
        feeding.cancel()
        await asyncio.wait([feeding])
        if not feeding.cancelled() and (unforeseen := feeding.exception()):
            raise unforeseen


async def _feed(exchange: Exchange, pieces: AsyncIterator[bytes], pipe: Pipe) -> None:
    try:
        async for piece in pieces:
            await pipe.write(piece)
        pipe.end()
        await disconnected(exchange)
        pipe.end(ClientDisconnect)
    except (HTTPException, SurprisalError, ClientDisconnect) as error:
        pipe.end(partial(copy, error.with_traceback(None)))
    except Exception:
        pipe.end(ClientDisconnect)  # else the thread would wait for ever
        raise


async def _pieces(exchange: Exchange, limits: Limits) -> AsyncGenerator[bytes, None]:
    """The pieces of a body, as long as it arrives fast enough.

    A client begins with a credit of `body_timeout_seconds`. Waiting for it takes from the credit; each
    `min_bytes_per_second` that it sends add a second, up to the first credit. So one rule bounds both pauses and the
    rate, and the time that the reader of the pieces takes costs the client nothing.

    Raises:
        TooLarge: There are more than its limits allow.
        HTTPException: 408, the client is too slow.
        ClientDisconnect: It has left.
    """
    settings, clock = exchange.settings, asyncio.get_running_loop().time
    in_hand, n_bytes, more = settings.body_timeout_seconds, 0, True
    while more:
        asked = clock()
        try:
            async with asyncio.timeout(in_hand):
                piece, more = await exchange.next_piece()
        except TimeoutError as error:
            raise _too_slow(settings.body_timeout_seconds, settings.min_bytes_per_second) from error
        n_bytes += len(piece)
        _check_size(n_bytes, limits.max_decoded_bytes, limits.advice)
        earned = len(piece) / settings.min_bytes_per_second
        in_hand = min(settings.body_timeout_seconds, in_hand - (clock() - asked) + earned)
        if piece:
            yield piece


def _too_slow(seconds: float, bytes_per_second: int = 0) -> HTTPException:
    if bytes_per_second:
        rule = f"at {bytes_per_second} bytes a second or more, measured over {seconds:g} seconds"
        return HTTPException(408, f"the body must go on arriving, {rule}")
    return HTTPException(408, f"the body must arrive within {seconds:g} seconds")


def _check_size(n_bytes: int, max_bytes: int, advice: str) -> None:
    if n_bytes > max_bytes:
        raise _too_large(max_bytes, advice)


def _too_large(max_bytes: int, advice: str) -> TooLarge:
    return TooLarge(f"the body must hold at most {max_bytes} bytes; {advice}")
