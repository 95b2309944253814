"""Checks of the values of a batch, made piece by piece so that a piece stays in the cache.

A check states what must hold, so that NaN fails it. It raises `InvalidInput` that points at the elements at fault.
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.core.batch.findings import NO_FINDING, Finding
from app.core.checkpoints import at_checkpoints
from app.core.columns import BoolArray, FloatArray, IntArray
from app.core.formulas.losses import class_major, class_sum, log_sum_exp
from app.errors import MAX_LISTED_ERRORS, FieldError, InvalidInput, describe

Piece: TypeAlias = NDArray[Any]

_EIGHT_BYTES = (np.dtype(np.float64), np.dtype(np.int64))
_PIECE = 1 << 17  # elements, 1 MiB of doubles: sound pieces are only read; a broken rule makes temporaries of this size


def pieces(n_rows: int, n_columns: int) -> Iterator[slice]:
    """Slices that cover `n_rows` rows, each of about `_PIECE` elements at most."""
    step = max(1, _PIECE // max(1, n_columns))
    return (slice(start, min(start + step, n_rows)) for start in at_checkpoints(range(0, n_rows, step)))


def scored_values(values: NDArray[Any], scored: BoolArray | None, rows: slice) -> tuple[NDArray[Any], IntArray | None]:
    """The scored rows of a slice, and their indices in it, which are None where all are scored."""
    if scored is None:
        return values[rows], None
    kept = np.flatnonzero(scored[rows])
    return values[rows][kept], kept


class Rule(NamedTuple):
    """A rule that every element must keep.

    Attributes:
        text: The rule in words, "must ...", with a hint after a semicolon.
        passes: A quick verdict on a whole piece that is not empty.
        holds: The verdict on each element, asked only where a piece does not pass.
    """

    text: str
    passes: Callable[[Piece], bool]
    holds: Callable[[Piece], BoolArray]


def check_elements(field: str, values: NDArray[Any], scored: BoolArray | None, rule: Rule) -> None:
    """Refuse the scored elements of `values` (n,) or (n, k) that break a rule; `scored` is by row or by element."""
    places: list[list[int]] = []
    n_errors = 0
    for rows in pieces(len(values), values[:1].size):
        piece = values[rows]
        chosen = piece if scored is None else piece[scored[rows]]
        if chosen.size and not rule.passes(chosen):
            bad = np.argwhere(~rule.holds(piece) & _spread(scored, rows, piece))
            bad[:, 0] += rows.start
            places += bad[: MAX_LISTED_ERRORS - len(places)].tolist()
            n_errors += len(bad)
    if n_errors:
        raise InvalidInput((_element_error(field, values, place, rule.text) for place in places), n_errors)


def _spread(scored: BoolArray | None, rows: slice, piece: NDArray[Any]) -> BoolArray | np.bool_:
    if scored is None:
        return np.True_
    return scored[rows] if scored.ndim == piece.ndim else scored[rows][:, None]


def _element_error(field: str, values: NDArray[Any], place: list[int], rule: str) -> FieldError:
    pointer = "/".join(["", field, *map(str, place)])
    return FieldError(pointer, "out_of_range", found(rule, values[tuple(place)].item()))


def found(rule: str, value: object) -> str:
    """The text of an error: a rule, then what was found, then the hint that the rule has after a semicolon."""
    must, separator, hint = rule.partition(";")
    if value != value:  # noqa: PLR0124 NaN, which a hint about numbers says nothing of
        return f"{must}, found {describe(value)}"
    return f"{must}, found {describe(value)}{separator}{hint}"


def check_interval(
    field: str, values: NDArray[Any], scored: BoolArray | None, bounds: tuple[float, float], rule: str
) -> None:
    """Refuse scored elements outside a closed interval."""
    check_elements(field, values, scored, _interval(bounds, rule))


def _interval(bounds: tuple[float, float], text: str) -> Rule:
    low, high = bounds

    def passes(piece: Piece) -> bool:
        # as unsigned integers, doubles in [0, high] are the smallest: one comparison takes half the time of two
        if (
            not low
            and piece.dtype in _EIGHT_BYTES
            and piece.view(np.uint64).max() <= np.array(high, piece.dtype).view(np.uint64)
        ):
            return True
        return bool(piece.max() <= high and (low == -np.inf or piece.min() >= low))  # NaN fails

    return Rule(text, passes, lambda piece: (piece >= low) & (piece <= high))


def within_bounds(
    field: str, values: NDArray[Any], scored: BoolArray | None, interval: "Interval"
) -> tuple[NDArray[Any], Finding]:
    """The values (n,) or (n, k), moved to the bound where they lie outside by rounding, and the rows concerned.

    Raises:
        InvalidInput: A scored element lies outside by more than the tolerance.
    """
    finding, low, high = NO_FINDING, interval.low, interval.high
    inside = _interval((low, high), interval.rule)
    for rows in pieces(len(values), values[:1].size):
        piece = values[rows]
        chosen = piece if scored is None else piece[scored[rows]]
        if chosen.size and not inside.passes(chosen):
            beyond = low - interval.tolerance, high + interval.tolerance
            check_interval(field, values, scored, beyond, interval.rule)
            outside = ((piece < low) | (piece > high)) & _spread(scored, rows, piece)
            with np.errstate(invalid="ignore"):  # -inf - -inf is NaN, which no tolerance covers
                deviation = np.where(outside, np.maximum(low - piece, piece - high), 0.0)
            deviation = deviation.reshape(len(piece), -1).max(axis=1)
            finding = finding.with_rows(np.flatnonzero(deviation > 0.0) + rows.start, float(deviation.max()))
    return (np.clip(values, low, high) if finding.count else values), finding


class Interval(NamedTuple):
    """A closed interval in which elements must lie, but for rounding, and the rule in words."""

    low: float
    high: float
    tolerance: float
    rule: str


def check_logits(field: str, logits: NDArray[Any], scored: BoolArray | None) -> None:
    """Refuse NaN and plus infinity; minus infinity is probability 0."""
    text = "must be a finite number or minus infinity"
    rule = Rule(text, lambda piece: bool(piece.max() < np.inf), lambda piece: piece < np.inf)
    check_elements(field, logits, scored, rule)


def check_not_only_minus_infinity(field: str, values: NDArray[Any], scored: BoolArray | None) -> None:
    """Refuse a scored row (n, k) whose every entry is minus infinity: it has no distribution."""
    for rows in pieces(*values.shape):
        piece, kept = scored_values(values, scored, rows)
        if piece.size and piece.min() == -np.inf:
            empty = np.flatnonzero((piece == -np.inf).all(axis=1))
            if empty.size:
                errors = (
                    FieldError(
                        f"/{field}/{row}", "out_of_range", "a row must have an entry above minus infinity, found none"
                    )
                    for row in row_numbers(empty, kept, rows)[:MAX_LISTED_ERRORS]
                )
                raise InvalidInput(errors, len(empty))


def row_numbers(positions: IntArray, kept: IntArray | None, rows: slice) -> list[int]:
    """The row numbers in the batch of positions among the scored rows of a slice."""
    numbers: list[int] = ((positions if kept is None else kept[positions]) + rows.start).tolist()
    return numbers


def check_row_sums(
    field: str, values: NDArray[Any], scored: BoolArray | None, tolerance: float, *, logarithmic: bool = False
) -> None:
    """Refuse scored rows of (n, k) that do not sum to 1 within `tolerance`."""
    rule = f"must have {'logsumexp 0' if logarithmic else 'sum 1'} within {tolerance:g}"
    errors: list[FieldError] = []
    n_errors = 0
    for numbers, sums in off_rows(values, scored, tolerance, logarithmic=logarithmic):
        n_errors += len(numbers)
        errors += [
            FieldError(f"/{field}/{row}", "not_normalized", f"{rule}, found {total:.10g}")
            for row, total in zip(numbers, sums, strict=True)
        ]
        del errors[MAX_LISTED_ERRORS:]
    if n_errors:
        raise InvalidInput(errors, n_errors)


def off_rows(
    values: NDArray[Any], scored: BoolArray | None, tolerance: float, *, logarithmic: bool = False
) -> Iterator[tuple[list[int], list[float]]]:
    """The numbers and sums of the scored rows (n, k) that do not sum to 1 within `tolerance`, piece by piece.

    For rows of logarithms the sum is the logsumexp, which must be 0.
    """
    for rows in pieces(*values.shape):
        piece, kept = scored_values(values, scored, rows)
        if len(piece):
            positions, sums = _off_logarithmic(piece, tolerance) if logarithmic else _off(piece, tolerance)
            if len(positions):
                yield row_numbers(positions, kept, rows), sums.tolist()


def _off(values: NDArray[Any], tolerance: float) -> tuple[IntArray, FloatArray]:
    sums = class_sum(class_major(values))
    off = np.flatnonzero(~(np.abs(sums - 1.0) <= tolerance))
    return off, sums[off]


def _off_logarithmic(values: NDArray[Any], tolerance: float) -> tuple[IntArray, FloatArray]:
    totals = log_sum_exp(class_major(values))
    off = np.flatnonzero(~(np.abs(totals) <= tolerance))
    return off, totals[off]


def looks_like_probabilities(logits: NDArray[Any], scored: BoolArray | None, tolerance: float) -> bool:
    """Tell whether all scored rows (n, k) lie in [0, 1] and sum to 1, and there is such a row."""
    some = False
    for rows in pieces(*logits.shape):
        piece, _ = scored_values(logits, scored, rows)
        if piece.size:
            some = True
            if not (piece.min() >= -tolerance and piece.max() <= 1.0 + tolerance) or len(_off(piece, tolerance)[0]):
                return False
    return some
