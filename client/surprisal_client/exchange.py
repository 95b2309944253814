"""Requests and replies without a network, and the steps from one to the other, which both clients walk.

An operation is a generator: it yields a `Request` and is sent a `Reply`, or yields a `Pause` and is sent nothing. So
retries, errors and answers are written once, and a client only sends and sleeps, with or without `await`.
"""

import json
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeVar, cast

import httpx

from surprisal_client.errors import InputError, ServiceError, problem_error

T = TypeVar("T")
BUSY = (429, 503)
"""Statuses after which the same request may succeed, at the time that `Retry-After` names."""
NO_CONTENT = 204
SHORT_PAUSE_SECONDS = 1.0
"""The pause after a busy answer that names none."""


class Chunk(NamedTuple):
    """A part of a body, and the number of rows in it, 0 where it is not known."""

    data: bytes
    n_rows: int = 0


@dataclass
class Sent:
    """The part of a body that has been sent so far, and the whole of it where that is known."""

    n_bytes: int = 0
    n_rows: int = 0
    has_begun: bool = False
    total_bytes: int | None = None
    total_rows: int | None = None


@dataclass(frozen=True)
class Body:
    """A body that is made while it is sent."""

    media_type: str
    chunks: Callable[[], Iterator[Chunk]]
    """Make the chunks, from the first one, at every call."""
    can_repeat: bool = True
    """False where the rows come from an iterator, which cannot be asked twice."""
    encoding: str | None = None
    total_bytes: int | None = None
    total_rows: int | None = None
    on_chunk: Callable[[Sent], None] | None = None
    sent: Sent = field(default_factory=Sent)

    def content(self) -> Generator[bytes]:
        """Yield the bytes to send, and count them."""
        self.sent.n_bytes = self.sent.n_rows = 0
        self.sent.has_begun = True  # an iterator gives up its first rows before any byte is sent
        self.sent.total_bytes, self.sent.total_rows = self.total_bytes, self.total_rows
        for chunk in self.chunks():
            yield chunk.data
            self.sent.n_bytes += len(chunk.data)
            self.sent.n_rows += chunk.n_rows
            if self.on_chunk:
                self.on_chunk(self.sent)


@dataclass(frozen=True)
class Request:
    """A request to the service."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Body | None = None
    further_headers: tuple[tuple[str, str], ...] = ()

    def headers(self) -> dict[str, str]:
        """Name the format of the body, beside what else the request says."""
        if not self.body:
            return dict(self.further_headers)
        encoding = {"Content-Encoding": self.body.encoding} if self.body.encoding else {}
        return {"Content-Type": self.body.media_type} | encoding | dict(self.further_headers)


@dataclass(frozen=True)
class Reply:
    """An answer of the service, read to its end."""

    status: int
    headers: Mapping[str, str]
    content: bytes


@dataclass(frozen=True)
class Pause:
    """A time to wait before the next request."""

    seconds: float


@dataclass(frozen=True)
class Context:
    """Facts about a request that its errors and retries need."""

    max_wait_seconds: float
    url: str
    place: Callable[[int | None], str] = lambda _: ""
    """Tell the file and the row of a row of the whole request, or the file alone."""
    options: Collection[str] = ()
    """The arguments of the call that no file holds."""
    on_chunk: Callable[[Sent], None] | None = None


Steps = Generator[Request | Pause, Reply | None, T]


def exchange(request: Request, context: Context) -> Steps[Any]:
    """Send a request until it is answered, and read the answer.

    Raises:
        InputError: The service refuses the request.
        ServiceError: The service cannot be reached, fails, or is busy for longer than `max_wait_seconds`.
    """
    waited = 0.0
    if request.body:
        request = replace(request, body=replace(request.body, on_chunk=context.on_chunk))
    while True:
        reply = yield from _reply(request, context)
        seconds = _pause(reply)
        if seconds is None or waited + seconds > context.max_wait_seconds or not _can_repeat(request):
            return _answer(reply, context)
        waited += seconds
        yield Pause(seconds)


def _reply(request: Request, context: Context) -> Steps[Reply]:
    try:
        reply = yield request
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        hint = "start one (`make serve`), or name its address (SURPRISAL_URL)"
        raise ServiceError(f"no service answers at {context.url}: {error}; {hint}") from error
    except httpx.TransportError as error:
        raise ServiceError(_departure(request, context, error)) from error
    return cast("Reply", reply)  # that of a pause is None


def _departure(request: Request, context: Context, error: httpx.TransportError) -> str:
    """Say how far the request had come when the connection broke."""
    sent = request.body.sent if request.body else Sent()
    rows = f", {sent.n_rows:,} rows," if sent.n_rows else ""
    cause = str(error) or type(error).__name__
    return f"the service at {context.url} went away after {sent.n_bytes:,} bytes{rows} were sent: {cause}"


def _can_repeat(request: Request) -> bool:
    return request.body is None or request.body.can_repeat or not request.body.sent.has_begun


def _pause(reply: Reply) -> float | None:
    """The seconds after which a busy service may have room; none where another try is of no use."""
    if reply.status not in BUSY:
        return None
    try:
        return max(0.0, float(reply.headers.get("retry-after", "")))
    except ValueError:
        return SHORT_PAUSE_SECONDS


def _answer(reply: Reply, context: Context) -> Any:
    if reply.status < 400:
        return _decoded(reply, context)
    try:
        problem = json.loads(reply.content)
        pointed = isinstance(problem, dict)
    except ValueError:
        pointed = False
        problem = None
    if pointed:
        raise problem_error({"status": reply.status} | problem, context.place, context.options)
    told = f"{context.url} answered {reply.status} without a problem: is it a Surprisal service?"
    raise ServiceError(told, {"status": reply.status}) if reply.status >= 500 else InputError(told)


def _decoded(reply: Reply, context: Context) -> Any:
    if reply.status == NO_CONTENT:
        return None
    try:
        return json.loads(reply.content)
    except ValueError as error:
        raise ServiceError(f"{context.url} answered no JSON: is it a Surprisal service?") from error
