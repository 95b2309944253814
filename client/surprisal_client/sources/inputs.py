"""The source of whatever a caller gives: arrays by name, a frame, files, batches or rows."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from surprisal_client.errors import InputError
from surprisal_client.fields import PREDICTIONS
from surprisal_client.optional import needed
from surprisal_client.sources import Source, files, frames, memory, rows, stream


def source_of(data: tuple[Any, ...], fields: Mapping[str, Any]) -> Source:
    """The source of the positional arguments and the fields of a call.

    Args:
        data: Nothing, where fields are arrays; labels and probabilities; or a frame, a path, a list of paths, or an
            iterator of frames, arrays or rows, in which case fields are the names of columns.
        fields: Values or names of columns.

    Raises:
        InputError: The arguments are of no such form, or the rows are wrong in themselves.
    """
    if len(data) == 2:
        return memory.source_of({"labels": data[0], "probabilities": data[1]} | dict(fields))
    if len(data) > 2:
        raise InputError(f"takes labels and probabilities, or one source of rows; found {len(data)} arguments")
    if not data:
        return memory.source_of(fields)
    return _of_one(data[0], fields)


def _of_one(given: Any, fields: Mapping[str, Any]) -> Source:
    if isinstance(given, str | Path):
        return files.source_of(files.paths_of([given]), fields)
    if frames.is_frame(given):
        return frames.source_of(given, fields)
    if isinstance(given, Mapping):
        return memory.source_of(_named(given, fields))
    if isinstance(given, list | tuple) and given and all(isinstance(item, str | Path) for item in given):
        return files.source_of(files.paths_of(given), fields)
    if not isinstance(given, Iterable):
        raise InputError(f"must be a frame, a path, or an iterator of batches or rows; found {type(given).__name__}")
    return _of_items(iter(given), fields)


def _named(columns: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an object of columns, of which `fields` may name some."""
    found = {name: columns[value] if isinstance(value, str) else value for name, value in fields.items()}
    return {name: values for name, values in columns.items() if name not in fields.values()} | found


def _of_items(items: Iterator[Any], fields: Mapping[str, Any]) -> Source:
    try:
        first = next(items)
    except StopIteration:
        raise InputError("must yield at least one batch or row, found none") from None
    every = chain([first], items)
    if isinstance(first, Mapping) and not _is_batch(first):
        return rows.source_of(every, fields)
    return frames.source_of_batches(map(_table, every), fields)


def _is_batch(first: Mapping[str, Any]) -> bool:
    """Tell columns from a row: their values are arrays, and more than the log-probabilities of one text."""
    if not all(getattr(value, "ndim", 0) for value in first.values()):
        return False
    return any(name in first for name in PREDICTIONS if name != "log_probabilities") or len(first) > 1


def _table(batch: Any) -> Any:
    if frames.is_frame(batch):
        return batch
    if isinstance(batch, tuple | list) and len(batch) == 2:
        batch = {"labels": batch[0], "probabilities": batch[1]}
    if not isinstance(batch, Mapping):
        rule = "must be a frame, a pair of labels and probabilities, or an object of arrays"
        raise InputError(f"a batch {rule}; found {type(batch).__name__}")
    needed("pyarrow", "arrow", "an iterator of batches")
    return stream.table_of(memory.columns_of(batch))
