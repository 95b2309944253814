"""A section: the processor time of one JSON request, stage by stage, in one process without a server.

The stages follow one another on every round, as they do in the service: each finds the processor's caches as the one
before left them. The rest of the application is the time of the whole less that of the stages.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, MutableMapping
from contextlib import redirect_stdout
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

from app.api import logs
from app.api.negotiation.accept import dumps
from app.api.schemas.questions import asked_of
from app.api.schemas.score import score_request
from app.core.batch.checked import batch_of
from app.main import create_app
from app.service.scoring import answer_of, part_of
from app.settings import DEFAULTS, Settings
from app.wire.json import reader as json
from benchmarks import formats, predictions
from benchmarks.contestants import SURPRISAL
from benchmarks.figures import Figure, alone
from benchmarks.trial import Findings, Trial

STAGES = (
    "reading JSON into columns",
    "fields and options against the schema",
    "checks of values",
    "numbers of rows and exact sums",
    "metrics, uncertainty and warnings",
    "writing JSON",
)
Message = MutableMapping[str, Any]


def measure(trial: Trial) -> Findings:
    """Measure medians over many requests, for both sizes of small bodies; the log goes nowhere."""
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        logs.configure("info")
        try:
            return Findings(_figures(30 if trial.quick else 2_000))
        finally:
            logging.getLogger().handlers.clear()  # its handlers write to a stream that is closed here


def _figures(rounds: int) -> list[Figure]:
    figures = []
    for rows, columns in ((10, 3), (1_000, 10)):
        work, body = f"({rows}, {columns}) JSON", formats.columns_json(predictions.columns(rows, columns))
        stages = _medians(lambda body=body: _stages(body), rounds)  # type: ignore[misc]
        whole = asyncio.run(_whole(body, rounds))
        figures += [
            alone(f"{work}: {name}", "µs", microseconds) for name, microseconds in zip(STAGES, stages, strict=True)
        ]
        figures.append(alone(f"{work}: the application around them", "µs", whole - sum(stages)))
        figures.append(alone(f"{work}: the whole application", "µs", whole))
    return figures


def _medians(stages: Callable[[], list[float]], rounds: int) -> list[float]:
    return [median(column) for column in zip(*(stages() for _ in range(rounds)), strict=True)]


def _stages(body: bytes) -> list[float]:
    """The microseconds of processor time of each stage of one request."""
    times = [time.thread_time()]

    def done() -> None:
        times.append(time.thread_time())

    walked = json.walk(body, "multiclass")
    done()
    request = asked_of(score_request, "multiclass", body, walked, DEFAULTS.max_columns)
    done()
    question = request.question
    batch = batch_of(question.task, request.columns, question.options)
    done()
    part = part_of(batch, question.plan, question.include)
    done()
    answer = answer_of(question, part, batch)
    done()
    dumps(answer)
    done()
    return [1e6 * (end - start) for start, end in pairwise(times)]


async def _whole(body: bytes, rounds: int) -> float:
    """The microseconds of one request from the server's call to the end of the answer, its log line included."""
    app = create_app(Settings())
    async with app.router.lifespan_context(app):
        return median([await _microseconds(app, body) for _ in range(rounds)])


async def _microseconds(app: Any, body: bytes) -> float:
    unread: list[Message] = [{"type": "http.request", "body": body}]
    statuses = []

    async def receive() -> Message:
        while not unread:  # the client waits for its answer
            await asyncio.Event().wait()
        return unread.pop()

    async def send(message: Message) -> None:
        statuses.append(message.get("status"))

    scope = {
        "type": "http",
        "method": "POST",
        "path": SURPRISAL.path_of("multiclass"),
        "query_string": b"",
        "headers": [(b"content-type", formats.JSON.encode()), (b"content-length", b"%d" % len(body))],
    }
    start = time.thread_time()
    await app(scope, receive, send)
    microseconds = 1e6 * (time.thread_time() - start)
    if statuses != [200, None]:
        raise RuntimeError(f"{scope['path']} must answer 200, found {statuses}")
    return microseconds
