"""A check of Arrow schemas for integers of more than 64 bits, which pyarrow refuses without naming the column."""

import struct
from collections.abc import Iterator

from app.errors import FieldError, InvalidInput, pointer
from app.wire.arrow.flatbuffers import Table, root

INT = 2
MAX_BITS = 64


def refuse_wide(metadata: bytes | bytearray) -> None:
    """Refuse a schema, the metadata of an Arrow message, that has columns of such integers.

    Raises:
        InvalidInput: There are such columns; the pointers name them.
    """
    try:
        header = root(metadata).table(2)
        wide = [] if header is None else list(_wide(header))
    except (struct.error, UnicodeDecodeError):
        return  # this is no schema, and pyarrow's own error stands
    if wide:
        raise InvalidInput((_refusal(name, bits) for name, bits in wide), len(wide))


def _wide(schema: Table) -> Iterator[tuple[str, int]]:
    for field in schema.tables(1):
        type_ = field.table(3) if field.scalar(2, "<B") == INT else None
        bits = 0 if type_ is None else type_.scalar(0, "<i")
        if bits > MAX_BITS:
            yield field.text(0), bits


def _refusal(name: str, bits: int) -> FieldError:
    return FieldError(
        pointer(name), "wrong_type", f"must be integers of at most 64 bits, found int{bits}; cast to int64 or string"
    )
