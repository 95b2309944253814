"""The schema of Arrow data: which columns of a request its columns make."""

import re

import orjson
import pyarrow as pa
from pyarrow import types

from app.core.tasks import COLUMN_NAMES, TaskName
from app.wire.fields import SLICE
from app.wire.limits import Limits
from app.wire.numbered import Group, groups_of

INDEX = re.compile(r"__index_level_\d+__")
"""The names that pandas gives to the columns in which it keeps the numbers of rows."""


def groups_of_schema(schema: pa.Schema, limits: Limits, task: TaskName) -> list[Group]:
    """The columns of a request that the columns of a schema make, the mask first.

    A struct `slices` counts as its children. A column of the type null is not set, and an index of pandas is no column.

    Raises:
        TooLarge: More columns than `max_columns`.
        InvalidInput: A name is no column of a scoring request, or comes twice.
    """
    columns: list[tuple[str, pa.DataType]] = []
    for field in schema:
        columns += _children(field.type) if is_slices(field.name, field.type) else [(field.name, field.type)]
    indices = index_names(schema.metadata)
    names = {place: name for place, (name, _) in enumerate(columns) if name not in indices}
    groups = groups_of({place: name for place, name in names.items() if not INDEX.fullmatch(name)}, limits, task)
    unset = {place for place, (_, type_) in enumerate(columns) if types.is_null(type_)}
    return sorted(
        (group for group in groups if not unset.issuperset(group.places)), key=lambda group: group.field.name != "mask"
    )


def index_names(metadata: dict[bytes, bytes] | None) -> set[str]:
    """The columns that are the index of a frame of pandas, as its own notes say; a field of a request is none.

    >>> index_names({b"pandas": b'{"index_columns": ["id", {"kind": "range"}, "labels"]}'})
    {'id'}
    """
    try:
        notes = orjson.loads((metadata or {}).get(b"pandas", b"{}"))
        names = notes.get("index_columns", [])
        return {name for name in names if isinstance(name, str)}.difference(COLUMN_NAMES)
    except (ValueError, AttributeError, TypeError):
        return set()  # pandas' notes bind nobody else


def is_slices(name: str, type_: pa.DataType) -> bool:
    """Tell if a column is `slices`, whose children are columns."""
    return name == "slices" and types.is_struct(type_)


def _children(struct: pa.StructType) -> list[tuple[str, pa.DataType]]:
    return [(SLICE + child.name, child.type) for child in struct.fields]
