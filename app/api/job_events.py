"""The events of a job, as a server sends them (text/event-stream): one a change, at most two a second."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from time import monotonic
from typing import NamedTuple, TypeAlias
from zlib import crc32

from fastapi.sse import format_sse_event

from app.api.exchange import Exchange
from app.api.intake.while_connected import disconnected
from app.api.response import Response
from app.api.schemas.jobs import job_content
from app.errors import SurprisalError, Unavailable
from app.store.records import Job, Status

MEDIA_TYPE = "text/event-stream"
PERIOD_SECONDS = 0.5
"""The time between two looks at a job, and so between two events."""
SILENT_SECONDS = 15.0
"""The time after which a comment is sent where nothing changes, so that no proxy takes the connection for dead."""
MAX_FOLLOWERS = 256
"""The most streams of events that a process sends at once."""
HEAD = Response(
    headers={"cache-control": "no-store", "x-accel-buffering": "no"}, media_type=f"{MEDIA_TYPE}; charset=utf-8"
)
"""The head of a stream; nginx would keep events back until its buffer is full."""

Look: TypeAlias = Callable[[str], Awaitable[Job | None]]


class Event(NamedTuple):
    """A state of a job as it is sent; states of one `id` are the same."""

    id: str
    content: bytes

    @classmethod
    def of(cls, job: Job) -> "Event":
        """The state of a job."""
        content = job_content(job)
        return cls(f"{crc32(content):08x}", content)

    def lines(self) -> bytes:
        """The lines of the stream."""
        return format_sse_event(data_str=self.content.decode(), id=self.id)


class Followers:
    """The streams of events of a process; those that follow one job share each look at it."""

    def __init__(self, look: Look) -> None:
        """Follow nothing yet; `look` reads a job from the store."""
        self._look = look
        self._looks: dict[str, tuple[float, asyncio.Future[Job | None]]] = {}
        self._n_followers = 0

    async def send(self, exchange: Exchange, job: Job) -> None:
        """Send the states of a job until it has ended, the client leaves, or the service ends.

        A client that comes again and knows the last state of a job that has ended is told not to come again.

        Raises:
            Unavailable: Too many others follow jobs.
        """
        if job.has_ended and exchange.header("last-event-id") == Event.of(job).id:
            await exchange.respond(Response(status_code=204))
            return
        gone = asyncio.ensure_future(disconnected(exchange))
        try:
            with self._counted():
                await exchange.send_pieces(HEAD, self._events(exchange, job, gone))
        finally:
            gone.cancel()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        if self._n_followers >= MAX_FOLLOWERS:
            raise Unavailable(f"at most {MAX_FOLLOWERS} clients may follow jobs, found as many; ask for the job itself")
        self._n_followers += 1
        try:
            yield
        finally:
            self._n_followers -= 1

    async def _events(self, exchange: Exchange, job: Job, gone: asyncio.Future[None]) -> AsyncIterator[bytes]:
        last, told = None, monotonic()
        while not gone.done() and not exchange.capacity.is_ending:
            event = Event.of(job)
            if event != last:
                yield event.lines()
                last, told = event, monotonic()
            elif monotonic() - told > SILENT_SECONDS:
                yield format_sse_event(comment="nothing new")
                told = monotonic()
            if job.has_ended:
                return
            await asyncio.wait([gone], timeout=PERIOD_SECONDS)
            try:
                job = await self._seen(job.id) or replace(job, status=Status.CANCELLED)  # one that is forgotten
            except SurprisalError:
                return  # the head is out, so the client comes again, and is then told

    async def _seen(self, id_: str) -> Job | None:
        """The job as it is now, or was within the last period."""
        now = monotonic()
        self._looks = {key: look for key, look in self._looks.items() if now - look[0] < PERIOD_SECONDS / 2}
        if id_ not in self._looks:
            self._looks[id_] = now, asyncio.ensure_future(self._look(id_))
        return await asyncio.shield(self._looks[id_][1])
