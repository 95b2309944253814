"""A reader of FlatBuffers, as far as Arrow needs it: scalars, strings, tables, vectors of tables or of pairs."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """A table inside a buffer; reading outside of it raises `struct.error`."""

    buffer: bytes | bytearray
    position: int

    def scalar(self, field: int, form: str, default: int = 0) -> int:
        """The integer of a field, packed as `form` says."""
        position = self._position(field)
        return default if position is None else _integer(form, self.buffer, position)

    def table(self, field: int) -> "Table | None":
        """The table that a field points to."""
        position = self._position(field)
        return None if position is None else Table(self.buffer, _target(self.buffer, position))

    def tables(self, field: int) -> Iterator["Table"]:
        """The vector of tables that a field points to."""
        position = self._position(field)
        if position is None:
            return
        start = _target(self.buffer, position) + 4
        for i in range(_integer("<I", self.buffer, start - 4)):
            yield Table(self.buffer, _target(self.buffer, start + 4 * i))

    def text(self, field: int) -> str:
        """The string that a field points to; empty if it points to none."""
        position = self._position(field)
        if position is None:
            return ""
        start = _target(self.buffer, position) + 4
        return bytes(self.buffer[start : start + _integer("<I", self.buffer, start - 4)]).decode()

    def pairs(self, field: int) -> Iterator[tuple[int, int]]:
        """The vector of structs of two 64-bit integers that a field points to."""
        position = self._position(field)
        if position is None:
            return
        start = _target(self.buffer, position) + 4
        for i in range(_integer("<I", self.buffer, start - 4)):
            yield _integer("<q", self.buffer, start + 16 * i), _integer("<q", self.buffer, start + 16 * i + 8)

    def blocks(self, field: int) -> Iterator[tuple[int, int]]:
        """The places in a file that the structs `Block` of a vector describe: the start, and the length in bytes."""
        position = self._position(field)
        if position is None:
            return
        start = _target(self.buffer, position) + 4
        for i in range(_integer("<I", self.buffer, start - 4)):
            place = start + 24 * i
            lengths = _integer("<i", self.buffer, place + 8), _integer("<q", self.buffer, place + 16)
            yield _integer("<q", self.buffer, place), sum(lengths)

    def _position(self, field: int) -> int | None:
        entries = self.position - _integer("<i", self.buffer, self.position)
        entry = 4 + 2 * field
        offset = _integer("<H", self.buffer, entries + entry) if entry < _integer("<H", self.buffer, entries) else 0
        return self.position + offset if offset else None


def root(buffer: bytes | bytearray) -> Table:
    """The table a buffer begins with."""
    return Table(buffer, _target(buffer, 0))


def _target(buffer: bytes | bytearray, position: int) -> int:
    return position + _integer("<I", buffer, position)


def _integer(form: str, buffer: bytes | bytearray, position: int) -> int:
    if position < 0:
        raise struct.error("an offset before the buffer")
    value: int = struct.unpack_from(form, buffer, position)[0]
    return value
