"""The clients: they send the requests of an operation, sleep where it pauses, and hand on its result."""

import asyncio
import os
import re
import time
import weakref
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Generic, Self

import httpx
import numpy as np
from numpy.typing import NDArray

from surprisal_client import jobs, operations
from surprisal_client.exchange import Body, Context, Pause, Reply, Request, Sent, Steps, T
from surprisal_client.fields import wrong
from surprisal_client.operations import Question
from surprisal_client.progress import shown_progress
from surprisal_client.readers import estimators
from surprisal_client.results.calibration import Calibration
from surprisal_client.results.comparison import Comparisons
from surprisal_client.results.job import Job
from surprisal_client.results.score import Score

DEFAULT_URL = "http://127.0.0.1:8000"
CONNECT_SECONDS = 10.0
MAX_WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class _Done(Generic[T]):
    """The result of a call that asks nothing of the service."""

    value: T


class _Connection:
    """The address of a service, and how to talk to it."""

    def __init__(
        self,
        url: str | None = None,
        *,
        key: str | None = None,
        max_wait_seconds: float = MAX_WAIT_SECONDS,
        on_progress: Callable[[Sent], None] | None = None,
        progress: bool = False,
    ) -> None:
        self.url = (url or os.environ.get("SURPRISAL_URL") or DEFAULT_URL).rstrip("/")
        self._key = key or os.environ.get("SURPRISAL_KEY")
        shown = re.sub(r"(?<=//)[^/@]*@", "", self.url)  # a password for a proxy is nothing for a log
        if not shown.startswith(("http://", "https://")):
            raise wrong("url", "malformed", f'must begin with http:// or https://, found "{shown}"')
        self._context = Context(max_wait_seconds, shown, on_chunk=on_progress)
        self._shows_progress = progress

    def _settings(self) -> dict[str, Any]:
        """The arguments of the client of httpx: the time that scoring takes has no bound, connecting has."""
        headers = {"X-API-Key": self._key} if self._key else {}  # a proxy may use Authorization itself
        return {"base_url": self.url, "headers": headers, "timeout": httpx.Timeout(None, connect=CONNECT_SECONDS)}

    @contextmanager
    def _content(self, body: Body | None) -> Iterator[Generator[bytes] | None]:
        """The bytes of a body, with a bar while they are sent; files are closed, however much of them was read."""
        if body is None:
            yield None
            return
        with shown_progress() if self._shows_progress else nullcontext() as advance:
            content = (replace(body, on_chunk=_both(advance, body.on_chunk)) if advance else body).content()
            try:
                yield content
            finally:
                with suppress(ValueError):  # the thread of a call that was cancelled is still at it
                    content.close()

    @staticmethod
    def _arguments(request: Request, content: Any) -> dict[str, Any]:
        return {"params": list(request.query), "content": content, "headers": request.headers()}

    @staticmethod
    def _reply(response: httpx.Response) -> Reply:
        return Reply(response.status_code, response.headers, response.content)


