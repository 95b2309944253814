"""Maps of columns for readers of formats."""

from dataclasses import replace

from app.core.tasks import TaskName
from app.wire.fields import field_of
from app.wire.mapping.column_map import ColumnMap
from app.wire.mapping.naming import Classes, Named, own_names


def own(task: TaskName, classes: Classes = None) -> ColumnMap:
    """The map of columns that have the names of fields."""
    return ColumnMap(replace(own_names(task), classes=classes))


def named(task: TaskName, classes: Classes = None, **names: str) -> ColumnMap:
    """The map of columns that are named; all others are ignored."""
    parameters = tuple(Named(field_of(name, task), name, (text,)) for name, text in names.items())
    return ColumnMap(replace(own_names(task), named=parameters, ignores_extra=True, classes=classes))
