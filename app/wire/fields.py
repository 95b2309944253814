"""The named columns of typed formats: which names a table may have, and which types may stand under each."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.core.checkpoints import at_checkpoints
from app.core.columns import BoolArray, Column, IntArray, Ragged, marked_rows
from app.core.synonyms import meant
from app.core.tasks import COLUMN_NAMES, COLUMNS, TaskName, candidate_fields, candidate_of
from app.errors import FieldError, InvalidInput, TooLarge, clip, describe, pointer
from app.wire.columns import INTEGER, LARGEST_INT, LARGEST_WHOLE, NAMES, ROW_RULES, ROW_SLICE_RULE, WIDE, Kind, Rule
from app.wire.limits import Limits

SLICE = "slices."
SLICE_ROWS = 2**14
"""The strings that are made in one step: a millisecond, for which the event loop waits."""
EXTRA = "extra_columns"
"""The query parameter that says what becomes of columns that hold nothing."""
PART = re.compile(rf"({'|'.join(name for name in WIDE if COLUMNS[name].kinds[0] in ('number', 'score'))})[_.]")
"""A name that begins like one of several columns of numbers."""

CODES = {"f": "fiu", "i": "iu", "b": "b", "O": "OU"}
"""The codes of types that a kind accepts, by the code of its own type; the codes are those of `numpy.dtype.kind`."""

Place: TypeAlias = Callable[[int], tuple[int, ...]]
"""A function from the position of a value in a flat array to its row in the body and its position in the row."""


@dataclass(frozen=True, slots=True)
class Field:
    """A column by its name, with the pointer for errors and the rule for values."""

    name: str
    pointer: str
    rule: Rule

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of values that the column may hold."""
        return self.rule.kinds

    @property
    def is_mask(self) -> bool:
        """Tell if the column says which values of others are scored."""
        candidate = candidate_of(self.name)
        return (candidate[1] if candidate else self.name) == "mask"

    @property
    def takes_null(self) -> bool:
        """Tell if null is a value like others: that of a slice."""
        return self.name.startswith(SLICE)

    def of_kinds(self, *kinds: Kind) -> "Field":
        """The same column with other kinds: fewer, or those that a format writes differently."""
        return replace(self, rule=replace(self.rule, kinds=kinds))

    def kind(self, code: str, type_name: str, hint: str = "") -> Kind:
        """The kind of values of a type.

        Args:
            code: NumPy's code for the type; `O` for strings, any other for types that no column holds.
            type_name: The type in its format's words, for the error.
            hint: The advice about the type, for the error.

        Raises:
            InvalidInput: The column may not hold such values.
        """
        for kind in self.kinds:
            if code in CODES[kind.dtype.kind]:
                return kind
        if code == "f" and self.rule.takes_whole:
            return INTEGER
        words = [kind.word.partition(" ")[2] + "s" for kind in self.kinds]
        rule = " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
        hint = hint or (self._cast_hint() if code == "f" else "")
        raise InvalidInput.at(self.pointer, "wrong_type", f"must be {rule}, found {clip(type_name)}{hint}")

    def _cast_hint(self) -> str:
        """The advice about floats where there may be none."""
        return "; cast them to booleans" if self.name == "mask" else ""

    def refusal(self, positions: Sequence[int], place: Place, code: str, detail: Callable[[int], str]) -> InvalidInput:
        """An error for each of some positions, about which `detail` says what must hold and what was found."""
        errors = (
            FieldError("/".join((self.pointer, *map(str, place(position)))), code, detail(position))
            for position in positions
        )
        return InvalidInput(errors, len(positions))

    def cast(self, values: NDArray[Any], kind: Kind, place: Place, scored: BoolArray | None = None) -> NDArray[Any]:
        """Cast values to the type of a kind; float32 is kept.

        Args:
            scored: The marks of the values that are scored; None for all. Others may be no number.

        Raises:
            InvalidInput: An integer has more than 63 bits, or a number that must be whole is not.
        """
        if kind.dtype.kind == "f" and values.dtype in (np.float32, np.float64):
            return values
        if kind.dtype.kind == "i" and values.dtype.kind == "f":
            values = self._whole(values, place, scored)
        if kind.dtype.kind == "i" and values.dtype == np.uint64:
            flat, rule = values.ravel(), f"must be at most {LARGEST_INT}, found"
            hint = "; send them as strings" if self.pointer.startswith(NAMES) else ""
            large = np.flatnonzero(flat > LARGEST_INT).tolist()
            if large:
                raise self.refusal(large, place, "out_of_range", lambda i: f"{rule} {flat[i]}{hint}")
        if values.dtype.kind == "U" and kind.dtype == object:
            return _strings(values)
        return values.astype(kind.dtype, copy=False)

    def _whole(self, values: NDArray[Any], place: Place, scored: BoolArray | None) -> NDArray[Any]:
        """Numbers of which none that is scored has a fraction; 0 stands for others that are no integers.

        Raises:
            InvalidInput: One has, or is no number, or more than 53 bits: then it may not be what was written.
        """
        flat = values.ravel()
        wrong = ~((np.floor(flat) == flat) & (np.abs(flat) <= LARGEST_WHOLE))
        refused = np.flatnonzero(wrong if scored is None else wrong & scored).tolist()
        if refused:
            hint = "; soft or one-hot labels are `targets`" if self.name == "labels" else ""
            hint = "; cast them to integers or strings" if self.pointer.startswith(NAMES) else hint
            rule = "must be an integer, found"
            raise self.refusal(refused, place, "wrong_type", lambda i: f"{rule} {describe(flat[i].item())}{hint}")
        return np.where(wrong, 0.0, flat).reshape(values.shape)


