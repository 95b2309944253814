"""The way of rows in any format, and of compressed JSON, from the bytes of a body to the answer."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from app.api.exchange import Exchange
from app.api.intake.body import Body
from app.api.negotiation.formats import FORMATS, PARTS, Format, Parts, limits_of
from app.api.negotiation.media import encoding_of, rows_format
from app.api.schemas.query import SCORED_ROWS, RowsSchema, query_naming, query_options
from app.api.schemas.questions import asked_of_rows
from app.api.schemas.validation import check_width
from app.core.checkpoints import Check
from app.core.paying import hold
from app.core.tasks import TaskName
from app.errors import InvalidInput, TooLarge
from app.settings import Settings
from app.wire import compression
from app.wire.mapping.class_names import with_classes
from app.wire.mapping.column_map import ColumnMap
from app.wire.mapping.naming import Naming
from app.wire.sources import Pieces, Source

Answer: TypeAlias = Callable[[Iterator[Any], Settings], dict[str, Any]]
"""A use case: a function from the requests that parts of a body make to the content of the answer."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A body of rows as its head announces it, before it is read.

    Attributes:
        encoding: The compression; empty if there is none.
        query: The query of the URL, as it came.
        options: The options in it.
        naming: The columns as it names them.
        schema: The fields of the operation.
    """

    task: TaskName
    format: Format
    encoding: str
    query: bytes
    options: Mapping[str, Any]
    naming: Naming
    schema: RowsSchema = SCORED_ROWS


def read_rows_head(schema: RowsSchema, task: TaskName, json_path: str, exchange: Exchange) -> Rows:
    """Read the head of a request, and refuse its errors before any of the body is read.

    Raises:
        UnsupportedMediaType: The format or the compression is none that is read here.
        InvalidInput: A query parameter is no option, or an option is wrong.
    """
    format_ = rows_format(exchange.header("content-type"), json_path)
    encoding = encoding_of(exchange.header("content-encoding"))
    query, parameters = exchange.scope["query_string"], exchange.query_params
    options = query_options(schema, task, parameters)
    return Rows(task, format_, encoding, query, options, query_naming(schema, task, parameters), schema)


def answered_rows(rows: Rows, answer: Answer, source: Source, settings: Settings, check: Check) -> dict[str, Any]:
    """Read rows, and answer what is asked of them.

    Args:
        source: The body; a file if its format is not streamed and it is not compressed.
        check: A function that is called between parts; an error that it raises ends the work.

    Raises:
        SurprisalError: What is wrong with the body, or what the source raises.
    """
    limits = limits_of(rows.format, settings)
    if rows.encoding:
        source = compression.decoded(Pieces(_checked(source, check)), rows.encoding, limits)
    columns = ColumnMap(rows.naming)
    parts = PARTS[rows.format.name](source, limits, columns)
    requests = _requests(rows, parts, columns, settings, check)
    try:
        return answer(requests, settings)
    except InvalidInput as refusal:
        raise columns.told(refusal) from refusal


def decompressed_json(encoding: str, source: Source, settings: Settings, check: Check) -> bytes | bytearray:
    """A JSON body that was sent compressed.

    Raises:
        SurprisalError: It is not compressed as it says, or too large.
    """
    limits, body = limits_of(FORMATS["json"], settings), Body()
    decoded = compression.decoded(Pieces(_checked(source, check)), encoding, limits)
    while piece := decoded.read(limits.max_part_bytes):
        body.add(piece)
        hold("body", len(body))
    return body.taken()


def _requests(rows: Rows, parts: Parts, columns: ColumnMap, settings: Settings, check: Check) -> Iterator[Any]:
    """Make a request of each part of the rows, with the options of the query."""
    n_rows = 0
    for part in parts:
        check()
        check_width(part, settings.max_columns)
        request = asked_of_rows(rows.schema, rows.task, rows.query, *with_classes(part, columns))
        n_rows += max(map(len, request.columns.values()))
        if n_rows > settings.max_rows:
            raise TooLarge(f"the body must hold at most {settings.max_rows} rows")
        yield request


def _checked(source: Source, check: Check) -> Iterator[bytes | bytearray]:
    while piece := source.read(compression.PIECE):
        check()
        yield piece
