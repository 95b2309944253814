"""From the bytes of a body, in any format, to the answer of scoring."""

import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from tempfile import TemporaryFile
from typing import Any, BinaryIO

from starlette.datastructures import QueryParams

from app import service
from app.api.media import Format
from app.api.query import query_options, refuse_query
from app.api.schemas import score_request
from app.api.validation import check_width, pointer
from app.core.tasks import COLUMN_NAMES, TaskName
from app.errors import InvalidInput, TooLarge, Unavailable
from app.service import ScoreRequest
from app.settings import Settings
from app.wire import arrow, compression, csv, json, ndjson, npz, parquet
from app.wire.limits import Limits
from app.wire.sources import Bounded, Source

IN_MEMORY_BYTES = 16 * 2**20
"""Up to here a body that must be complete before it can be read is not written to a file."""

Parts = Iterator[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Body:
    """What was sent, before it is read.

    Attributes:
        encoding: How it is compressed; empty if it is not.
    """

    task: TaskName
    format: Format
    encoding: str
    query: QueryParams


def scored(body: Body, source: Source, settings: Settings) -> dict[str, Any]:
    """Read and score a body.

    Raises:
        SurprisalError: What is wrong with the body, or what the source raises.
    """
    limits = limits_of(body.format, settings)
    source = Bounded(source, limits.max_decoded_bytes)
    if body.encoding:
        source = compression.decoded(source, body.encoding, limits)
    if body.format == "json":
        request = json_request(body.task, json.decode(_all_of(source, limits)), body.query, settings)
        return service.score(request)
    parts = READERS[body.format](source, limits)
    return service.score_parts(_requests(body, parts, settings), settings.max_held_bytes)


def json_request(task: TaskName, fields: Mapping[str, Any], query: QueryParams, settings: Settings) -> ScoreRequest:
    """The request that a decoded JSON body makes."""
    refuse_query(task, query)
    check_width(fields, settings.max_columns)
    return score_request(task, fields)


def limits_of(format_: Format, settings: Settings) -> Limits:
    """The bounds on a body of a format."""
    most = {"json": settings.max_body_bytes, "npz": settings.max_spooled_bytes, "parquet": settings.max_spooled_bytes}
    return Limits(
        max_decoded_bytes=most.get(format_, settings.max_streamed_bytes),
        max_ratio=settings.max_ratio,
        max_part_bytes=settings.max_part_bytes,
        max_columns=settings.max_columns,
    )


def _requests(body: Body, parts: Parts, settings: Settings) -> Iterator[ScoreRequest]:
    """A request for each part, with the options of the query."""
    options = query_options(body.task, body.query)
    n_rows = 0
    for part in parts:
        _check_fields(part)
        check_width(part, settings.max_columns)
        request = score_request(body.task, part | options)
        n_rows += max(map(len, request.columns.values()))
        if n_rows > settings.max_rows:
            raise TooLarge(f"the body must hold at most {settings.max_rows} rows")
        yield request


def _check_fields(part: Mapping[str, Any]) -> None:
    for name in part:
        if name not in COLUMN_NAMES and name != "slices":
            detail = "must be a column of values, one a row; options stand in the query"
            raise InvalidInput.at(pointer(name), "unknown_field", detail)


def _all_of(source: Source, limits: Limits) -> bytearray:
    whole = bytearray()
    while piece := source.read(limits.max_part_bytes):
        whole += piece
    return whole


@contextmanager
def _seekable(source: Source, limits: Limits) -> Iterator[BinaryIO]:
    """A source as a file to move about in: in memory while it is small.

    Raises:
        Unavailable: There is no room for a file.
    """
    file: BinaryIO = io.BytesIO()
    with ExitStack() as stack:
        while piece := source.read(limits.max_part_bytes):
            try:
                if isinstance(file, io.BytesIO) and file.tell() + len(piece) > IN_MEMORY_BYTES:
                    start, file = file.getbuffer(), stack.enter_context(TemporaryFile())
                    file.write(start)
                file.write(piece)
            except OSError as error:
                raise Unavailable("there is no room to keep a body of this size while it is read") from error
        file.seek(0)
        yield file


def _npz_parts(source: Source, limits: Limits) -> Parts:
    with _seekable(source, limits) as file:
        yield npz.columns(file, limits)


def _parquet_parts(source: Source, limits: Limits) -> Parts:
    with _seekable(source, limits) as file:
        yield from parquet.parts(file, limits)


READERS: dict[Format, Callable[[Source, Limits], Parts]] = {
    "npz": _npz_parts,
    "arrow": arrow.parts,
    "parquet": _parquet_parts,
    "ndjson": ndjson.parts,
    "csv": csv.parts,
}
"""How each format but JSON is read: some rows at a time."""