class Masks:
    """The masks among the columns of some rows, as they are read: first these, then the columns that they are for."""

    def __init__(self) -> None:
        self._masks: dict[str, Column] = {}

    def add(self, field: Field, column: Column) -> None:
        """Keep a column if it is a mask."""
        if field.is_mask:
            self._masks[_owner(field)] = column

    def of(self, field: Field) -> Column | None:
        """The mask of a column: that of its candidate, else the one that all share; None leaves out none."""
        return self._masks.get(_owner(field), self._masks.get(""))


def _owner(field: Field) -> str:
    """The candidate that a column is of; empty for none."""
    candidate = candidate_of(field.name)
    return candidate[0] if candidate else ""


def _strings(values: NDArray[Any]) -> NDArray[Any]:
    """Strings as objects, made in steps that leave the interpreter to others."""
    found = np.empty(values.shape, object)
    for start in at_checkpoints(range(0, len(values), SLICE_ROWS)):
        found[start : start + SLICE_ROWS] = values[start : start + SLICE_ROWS]
    return found


def fields_of(names: Sequence[str], limits: Limits, task: TaskName, *, has_candidates: bool = False) -> list[Field]:
    """The fields that the names of a table's columns stand for, those of candidates too if it may have some.

    Raises:
        TooLarge: More columns than `max_columns`.
        InvalidInput: A name is no column of a scoring request, or comes twice.
    """
    check_columns(len(names), limits)
    if not names:
        raise InvalidInput.at("", "missing", "must have columns, found none")
    unknown = [
        name
        for name in names
        if name not in ROW_RULES[task]
        and not name.startswith(SLICE)
        and not (has_candidates and is_of_candidate(name, task))
    ]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if unknown or twice:
        raise InvalidInput(chain(map(_unknown, unknown), map(_repeated, twice)), len(unknown) + len(twice))
    return [field_of(name, task) for name in names]


def field_of(name: str, task: TaskName) -> Field:
    """The field of a name that a column may have."""
    candidate = candidate_of(name)
    return Field(name, _pointer(name), ROW_RULES[task].get(candidate[1] if candidate else name, ROW_SLICE_RULE))


def is_of_candidate(name: str, task: TaskName) -> bool:
    """Tell if a name is that of a column with a field of a candidate.

    >>> is_of_candidate("candidates.new.logits", "binary"), is_of_candidate("candidates.new", "binary")
    (True, False)
    """
    candidate = candidate_of(name)
    return candidate is not None and candidate[1] in candidate_fields(task)


def check_columns(n_columns: int, limits: Limits) -> None:
    """Refuse a table of more columns than `max_columns`."""
    if n_columns > limits.max_columns:
        raise TooLarge(f"a table must have at most {limits.max_columns} columns, found {n_columns}")


def gathered(fields: Iterable[Field], columns: Iterable[Column]) -> dict[str, Any]:
    """The columns by name, those of slices and of each candidate in dictionaries of their own."""
    body: dict[str, Any] = {}
    for field, column in zip(fields, columns, strict=True):
        if candidate := candidate_of(field.name):
            body.setdefault("candidates", {}).setdefault(candidate[0], {})[candidate[1]] = column
        elif field.name.startswith(SLICE):
            body.setdefault("slices", {})[field.name.removeprefix(SLICE)] = column
        else:
            body[field.name] = column
    return body


def holds_scored(mask: Column | None) -> bool:
    """Tell if any row is scored under a mask; None leaves out none."""
    return mask is None or bool(marked_rows(mask).any())


def value_mask(scored: Column | None, lengths: IntArray) -> BoolArray | None:
    """The mask of single values in rows of some lengths; None if all are scored."""
    if scored is None or len(scored) != len(lengths):
        return None
    if isinstance(scored, Ragged):
        if bool((lengths == np.diff(scored.offsets)).all()):
            return scored.values
    elif scored.ndim > 1 and bool((lengths == scored.shape[1]).all()):
        return scored.ravel()
    return np.repeat(marked_rows(scored), lengths)


def in_order(first_row: int, width: int | None = None) -> Place:
    """The places of single values, or of values in rows of one width."""
    if width is None:
        return lambda position: (first_row + position,)
    return lambda position: (first_row + position // width, position % width)


def in_rows(first_row: int, offsets: IntArray) -> Place:
    """The places of values in uneven rows."""

    def place(position: int) -> tuple[int, ...]:
        row = int(np.searchsorted(offsets, position, side="right")) - 1
        return first_row + row, position - int(offsets[row])

    return place


def _pointer(name: str) -> str:
    if candidate := candidate_of(name):
        return pointer("candidates", *candidate)
    return pointer("slices", name.removeprefix(SLICE)) if name.startswith(SLICE) else pointer(name)


def _repeated(name: str) -> FieldError:
    return FieldError(_pointer(name), "duplicate", "must be one column, found several")


def _unknown(name: str) -> FieldError:
    close = meant(name, COLUMN_NAMES, cutoff=0.7)
    hint = f"; {EXTRA}=ignore in the query leaves it out"
    if close:
        hint = f'; did you mean "{close}"? {close}={clip(name)} in the query says so, {EXTRA}=ignore leaves it out'
    if match := PART.match(name):
        first = f"{match[1]}_0, {match[1]}_1"
        hint = f"; columns of one field are numbered in the order of the classes: {first} and so on"
        hint += f", or {match[1]}={match[0]}* in the query takes them by name"
    elif name.startswith("arr_"):
        hint = "; give each array its name: numpy.savez(file, labels=..., probabilities=...)"
    rule = f"must be a column of a scoring request or {SLICE}<name>; options go into the query string"
    return FieldError(_pointer(name), "unknown_field", rule + hint)
