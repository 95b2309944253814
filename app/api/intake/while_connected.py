"""Work in a thread for as long as the client waits for its answer."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from threading import Event
from typing import TypeVar, TypeVarTuple

from starlette.requests import ClientDisconnect

from app.api.capacity import Pool
from app.api.exchange import Exchange
from app.api.intake.deadline import within_deadline
from app.core.checkpoints import Check

Result = TypeVar("Result")
Arguments = TypeVarTuple("Arguments")


async def while_connected(
    exchange: Exchange, pool: Pool, work: Callable[[Check, *Arguments], Result], *arguments: *Arguments
) -> Result:
    """Do the work in a thread of a pool; the body of the exchange must have been read.

    A thread cannot be stopped from outside. When the client leaves or the time is over, `work` is told at its next
    check or checkpoint, and the thread is free once it has ended.

    Raises:
        ClientDisconnect: The client has left.
        Unavailable: The pool is full.
        TooLarge: The work takes too long.
    """
    gone = Event()

    def check() -> None:
        if gone.is_set():
            raise ClientDisconnect

    def begin() -> Result:
        check()
        return within_deadline(exchange, check, work, *arguments)

    watching = asyncio.create_task(disconnected(exchange))
    watching.add_done_callback(lambda _: gone.set())
    try:
        result = await pool.run(exchange.bytes_in, begin)
        check()
        return result
    finally:
        gone.set()  # at once: a server that ends may run its loop no further
        watching.cancel()


async def disconnected(exchange: Exchange) -> None:
    """Wait until the client has left; bytes that it still sends are dropped."""
    with suppress(ClientDisconnect):
        while True:
            await exchange.next_piece()
