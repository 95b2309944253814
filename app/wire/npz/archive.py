"""The reader of NumPy archives (`numpy.savez`), ZIPs of arrays: it reads no pickles and does not trust headers."""

import math
import mmap
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from app.core.batch.texts import texts_of
from app.core.checkpoints import at_checkpoints
from app.core.columns import Column
from app.core.paying import hold
from app.errors import InvalidInput, MalformedBody
from app.wire.columns import STRING
from app.wire.fields import Field, Masks, gathered, in_order, value_mask
from app.wire.foreign import likeness
from app.wire.limits import Limits, Tally
from app.wire.mapping.column_map import ColumnMap
from app.wire.npz.zips import Member, members
from app.wire.numbered import ONE_TYPE, Group

SUFFIX = ".npy"
HEADER_SIZES = {b"\x93NUMPY\1\0": 2, b"\x93NUMPY\2\0": 4, b"\x93NUMPY\3\0": 4}
"""The bytes that the length of an array's header takes, by the first bytes of its file."""
MAX_HEADER_BYTES = 4096
"""The longest header of an array that is read; that of a plain array takes about a hundred bytes."""
ENTRY = re.compile(
    r"""\s*'(descr|fortran_order|shape)'\s*:\s*('[^']*'|True|False|\([\d\s,]*\)|\[[^\]]*\])\s*(?:,\s*|(?=\}))"""
)
TYPE = re.compile(r"[<>|=](b1|[iu][1248]|f[248]|U[1-9]\d{0,3})")
"""The types that an array may have: no objects, records, dates or complex numbers; strings of bounded width."""

NUMBER_BYTES, STRING_BYTES = 8, 64
ALREADY = ("f8", "f4", "i8", "b1")
"""The types that are scored as they are."""

VOID = re.compile(r"[<>|=]V[12]")
NAMELESS = "; NumPy writes bfloat16 and float8 without their type: cast them to float32 before"


@dataclass(frozen=True, slots=True)
class Header:
    """The header of an array, its entries in NumPy's words, and the position at which the values begin."""

    descr: str
    is_fortran: bool
    shape: tuple[int, ...]
    start: int


def columns(body: bytes | bytearray | memoryview | BinaryIO, limits: Limits, names: ColumnMap) -> dict[str, Any]:
    """Read the columns of a NumPy archive, which lies in memory or in a file of the system.

    Values are copied only if they are compressed, not native, or not in the order of C; or not aligned, but for those
    in the memory of a `BytesIO`: they are moved there, by some bytes.

    Raises:
        MalformedBody: No whole archive of arrays.
        InvalidInput: A field is unknown, comes twice, or holds what it may not.
        TooLarge: More bytes or arrays than the limits allow, or than could ever fit into memory.
        Unavailable: Others hold the memory at present.
    """
    archive = memoryview(body).toreadonly() if isinstance(body, bytes | bytearray | memoryview) else _mapped(body)
    tally = Tally(limits)
    tally.add(len(archive), 0)
    if bytes(archive[:2]) != b"PK" and (words := likeness(archive)):
        raise MalformedBody(f"must be a NumPy archive, found {words}")
    found = members(archive, limits.max_columns)
    groups = names.groups({place: _name(member) for place, member in enumerate(found)}, limits)
    tally.add(0, sum(found[place].n_bytes for group in groups for place in group.places))
    held = _Held()
    columns = [held.column(group, [found[place] for place in group.places]) for group in at_checkpoints(groups)]
    return gathered([group.field for group in groups], columns)


