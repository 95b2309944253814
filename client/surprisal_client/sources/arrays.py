"""Values of a field in whatever form they come: lists, arrays, tensors, series, frames."""

import math
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from surprisal_client.fields import wrong

Column = NDArray[Any] | list[Any]
"""An array of one type, or a list: of rows of uneven length, or of values with gaps."""


def column_of(name: str, values: Any) -> Column:
    """The values of a field as an array of one type, or as a list if no such array holds them.

    >>> column_of("labels", ("a", "b"))
    array(['a', 'b'], dtype='<U1')
    >>> column_of("log_probabilities", [[-0.5, -1.0], [-2.0]])
    [[-0.5, -1.0], [-2.0]]

    Raises:
        InputError: The values are of several types, or there is only one.
    """
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        names = "; names of columns need a frame or a file" if isinstance(values, str) else ""
        raise wrong(name, "wrong_type", f"must hold a value a row, found {_told(values)}{names}")
    values = _in_numpy(values)
    values = values if isinstance(values, np.ndarray) else _as_array(values)
    if isinstance(values, np.ndarray) and values.dtype == object:
        return _objects(name, values)
    if isinstance(values, np.ndarray) and values.dtype.kind in "mM":
        return [None if np.isnat(value) else str(value) for value in values]
    found: Column = values
    return found


def _in_numpy(values: Any) -> Any:
    """Take tensors off their device and frames out of their library."""
    if hasattr(values, "detach"):  # PyTorch: NumPy has no bfloat16
        values = values.detach().cpu()
        values = values.float() if "bfloat16" in str(values.dtype) else values
        return values.numpy()
    if type(values).__module__.partition(".")[0] == "pyarrow":
        return values.to_pylist() if _is_nested(values) else values.to_numpy(zero_copy_only=False)
    if hasattr(values, "to_numpy"):
        has_gaps = str(getattr(getattr(values, "dtype", None), "na_value", "")) == "<NA>" and values.isna().any()
        return values.to_numpy(dtype=object) if has_gaps else values.to_numpy()  # pandas makes NaN of gaps in integers
    return values if isinstance(values, np.ndarray | list) else list(values)


def _is_nested(values: Any) -> bool:
    return "list" in str(values.type)


def _as_array(values: list[Any]) -> Column:
    """The array of a list, unless its rows are of uneven length or hold types that NumPy would mix."""
    if values and any(isinstance(value, list | tuple | np.ndarray) or hasattr(value, "detach") for value in values):
        return _rows(values)
    kinds = {type(value) for value in values}
    if len(kinds) > 1 and not kinds <= {int, float} and not all(isinstance(value, np.generic) for value in values):
        return np.fromiter(values, dtype=object, count=len(values))
    try:
        return np.asarray(values)
    except (ValueError, OverflowError):
        return values


def _rows(values: list[Any]) -> Column:
    rows = [_in_numpy(value) if hasattr(value, "__len__") else value for value in values]
    if len({len(row) if hasattr(row, "__len__") else -1 for row in rows}) == 1:
        array = np.asarray(rows)
        if array.dtype.kind in "bifu":
            return array
    return [row.tolist() if isinstance(row, np.ndarray) else row for row in rows]


def _objects(name: str, values: NDArray[Any]) -> Column:
    """Python objects as an array of one type; gaps become None."""
    if values.ndim != 1:
        return [list(row) for row in values]
    plain = [_plain(value) for value in values.tolist()]
    if any(isinstance(value, list | np.ndarray) for value in plain):
        return _rows(plain)
    _check_types(name, plain)
    return plain if any(value is None for value in plain) or not plain else np.asarray(plain)


def _plain(value: Any) -> Any:
    """The value, by its text if it is a date or the like; None for a gap: NaN among names, NaT, and pandas' NA."""
    if value is None or (isinstance(value, float) and math.isnan(value)) or str(value) in ("<NA>", "NaT"):
        return None
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, str | bool | int | float | list | np.ndarray):
        return value
    return float(value) if isinstance(value, Decimal) else str(value)


def _check_types(name: str, values: list[Any]) -> None:
    """Refuse names among numbers, for no one could say which was meant."""
    first: tuple[int, type] | None = None
    for row, value in enumerate(values):
        kind = float if type(value) is int else type(value)
        if value is None or (first and kind is first[1]):
            continue
        if first:
            rule = f"must be of one type; row {first[0]} holds {_told(values[first[0]])}, row {row} {_told(value)}"
            raise wrong(name, "wrong_type", rule)
        first = row, kind


def _told(value: Any) -> str:
    return f"the {type(value).__name__} {str(value)[:80]!r}"


def dimensions_of(column: Column) -> int:
    """1 for a value a row, 2 for several.

    >>> dimensions_of([[-0.5], [-1.0, -2.0]])
    2
    """
    if isinstance(column, np.ndarray):
        return 1 if column.ndim == 1 else 2
    return 2 if any(isinstance(row, list) for row in column) else 1
