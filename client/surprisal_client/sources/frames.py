"""Frames and batches as a source: all that hands out an Arrow stream, as pandas, Polars, PyArrow and DuckDB do."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from surprisal_client.errors import InputError
from surprisal_client.exchange import Body
from surprisal_client.optional import needed
from surprisal_client.sources import Source, stream
from surprisal_client.sources.naming import check_doubles, dimensions, naming_of, needed_columns, query

MEDIA_TYPE = "application/vnd.apache.arrow.stream"
PURPOSE = "a frame or an Arrow or Parquet file"


def is_frame(value: Any) -> bool:
    """Tell if something hands out record batches, or is one."""
    return hasattr(value, "__arrow_c_stream__") or hasattr(value, "__arrow_c_array__")


def source_of(frame: Any, fields: Mapping[str, Any]) -> Source:
    """The source of one frame.

    Raises:
        InputError: A column is missing, occurs twice or mixes types.
    """
    naming = naming_of(fields)
    table = table_of(frame)
    columns = needed_columns(naming, table.schema.names)
    chosen = table.select(columns)
    body = Body(MEDIA_TYPE, lambda: stream.chunks(chosen.schema, chosen.to_batches()), total_rows=chosen.num_rows)
    return Source(dimensions(naming, nesting(chosen.schema)), body, query(naming))


def table_of(frame: Any) -> Any:
    """The PyArrow table of a frame, which shares its memory where it can.

    Raises:
        InputError: A column mixes types, or two have one name.
    """
    pa = needed("pyarrow", "arrow", PURPOSE)
    if isinstance(frame, pa.Table):
        check_doubles(frame.schema.names, "the table")
        return frame
    if hasattr(frame, "iloc"):  # pandas, whose own stream leaves out which column was to blame
        check_doubles(list(map(str, frame.columns)), "the frame")
        return _of_pandas(pa, frame)
    if not hasattr(frame, "__arrow_c_stream__"):
        return pa.Table.from_batches([pa.record_batch(frame)])
    return pa.RecordBatchReader.from_stream(frame).read_all()


def _of_pandas(pa: Any, frame: Any) -> Any:
    try:
        return pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise InputError(f"the frame: {' '.join(map(str, error.args[::-1]))}") from error


def nesting(schema: Any) -> dict[str, bool]:
    """Tell of each column if it holds a list or a tensor a row."""
    return {column.name: "list" in str(column.type) or "tensor" in str(column.type) for column in schema}


def source_of_batches(batches: Iterator[Any], fields: Mapping[str, Any]) -> Source:
    """The source of an iterator of frames or record batches, which are read as they are sent."""
    naming = naming_of(fields)
    first = table_of(next(batches))
    schema = first.select(needed_columns(naming, first.schema.names)).schema
    named = ((f"batch {number}", table) for number, table in enumerate(chain([first], map(table_of, batches))))
    body = Body(
        MEDIA_TYPE,
        lambda: stream.chunks(schema, chain.from_iterable(alike(schema, named))),
        can_repeat=False,
    )
    return Source(dimensions(naming, nesting(schema)), body, query(naming))


def alike(schema: Any, named: Iterable[tuple[str, Any]]) -> Iterator[list[Any]]:
    """Yield the record batches of tables in the schema of the first one.

    Args:
        schema: The schema of the first table.
        named: Tables, each with the name that an error gives it.

    Raises:
        InputError: A table lacks a column, or holds another type.
    """
    pa = needed("pyarrow", "arrow", PURPOSE)
    for name, table in named:
        missing = [column for column in schema.names if column not in table.schema.names]
        if missing:
            raise InputError(f'{name}: must have the columns of the first, found no "{missing[0]}"')
        chosen = table.select(schema.names)
        try:
            yield (chosen if chosen.schema.equals(schema) else chosen.cast(schema)).to_batches()
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
            raise InputError(f"{name}: {_difference(schema, chosen.schema)}: {error}") from error


def _difference(schema: Any, other: Any) -> str:
    name = next(column.name for column in schema if other.field(column.name).type != column.type)
    return f'column "{name}" must be {schema.field(name).type} as in the first, found {other.field(name).type}'
