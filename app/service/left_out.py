"""A remedy for parts in which no row is scored: their values may be anything, so valid rows take their place."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from app.core.batch.checked import MAX_SLICES
from app.core.columns import Column, IntArray, Ragged, kind_of, marked_rows
from app.errors import InvalidInput
from app.service.candidates import CompareRequest
from app.service.scoring import ScoreRequest

MAX_ROWS = 1 << 16
"""The most rows of a part that is made here in place of others."""

Rows = TypeVar("Rows", ScoreRequest, CompareRequest)
"""A request with the rows of a part."""

Names: TypeAlias = dict[tuple[str, str], dict[Any, None]]
"""The values of each slice, by its name and type, in the order in which they came."""


def completed(parts: Iterable[Rows]) -> Iterator[Rows]:
    """Yield the parts; in one where `mask` leaves out all rows, copies of a scored row take their place.

    Rows that are left out may have any length and any type, so the rows of other parts decide both. Rows before the
    first scored one wait for it; only their number and the values of their slices are kept. Without any scored row,
    copies of the first row of the body stand for all rows after the first part.

    Raises:
        InvalidInput: The mask ends before the first row that is scored.
    """
    model: Rows | None = None
    first: Rows | None = None
    names: Names = {}
    n_waiting = 0
    for part in parts:
        row = _scored_row(part)
        if row is None and model is None:
            if first is None:
                first = part.owned()
            else:
                _collect(part.slices, names)
            n_waiting += _n_rows(part)
        elif row is None and model is not None:
            slices = {
                name: values for name, values in part.slices.items() if name in model.slices and _has_values(values)
            }
            yield _unscored(model, _n_rows(part), slices)
        else:
            if model is None and row is not None and _is_even(part):
                model = taken(part, np.array([row]))
                _collect({} if first is None else first.slices, names)
                yield from _waiting(model, n_waiting, names)
            yield part
    if model is None and first is not None:
        yield first
        if n_waiting > _n_rows(first):
            yield from _waiting(taken(first, np.array([0])), n_waiting - _n_rows(first), names)


def _check_mask(model: Rows, n_waiting: int) -> None:
    if n_waiting and "mask" not in model.columns:
        rule = f"must be in all rows or in none, found a change before row {n_waiting}"
        raise InvalidInput.at("/mask", "missing", rule)


def _scored_row(part: Rows) -> int | None:
    """The number of the first row that is scored; None where the mask leaves out all."""
    mask = part.columns.get("mask")
    if mask is None or kind_of(mask) != "b" or not len(mask):
        return 0
    if isinstance(mask, Ragged) and part.task != "tokens":  # which is refused
        return 0
    if part.task == "tokens" and "gradient" in part.include:  # which has the shape of every document
        return 0
    rows = marked_rows(mask)
    return int(rows.argmax()) if rows.any() else None


def _collect(slices: Mapping[str, Column], names: Names) -> None:
    for name, values in slices.items():
        known = names.setdefault((name, kind_of(values)), {})
        if isinstance(values, np.ndarray) and len(known) <= MAX_SLICES and _has_values(values):
            known.update(dict.fromkeys(values.tolist()))


def _has_values(values: Column) -> bool:
    """Tell if a slice has values in a part; where all are null, the readers put empty strings."""
    return isinstance(values, np.ndarray) and (kind_of(values) != "U" or any(values.tolist()))


def _waiting(model: Rows, n_rows: int, names: Names) -> Iterator[Rows]:
    """Yield unscored copies of the model for rows that waited; the first ones hold the values of slices so far."""
    _check_mask(model, n_rows)
    slices = {}
    for name, values in model.slices.items():
        known = list(names.get((name, kind_of(values)), ()))
        slices[name] = np.array(known, values.dtype if isinstance(values, np.ndarray) else np.object_)
    for start in range(0, n_rows, MAX_ROWS):
        n = min(MAX_ROWS, n_rows - start)
        yield _unscored(
            model, n, {name: _filled(known[start:][:n], model.slices[name], n) for name, known in slices.items()}
        )


def _filled(known: NDArray[Any], model: Column, n_rows: int) -> NDArray[Any]:
    rest = np.zeros(n_rows - len(known), np.int64)
    return np.concatenate([known, _rows(model, rest)])


def _unscored(model: Rows, n_rows: int, slices: Mapping[str, Column]) -> Rows:
    """Copies of the model's row that are not scored, with slices of their own where the types fit."""
    part = taken(model, np.zeros(n_rows, np.int64))
    fitting = {name: values for name, values in slices.items() if kind_of(values) == kind_of(model.slices[name])}
    marks = part.columns["mask"]
    mask = Ragged(np.zeros_like(marks.values), marks.offsets) if isinstance(marks, Ragged) else np.zeros_like(marks)
    return part._replace(columns={**part.columns, "mask": mask}, slices={**part.slices, **fitting})


def taken(part: Rows, rows: IntArray) -> Rows:
    """The part with the rows at some places, in their order."""
    columns = {name: _rows(values, rows) for name, values in part.columns.items()}
    return part._replace(columns=columns, slices={name: _rows(values, rows) for name, values in part.slices.items()})


def _rows(values: Column, rows: IntArray) -> Column:
    return values.take(rows) if isinstance(values, Ragged) else values[rows]


def _is_even(part: Rows) -> bool:
    """Tell if all columns are of one length above 0, as those of a whole file need not be."""
    lengths = set(map(len, [*part.columns.values(), *part.slices.values()]))
    return len(lengths) == 1 and 0 not in lengths


def _n_rows(part: Rows) -> int:
    return len(next(iter(part.columns.values())))
