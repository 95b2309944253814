"""Thrift's compact form, as Parquet uses it."""

from typing import Any, TypeAlias

from app.errors import MalformedBody

MAX_DEPTH = 12
TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)

Struct: TypeAlias = dict[tuple[int, int], Any]
"""By number and type: of a field in another type than its own, Thrift thinks as of one it does not know."""


def struct_of(buffer: bytes) -> tuple[Struct, int]:
    """The struct that a buffer begins with, and how many bytes it takes.

    Raises:
        MalformedBody: There is none, or not a whole one.
    """
    try:
        return _struct(buffer, 0, 0)
    except (IndexError, TypeError) as error:
        raise MalformedBody("must be a sound Parquet file, found other bytes in its descriptions") from error


def _struct(buffer: bytes, position: int, depth: int) -> tuple[Struct, int]:
    fields: Struct = {}
    number = 0
    while head := buffer[position]:
        position += 1
        kind = head & 15
        if head >> 4:
            number += head >> 4
        else:
            number, position = _signed(buffer, position)
        if kind in {TRUE, FALSE}:
            fields[number, TRUE] = kind == TRUE
        else:
            fields[number, kind], position = _value(kind, buffer, position, depth + 1)
    return fields, position + 1


def _value(kind: int, buffer: bytes, position: int, depth: int) -> tuple[Any, int]:
    if depth > MAX_DEPTH:
        raise TypeError("too many structs inside of another")
    if kind in {I16, I32, I64}:
        return _signed(buffer, position)
    if kind == BINARY:
        length, position = _unsigned(buffer, position)
        return buffer[position : position + length], position + length
    if kind == STRUCT:
        return _struct(buffer, position, depth)
    if kind in {LIST, SET}:
        return _list(buffer, position, depth)
    size = {TRUE: 1, FALSE: 1, BYTE: 1, DOUBLE: 8}.get(kind)
    if size is None:
        raise TypeError("no description of Parquet's holds that")
    return None, position + size


def _list(buffer: bytes, position: int, depth: int) -> tuple[list[Any], int]:
    kind, length = buffer[position] & 15, buffer[position] >> 4
    position += 1
    if length == 15:
        length, position = _unsigned(buffer, position)
    values = []
    for _ in range(length):
        value, position = _value(kind, buffer, position, depth + 1)
        if position > len(buffer):
            raise IndexError("a list goes on behind the end")
        values.append(value)
    return values, position


def _signed(buffer: bytes, position: int) -> tuple[int, int]:
    value, position = _unsigned(buffer, position)
    return (value >> 1) ^ -(value & 1), position


def _unsigned(buffer: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = buffer[position]
        value |= (byte & 127) << shift
        position, shift = position + 1, shift + 7
        if byte < 128:
            return value, position
        if shift > 63:
            raise TypeError("no integer has so many bytes")
