"""From the bytes of a body, in any format, to the answer of scoring."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request

from app import service
from app.api.attended import Check
from app.api.formats import Format, Parts, limits_of
from app.api.media import encoding_of, format_of
from app.api.query import query_options, refuse_query
from app.api.schemas import score_request
from app.api.validation import check_width, json_fields
from app.core.tasks import TaskName
from app.errors import TooLarge
from app.service import ScoreRequest
from app.settings import Settings
from app.wire import compression
from app.wire.limits import Limits
from app.wire.sources import Pieces, Source


@dataclass(frozen=True, slots=True)
class Body:
    """What was sent, before it is read.

    Attributes:
        encoding: How it is compressed; empty if it is not.
        options: Those of the query; of JSON, which has them in itself, none.
    """

    task: TaskName
    format: Format
    encoding: str
    options: Mapping[str, Any]


def announced(task: TaskName, request: Request) -> Body:
    """The body that the head of a request tells of; what the head gets wrong is refused before any of it is read.

    Raises:
        UnsupportedMediaType: In a format, or compressed in a way, that nobody reads here.
        InvalidInput: A query parameter is no option, or an option is wrong.
    """
    format_, encoding = format_of(request.headers), encoding_of(request.headers)
    if format_.is_json:
        refuse_query(request.query_params)
        return Body(task, format_, encoding, {})
    return Body(task, format_, encoding, query_options(task, request.query_params))


def scored(body: Body, source: Source, settings: Settings, check: Check) -> dict[str, Any]:
    """Read and score a body.

    Args:
        source: Of formats that are not streamed, and are not compressed, a file.
        check: Called between parts; what it raises ends the work.

    Raises:
        SurprisalError: What is wrong with the body, or what the source raises.
    """
    limits = limits_of(body.format, settings)
    if body.encoding:
        source = compression.decoded(Pieces(_checked(source, check)), body.encoding, limits)
    if body.format.parts is None:
        request = score_request(body.task, json_fields(_all_of(source, limits), settings))
        check()
        return service.score(request)
    parts = body.format.parts(source, limits, body.options)
    requests = _requests(body, parts, settings, check)
    return service.score_parts(requests, settings.max_held_bytes, settings.threads_per_request)


def _requests(body: Body, parts: Parts, settings: Settings, check: Check) -> Iterator[ScoreRequest]:
    """A request for each part, with the options of the query."""
    n_rows = 0
    for part in parts:
        check()
        check_width(part, settings.max_columns)
        request = score_request(body.task, {**part, **body.options})
        n_rows += max(map(len, request.columns.values()))
        if n_rows > settings.max_rows:
            raise TooLarge(f"the body must hold at most {settings.max_rows} rows")
        yield request


def _checked(source: Source, check: Check) -> Iterator[bytes | bytearray]:
    while piece := source.read(compression.PIECE):
        check()
        yield piece


def _all_of(source: Source, limits: Limits) -> bytearray:
    whole = bytearray()
    while piece := source.read(limits.max_part_bytes):
        whole += piece
    return whole