class Client(_Connection):
    """A client of a Surprisal service.

    Every method takes rows in whatever form they come, and options of the service by their names. Rows are arrays,
    lists, tensors or series by field (`labels=`, `probabilities=` ...); labels and probabilities as the first two
    arguments; or one frame, path, list of paths, or iterator of frames, arrays or rows, of which the fields name the
    columns. The task is told from the shapes unless it is named.

    Args:
        url: The address of the service; by default `SURPRISAL_URL`, or this machine at port 8000.
        key: The token of a key; by default `SURPRISAL_KEY`.
        max_wait_seconds: The longest time to wait for a service that is busy, over all tries of a request.
        on_progress: Called with the number of bytes and rows that have been sent, for each part of a body.
        progress: Show a bar on standard error while rows are sent, if that is a terminal and rich is installed.
    """

    def __init__(self, url: str | None = None, **settings: Any) -> None:
        super().__init__(url, **settings)
        self._http = httpx.Client(**self._settings())
        weakref.finalize(self, self._http.close)  # a client of one line is never closed by hand

    def score(self, *data: Any, task: str | None = None, **fields_and_options: Any) -> Score:
        """Score predictions against what came true.

        Raises:
            InputError: The rows or the options are wrong; `errors` say where.
            ServiceError: The service is not there, is full, or fails.
        """
        return self._run(operations.score(Question(data, fields_and_options, task), self._context))

    def score_estimator(self, model: Any, X: Any, y: Any, **fields_and_options: Any) -> Score:
        """Score the probabilities that an estimator of scikit-learn gives to the classes of rows."""
        return self.score(**estimators.fields_of(model, X, y), **fields_and_options)

    def compare(self, *data: Any, task: str | None = None, **fields_and_options: Any) -> Comparisons:
        """Compare `candidates` with the `baseline` among them, paired by row.

        `candidates` is an object of name and prediction: probabilities, `{"logits": ...}`, or the names of columns.
        """
        return self._run(operations.compare(Question(data, fields_and_options, task), self._context))

    def calibrate(self, *data: Any, task: str | None = None, **fields_and_options: Any) -> Calibration:
        """Fit a temperature or, with `method`, another curve to probabilities; `apply` takes the result."""
        return self._run(operations.calibrate(Question(data, fields_and_options, task), self._context))

    def apply(
        self, fitted: Calibration | Mapping[str, Any], *data: Any, **fields_and_options: Any
    ) -> NDArray[np.float64]:
        """Calibrate other predictions by what `calibrate` fitted, or by its `map`.

        Predictions are probabilities as the second argument, or fields by name; of a frame, the names of columns in
        the order of the classes.

        Returns:
            Probabilities, (n,) or (n, k) as the predictions are; NaN in rows that `mask` leaves out.
        """
        return self._run(operations.apply(fitted, Question(data, fields_and_options), self._context))

    def merge(self, states: Iterable[Any]) -> Score | Comparisons:
        """Add up the states of answers to `include=["state"]`, or these answers: what one request would have told."""
        return self._run(operations.merge(states, self._context))

    def submit(
        self, source: str | Sequence[str], *, task: str, idempotency_key: str | None = None, **fields_and_options: Any
    ) -> Job:
        """Hand in a data set that the service reads itself; the job goes on without this program.

        Args:
            source: Files, folders and patterns, as absolute paths of the service or addresses of buckets.
            task: The task, for there is no row here that would tell.
            idempotency_key: A word of your own: submitting twice with it makes one job.
            fields_and_options: The names of columns by field, as `labels="outcome"`, and options, `on_error` and
                `max_skipped_share` among them.
        """
        return self._run(jobs.submit(source, task, fields_and_options, idempotency_key, self._context))

    def job(self, id: str) -> Job:  # noqa: A002 the contract's word
        """A job as it is now."""
        return self._run(jobs.job(id, self._context))

    def jobs(self, limit: int = 20) -> list[Job]:
        """The newest jobs, without their results."""
        return self._run(jobs.jobs(limit, self._context))

    def follow(self, job: Job | str) -> Iterator[Job]:
        """Yield a job as it is now, and again whenever it has changed, until it has ended."""
        found = self.job(job) if isinstance(job, str) else job
        yield found
        while not found.has_ended:
            found = self._run(jobs.next_look(found, self._context))
            yield found

    def wait(self, job: Job | str) -> Score:
        """The scores of a job, once it has ended.

        Raises:
            InputError: A row or a file is at fault, or the job was cancelled.
            ServiceError: The service failed, or a file could not be read.
        """
        *_, last = self.follow(job)
        return last.scores()

    def cancel(self, job: Job | str) -> None:
        """End a job, and forget it."""
        self._run(jobs.cancel(job if isinstance(job, str) else job.id, self._context))

    def metrics(self) -> list[dict[str, Any]]:
        """The catalogue of metrics: formulas, units, directions, references."""
        return self._run(operations.metrics(self._context))

    def limits(self) -> dict[str, Any]:
        """The sizes that the service takes."""
        return self._run(operations.limits(self._context))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, steps: Steps[T]) -> T:
        reply: Reply | None = None
        try:
            step = next(steps)
            while True:
                try:
                    reply = self._walk(step)
                except httpx.TransportError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(reply)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]

    def _walk(self, step: Request | Pause) -> Reply | None:
        if isinstance(step, Pause):
            time.sleep(step.seconds)
            return None
        with self._content(step.body) as content:
            return self._reply(self._http.request(step.method, step.path, **self._arguments(step, content)))


