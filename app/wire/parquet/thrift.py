"""A reader of Thrift's compact form, as Parquet uses it; it keeps only the fields that are asked for."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar

from app.core.checkpoints import at_checkpoints
from app.errors import TooLarge

MAX_DEPTH = 12
"""The deepest nesting of structs and lists that are skipped."""
MAX_FIELD = (1 << 15) - 1
"""The largest number of a field in Thrift."""
MAX_ELEMENTS = 3 << 19
"""The most list elements in a footer, not counting integers: pyarrow may keep a hundred bytes for each."""

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
_INTEGERS = frozenset({I16, I32, I64})
_SIZES = {TRUE: 1, FALSE: 1, BYTE: 1, DOUBLE: 8}

Value = TypeVar("Value")

Path: TypeAlias = tuple[int, int]
"""The number and the type of a field. A field of an unexpected type counts as unknown, as in Thrift."""

NOTHING: Mapping[Path, int] = MappingProxyType({})


class Reader:
    """A position in a buffer, from which structs, lists and integers are read one after the other.

    The reader of pyarrow, which comes after this one, checks neither the types of list elements nor repeated fields.
    Both are refused here, so that the two readers cannot disagree.

    The methods raise `IndexError`, `KeyError` or `ValueError` for bytes that break the format.

    Attributes:
        position: The number of bytes that were read.
    """

    def __init__(self, buffer: bytes) -> None:
        self.position = 0
        self._buffer = buffer
        self._n_elements = 0

    def struct(
        self, wanted: Mapping[Path, Callable[["Reader"], Any]], within: Mapping[Path, int] = NOTHING
    ) -> dict[Path, Any]:
        """Read the struct that begins here.

        Args:
            wanted: The fields to keep, each with the function that reads it.
            within: The element types that other fields must have: of lists their own, of structs those of the lists in
                them.
        """
        buffer, found, number = self._buffer, {}, 0
        while head := buffer[self.position]:
            self.position += 1
            last, number = number, number + (head >> 4) if head > 15 else self.integer()
            if not last < number <= MAX_FIELD:
                raise ValueError("field numbers that do not rise")
            path = number, head & 15
            if path in wanted:
                found[path] = wanted[path](self)
            elif path[1] > FALSE:  # the type of a boolean is also its value, so there is nothing to skip
                self._skip(path[1], within.get(path, 0), 0)
        self.position += 1
        return found

    def structs(self, read: Callable[["Reader"], Value], weight: int = 1) -> list[Value]:
        """Read the list of structs that begins here.

        Args:
            weight: The number of elements that each counts for.

        Raises:
            TooLarge: The lists so far have more than `MAX_ELEMENTS`.
        """
        return [read(self) for _ in at_checkpoints(range(self._list(STRUCT, weight)[1]))]

    def passed(self, read: Callable[["Reader"], object]) -> bytes:
        """Read what begins here, and keep its bytes."""
        start = self.position
        read(self)
        return self._buffer[start : self.position]

    def integer(self) -> int:
        """Read the integer that begins here."""
        value = self._buffer[self.position]
        if value < 128:  # most take one byte
            self.position += 1
        else:
            value = self._unsigned()
        return (value >> 1) ^ -(value & 1)

    def _skip(self, kind: int, elements: int, depth: int) -> None:
        if kind in _INTEGERS:
            while self._buffer[self.position] > 127:
                self.position += 1
            self.position += 1
        elif kind == BINARY:
            n_bytes = self._unsigned()
            self.position += n_bytes
        elif kind == STRUCT:
            self._skip_struct(elements, _deeper(depth))
        elif kind == LIST:
            self._skip_list(elements, _deeper(depth))
        else:
            self.position += _SIZES[kind]

    def _skip_struct(self, elements: int, depth: int) -> None:
        buffer = self._buffer
        while head := buffer[self.position]:
            self.position += 1
            if head < 16:
                self._skip(I16, 0, depth)
            if head & 15 > FALSE:
                self._skip(head & 15, elements, depth)
        self.position += 1

    def _skip_list(self, elements: int, depth: int) -> None:
        kind, n_elements = self._list(elements)
        within = I64 if elements else 0  # lists inside of elements of a known type hold integers
        for _ in range(n_elements):
            self._skip(kind, within, depth)

    def _list(self, elements: int, weight: int = 1) -> tuple[int, int]:
        """Read the head of a list: the type of its elements, and their number."""
        head = self._buffer[self.position]
        self.position += 1
        n_elements = self._unsigned() if head >> 4 == 15 else head >> 4
        kind = head & 15
        if n_elements and elements and kind != elements and not {kind, elements} <= _INTEGERS:
            raise ValueError("a list of another type")
        if kind not in _INTEGERS:
            self._n_elements += weight * n_elements
        if self._n_elements > MAX_ELEMENTS:
            rule = "the footer of a Parquet file must describe fewer columns and row groups, and hold fewer notes"
            raise TooLarge(f"{rule}: write larger row groups, and lists in place of many columns")
        return kind, n_elements

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._buffer[self.position]
            value |= (byte & 127) << shift
            self.position, shift = self.position + 1, shift + 7
            if byte < 128:
                return value
            if shift > 63:
                raise ValueError("an integer of too many bytes")


def _deeper(depth: int) -> int:
    if depth == MAX_DEPTH:
        raise ValueError("structs or lists nested too deeply")
    return depth + 1