class _Held:
    """The decoded arrays, each read once though it may hold several fields, and their bytes, paid for as they grow.

    Attributes:
        masks: The masks, which are read first.
    """

    def __init__(self) -> None:
        self.n_bytes = 0
        self.masks = Masks()
        self._contents: dict[str, tuple[memoryview, Header]] = {}
        self._arrays: dict[str, NDArray[Any]] = {}

    def add(self, n_bytes: int) -> None:
        """Pay for more bytes."""
        self.n_bytes += n_bytes
        hold("decoded", self.n_bytes)

    def header(self, member: Member) -> Header:
        """The header of an array, whose bytes are decoded here."""
        if member.name not in self._contents:
            self.add(0 if member.is_stored else member.n_bytes)
            content = memoryview(member.content())
            self._contents[member.name] = content, _header(content)
        return self._contents[member.name][1]

    def array(self, member: Member) -> NDArray[Any]:
        """The values of an array, which may be moved where they lie."""
        if member.name not in self._arrays:
            self._arrays[member.name] = _array(*self._contents[member.name])
        return self._arrays[member.name]

    def column(self, group: Group, members: list[Member]) -> NDArray[Any]:
        """The values of the arrays that make a column."""
        columns = [_member(group.field, member, self) for member in members]
        column = _stacked(group.field, columns, self) if group.nested else columns[0]
        self.masks.add(group.field, column)
        return column


def _member(field: Field, member: Member, held: _Held) -> NDArray[Any]:
    """The values of an array for a field."""
    header = held.header(member)
    held.add(_cast_bytes(header))
    return _column(field, header, partial(held.array, member), held.masks.of(field))


def _stacked(field: Field, columns: list[NDArray[Any]], held: _Held) -> NDArray[Any]:
    """The array (n, k) of k arrays (n,).

    Raises:
        InvalidInput: They differ in length or type, or are no single values.
    """
    if len({column.shape for column in columns}) > 1 or columns[0].ndim > 1:
        rule = "must be made of arrays of one length, one value a row"
        found = ", ".join(str(list(column.shape)) for column in columns[:4])
        raise InvalidInput.at(field.pointer, "wrong_shape", f"{rule}, found shapes {found}")
    if len({column.dtype.kind for column in columns}) > 1:
        raise InvalidInput.at(field.pointer, "wrong_type", ONE_TYPE)
    held.add(sum(column.nbytes for column in columns))
    return np.stack(columns, axis=1)


def _mapped(file: BinaryIO) -> memoryview:
    if isinstance(file, BytesIO):
        return file.getbuffer()
    try:
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except ValueError as error:
        raise MalformedBody("must be a NumPy archive, found nothing") from error


def _name(member: Member) -> str:
    if not member.name.endswith(SUFFIX):
        raise MalformedBody(f"must be an archive of arrays with names that end with {SUFFIX}, found another")
    return member.name.removesuffix(SUFFIX)


def _cast_bytes(header: Header) -> int:
    """The bytes that the values take beside those of the archive: numbers are cast to 8 bytes, strings are objects."""
    if not TYPE.fullmatch(header.descr):
        return 0
    dtype, n_values = np.dtype(header.descr), math.prod(header.shape)
    if dtype.kind == "U":
        return n_values * (STRING_BYTES + dtype.itemsize)
    is_copied = header.is_fortran or not dtype.isnative or dtype.str[1:] not in ALREADY
    return n_values * NUMBER_BYTES if is_copied else 0


def _column(field: Field, header: Header, array: Callable[[], NDArray[Any]], scored: Column | None) -> NDArray[Any]:
    match = TYPE.fullmatch(header.descr)
    type_name = "Python objects, which are not unpickled" if header.descr == "|O" else header.descr
    kind = field.kind(match[1][0] if match else "-", type_name, _hint(field, header.descr))
    _check_shape(field, header.shape)
    values = array()
    if values.dtype == np.bool_ and (values.view(np.uint8) > 1).any():
        raise MalformedBody("must have booleans of 0 and 1, found others")
    if values.dtype.kind == "U" and values.size:
        _check_text(field, values)
    is_whole = scored is not None and values.dtype.kind == "f" and kind.dtype.kind == "i"
    marks = value_mask(scored, np.full(len(values), math.prod(values.shape[1:]))) if is_whole else None
    found = field.cast(values, kind, in_order(0, *values.shape[1:]), marks)
    return texts_of(found) if field.takes_null and found.dtype.kind == "f" and found.ndim == 1 else found


