"""Frames and batches as a source: all that hands out an Arrow stream, as pandas, Polars, PyArrow and DuckDB do."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from surprisal_client.errors import InputError
from surprisal_client.exchange import Body
from surprisal_client.optional import needed
from surprisal_client.sources import Source, stream
from surprisal_client.sources.arrays import column_of
from surprisal_client.sources.naming import check_doubles, dimensions, naming_of, needed_columns, query

MEDIA_TYPE = "application/vnd.apache.arrow.stream"
PURPOSE = "a frame or an Arrow or Parquet file"


def is_frame(value: Any) -> bool:
    """Tell if something hands out record batches, is one, or is a frame of Polars that is not yet computed."""
    return hasattr(value, "__arrow_c_stream__") or hasattr(value, "__arrow_c_array__") or _is_lazy(value)


def _is_lazy(value: Any) -> bool:
    return hasattr(value, "collect_schema") and hasattr(value, "collect")


def source_of(frame: Any, fields: Mapping[str, Any]) -> Source:
    """The source of one frame.

    Raises:
        InputError: A column is missing, occurs twice or mixes types.
    """
    naming = naming_of(fields)
    if _is_lazy(frame):
        frame = frame.select(needed_columns(naming, frame.collect_schema().names())).collect()
    chosen = table_of(frame, lambda names: needed_columns(naming, names))
    body = Body(MEDIA_TYPE, lambda: stream.chunks(chosen.schema, chosen.to_batches()), total_rows=chosen.num_rows)
    return Source(dimensions(naming, nesting(chosen.schema)), body, query(naming))


def table_of(frame: Any, wanted: Callable[[Sequence[str]], Sequence[str]]) -> Any:
    """The PyArrow table of some columns of a frame, which shares its memory where it can.

    Args:
        frame: The frame; its other columns may hold anything.
        wanted: Takes the names of all columns and returns those to take.

    Raises:
        InputError: A column mixes types, or two have one name.
    """
    pa = needed("pyarrow", "arrow", PURPOSE)
    if hasattr(frame, "iloc"):  # pandas, whose own stream leaves out which column was to blame
        return _of_pandas(pa, frame, wanted)
    if hasattr(frame, "__arrow_c_stream__") and not isinstance(frame, pa.Table):
        frame = pa.RecordBatchReader.from_stream(frame).read_all()
    table = frame if isinstance(frame, pa.Table) else pa.Table.from_batches([pa.record_batch(frame)])
    columns = wanted(table.schema.names)
    check_doubles(columns, "the table")
    return table.select(columns)


def _of_pandas(pa: Any, frame: Any, wanted: Callable[[Sequence[str]], Sequence[str]]) -> Any:
    names = list(map(str, frame.columns))
    columns = wanted(names)
    check_doubles(columns, "the frame")
    if len(set(names)) < len(names) or names != list(frame.columns):
        frame = frame.iloc[:, [names.index(name) for name in columns]]
        frame.columns = columns
    spans = {name: frame[name].map(str, na_action="ignore") for name in columns if _holds_spans(frame[name].dtype)}
    frame = frame.assign(**spans) if spans else frame
    try:
        return pa.Table.from_pandas(frame, columns=columns, preserve_index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        for name in columns:
            if frame[name].dtype == object:
                column_of(name, frame[name])  # says which rows hold which types
        raise InputError(f"the frame: {' '.join(map(str, error.args[::-1]))}") from error


def _holds_spans(dtype: Any) -> bool:
    """Tell months and intervals, also those of `pandas.cut`, which Arrow would take for numbers and pairs."""
    dtype = dtype.categories.dtype if hasattr(dtype, "categories") else dtype
    return str(dtype).startswith(("period[", "interval["))


def nesting(schema: Any) -> dict[str, bool]:
    """Tell of each column if it holds a list or a tensor a row."""
    return {column.name: "list" in str(column.type) or "tensor" in str(column.type) for column in schema}


def source_of_batches(batches: Iterator[Any], fields: Mapping[str, Any]) -> Source:
    """The source of an iterator of frames or record batches, which are read as they are sent."""
    naming = naming_of(fields)
    first = table_of(next(batches), lambda names: needed_columns(naming, names))
    schema = first.schema
    others = (table_of(batch, lambda names: [name for name in schema.names if name in names]) for batch in batches)
    named = ((f"batch {number}", table) for number, table in enumerate(chain([first], others)))
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
