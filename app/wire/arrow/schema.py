"""The schema of Arrow data: which columns of a request its columns make."""

from dataclasses import dataclass

import orjson
import pyarrow as pa
from pyarrow import types

from app.core.tasks import COLUMN_NAMES
from app.wire.fields import SLICE
from app.wire.limits import Limits
from app.wire.mapping.column_map import ColumnMap
from app.wire.mapping.naming import AUTO
from app.wire.numbered import Group


@dataclass(frozen=True, slots=True)
class Chosen:
    """The columns of Arrow data that are read.

    Attributes:
        groups: The columns of a request that they make, that of the mask first; the children of a struct `slices` have
            places of their own.
        places: The positions in the schema of the columns to read, rising.
        first: The place in groups of each column to read, of a struct that of its first child.
        is_partial: Whether there are others, in whose memory these then lie.
        columns: The map that they come from.
        categories: The place in groups of labels that are categories, if the query takes the class names from them.
    """

    groups: list[Group]
    places: list[int]
    first: list[int]
    is_partial: bool
    columns: ColumnMap
    categories: int | None


def chosen_of_schema(schema: pa.Schema, limits: Limits, columns: ColumnMap) -> Chosen:
    """The columns that a request needs of those of a schema.

    A struct `slices` counts as its children. A column of the type null is not set, and an index of pandas is no column.

    Raises:
        TooLarge: More columns than `max_columns`.
        InvalidInput: As the map of columns does.
    """
    flat: list[tuple[str, pa.DataType]] = []
    starts: list[int] = []
    for field in schema:
        starts.append(len(flat))
        flat += _children(field.type) if is_slices(field.name, field.type) else [(field.name, field.type)]
    names = {place: name for place, (name, _) in enumerate(flat)}
    found = columns.groups(names, limits, index_names(schema.metadata))
    unset = {place for place, (_, type_) in enumerate(flat) if types.is_null(type_)}
    groups = [group for group in found if group.field.takes_null or not unset.issuperset(group.places)]
    needed = {place for group in groups for place in group.places}
    ends = [*starts[1:], len(flat)]
    places = [
        i for i, (start, end) in enumerate(zip(starts, ends, strict=True)) if not needed.isdisjoint(range(start, end))
    ]
    categories = next(
        (
            group.places[0]
            for group in groups
            if group.field.name == "labels" and types.is_dictionary(flat[group.places[0]][1])
        ),
        None,
    )
    columns.has_categories = categories is not None
    is_asked = columns.naming.classes == AUTO
    first = [starts[i] for i in places]
    return Chosen(groups, places, first, len(places) < len(schema), columns, categories if is_asked else None)


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