def _hint(field: Field, descr: str) -> str:
    """The advice about a type that the field does not hold; empty if nothing is known to help."""
    if VOID.fullmatch(descr):
        return NAMELESS
    if field.kinds[0].dtype.kind == "f":
        return "; cast to float64" if descr[1:2] in {"f", "U", "S"} else ""
    return "; cast to str" if STRING in field.kinds and descr[1:2] in {"S", "M", "O"} else ""


def _header(content: memoryview) -> Header:
    """The header of versions 1 to 3 of the format.

    Raises:
        MalformedBody: It is not there, or longer than that of a plain array.
    """
    n_size = HEADER_SIZES.get(bytes(content[:8]), 0)
    start = 8 + n_size
    end = start + int.from_bytes(content[8:start], "little")
    if not n_size or end > start + MAX_HEADER_BYTES:
        raise MalformedBody("must be NumPy arrays, found a member with another header")
    text = bytes(content[start:end]).decode("latin-1").strip()
    entries = dict(ENTRY.findall(text))
    is_whole = text == "{" + "".join(match[0] for match in ENTRY.finditer(text)) + "}"
    if not is_whole or len(entries) != 3 or entries["fortran_order"] not in {"True", "False"}:
        raise MalformedBody("must be NumPy arrays with descr, fortran_order and shape, found another header")
    try:
        shape = tuple(int(n) for n in entries["shape"].strip("()").split(",") if n.strip())
    except ValueError as error:
        raise MalformedBody("must be NumPy arrays with a shape of integers, found another") from error
    return Header(entries["descr"].strip("'"), entries["fortran_order"] == "True", shape, end)


def _check_shape(field: Field, shape: tuple[int, ...]) -> None:
    if not shape:
        rule = "must hold one value a row, found a single one; options go into the query string"
        raise InvalidInput.at(field.pointer, "wrong_shape", rule)
    if len(shape) > 2 or shape[1:] == (0,):
        rule = f"must have one or two dimensions and at least one value a row, found shape {list(shape[:4])}"
        raise InvalidInput.at(field.pointer, "wrong_shape", rule)


def _array(content: memoryview, header: Header) -> NDArray[Any]:
    """The values of an array, native, aligned and in the order of C."""
    dtype, n_values = np.dtype(header.descr), math.prod(header.shape)
    if len(content) - header.start != n_values * dtype.itemsize:
        raise MalformedBody("must be NumPy arrays of as many values as their shape has, found others")
    if not n_values:
        return np.empty(0, dtype.newbyteorder("="))
    start = header.start if content.readonly else _aligned(content, header.start, dtype.alignment)
    values = np.frombuffer(content, dtype, n_values, start)
    values = values.reshape(header.shape, order="F" if header.is_fortran else "C")
    return np.require(values, dtype.newbyteorder("="), ["C_CONTIGUOUS", "ALIGNED"])


def _aligned(content: memoryview, start: int, alignment: int) -> int:
    """Move the values into the end of their header, so that they are aligned; return where they begin.

    A copy would need as much memory again, and to be given that takes longer than to score what is in it.
    """
    address, _ = np.frombuffer(content, np.uint8, 1, start).__array_interface__["data"]
    moved: int = start - address % alignment
    if moved < start:
        content[moved : moved + len(content) - start] = content[start:]
    return moved


def _check_text(field: Field, texts: NDArray[Any]) -> None:
    points = texts.view(np.uint32).reshape(*texts.shape, -1)
    wrong = ((points > sys.maxunicode) | (points >> 11 == 0xD800 >> 11)).any(axis=-1)
    if wrong.any():
        rows = np.flatnonzero(wrong.ravel()).tolist()
        place = in_order(0, *texts.shape[1:])
        raise field.refusal(rows, place, "wrong_type", lambda _: "must be Unicode, found other code points")