class AsyncClient(_Connection):
    """The client for asyncio: the methods and arguments of `Client`, awaited."""

    def __init__(self, url: str | None = None, **settings: Any) -> None:
        super().__init__(url, **settings)
        self._http = httpx.AsyncClient(**self._settings())

    async def score(self, *data: Any, task: str | None = None, **fields_and_options: Any) -> Score:
        """Score predictions against what came true."""
        return await self._run(operations.score(Question(data, fields_and_options, task), self._context))

    async def score_estimator(self, model: Any, X: Any, y: Any, **fields_and_options: Any) -> Score:
        """Score the probabilities that an estimator of scikit-learn gives to the classes of rows."""
        return await self.score(**estimators.fields_of(model, X, y), **fields_and_options)

    async def compare(self, *data: Any, task: str | None = None, **fields_and_options: Any) -> Comparisons:
        """Compare `candidates` with the `baseline` among them, paired by row."""
        return await self._run(operations.compare(Question(data, fields_and_options, task), self._context))

    async def calibrate(self, *data: Any, task: str | None = None, **fields_and_options: Any) -> Calibration:
        """Fit a temperature or, with `method`, another curve to probabilities."""
        question = Question(data, fields_and_options, task)
        return await self._run(operations.calibrate(question, self._context))

    async def apply(
        self, fitted: Calibration | Mapping[str, Any], *data: Any, **fields_and_options: Any
    ) -> NDArray[np.float64]:
        """Calibrate other predictions by what `calibrate` fitted, or by its `map`."""
        return await self._run(operations.apply(fitted, Question(data, fields_and_options), self._context))

    async def merge(self, states: Iterable[Any]) -> Score | Comparisons:
        """Add up the states of answers to `include=["state"]`, or these answers: what one request would have told."""
        return await self._run(operations.merge(states, self._context))

    async def submit(
        self, source: str | Sequence[str], *, task: str, idempotency_key: str | None = None, **fields_and_options: Any
    ) -> Job:
        """Hand in a data set that the service reads itself."""
        return await self._run(jobs.submit(source, task, fields_and_options, idempotency_key, self._context))

    async def job(self, id: str) -> Job:  # noqa: A002 the contract's word
        """A job as it is now."""
        return await self._run(jobs.job(id, self._context))

    async def jobs(self, limit: int = 20) -> list[Job]:
        """The newest jobs, without their results."""
        return await self._run(jobs.jobs(limit, self._context))

    async def follow(self, job: Job | str) -> AsyncIterator[Job]:
        """Yield a job as it is now, and again whenever it has changed, until it has ended."""
        found = await self.job(job) if isinstance(job, str) else job
        yield found
        while not found.has_ended:
            found = await self._run(jobs.next_look(found, self._context))
            yield found

    async def wait(self, job: Job | str) -> Score:
        """The scores of a job, once it has ended."""
        found = [state async for state in self.follow(job)]
        return found[-1].scores()

    async def cancel(self, job: Job | str) -> None:
        """End a job, and forget it."""
        await self._run(jobs.cancel(job if isinstance(job, str) else job.id, self._context))

    async def metrics(self) -> list[dict[str, Any]]:
        """The catalogue of metrics."""
        return await self._run(operations.metrics(self._context))

    async def limits(self) -> dict[str, Any]:
        """The sizes that the service takes."""
        return await self._run(operations.limits(self._context))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _run(self, steps: Steps[T]) -> T:
        reply: Reply | None = None
        try:
            first = await asyncio.to_thread(_first, steps)
            if isinstance(first, _Done):
                return first.value
            step = first
            while True:
                try:
                    reply = await self._walk(step)
                except httpx.TransportError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(reply)
        except StopIteration as done:
            return done.value  # type: ignore[no-any-return]

    async def _walk(self, step: Request | Pause) -> Reply | None:
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
            return None
        with self._content(step.body) as content:
            arguments = self._arguments(step, _in_thread(content) if content else None)
            return self._reply(await self._http.request(step.method, step.path, **arguments))


def _first(steps: Steps[T]) -> Request | Pause | _Done[T]:
    """The first step, in which rows are read and checked: in a thread, so that others go on.

    No thread can hand over the `StopIteration` of a call that asks nothing of the service, so its result comes here.
    """
    try:
        return next(steps)
    except StopIteration as done:
        return _Done(done.value)


def _both(advance: Callable[[Sent], None], on_chunk: Callable[[Sent], None] | None) -> Callable[[Sent], None]:
    def told(sent: Sent) -> None:
        advance(sent)
        if on_chunk:
            on_chunk(sent)

    return told


async def _in_thread(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the chunks of a body, each made in a thread."""
    while (chunk := await asyncio.to_thread(next, chunks, None)) is not None:
        yield chunk
