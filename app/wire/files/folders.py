"""Folders in the way of Hive as columns: what `site=paris` says is so in all rows below."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from app.core.batch.texts import AN_INTEGER, NULL
from app.core.columns import Column
from app.errors import InvalidInput, clip, pointer
from app.wire.files.pieces import Folder
from app.wire.mapping.naming import Classes, Named, Naming

NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
"""The value of the folder of rows in which a column is null."""
FIELDS = ("slices", "cluster_id", "labels")
"""The fields that a folder may hold."""


@dataclass(frozen=True, slots=True)
class Folders:
    """The columns of a request that stand in the folders of a file.

    Attributes:
        naming: The columns that the file itself must hold.
        slices: The value of each slice that a folder holds, by its name.
        single: The value of other fields that a folder holds.
        order: The names of slices in the order of the request; empty where no folder holds one.
    """

    naming: Naming
    slices: Mapping[str, str]
    single: Mapping[str, str]
    order: tuple[str, ...]

    def joined(self, part: dict[str, Any]) -> dict[str, Any]:
        """The columns of some rows of the file with those that the folders hold.

        Raises:
            InvalidInput: A folder holds what the field may not.
        """
        if not self.slices and not self.single:
            return part
        n_rows = max(map(len, (column for name, column in part.items() if name != "slices")))
        columns = dict(part)
        for name, value in self.single.items():
            columns[name] = _label(value, self.naming.classes, n_rows) if name == "labels" else _texts(value, n_rows)
        if self.slices:
            slices = {**part.get("slices", {}), **{name: _texts(value, n_rows) for name, value in self.slices.items()}}
            columns["slices"] = {name: slices[name] for name in self.order if name in slices}
        return columns


def folders_of(naming: Naming, folders: Iterable[Folder]) -> Folders:
    """The columns of a request that the folders of a file hold, and those that are left for the file."""
    values = dict(folders)
    named, slices, single, order = list[Named](), dict[str, str](), dict[str, str](), tuple[str, ...]()
    for entry in naming.named:
        name, items = entry.field.name, [item.strip() for text in entry.texts for item in text.split(",")]
        held = [item for item in items if item in values]
        if not held or name not in FIELDS or (name != "slices" and len(items) > 1):
            named.append(entry)
        elif name == "slices":
            slices, order = {item: values[item] for item in held}, tuple(items)
            left = tuple(item for item in items if item not in values)
            named += [entry._replace(texts=left)] if left else []
        else:
            single[name] = values[items[0]]
    found = {entry.field.name for entry in naming.named} - {entry.field.name for entry in named}
    taken = {name for role in naming.roles if found & set(role) for name in role} | found
    roles = tuple(role for role in naming.roles if not found & set(role))
    own = replace(naming, named=tuple(named), roles=roles, known=naming.known - taken)
    return Folders(own, slices, single, order)


def _texts(value: str, n_rows: int) -> Column:
    return np.full(n_rows, NULL if value == NO_VALUE else value, np.object_)


def _label(value: str, classes: Classes, n_rows: int) -> Column:
    if isinstance(classes, tuple):
        return np.full(n_rows, value, np.object_)
    if not AN_INTEGER.fullmatch(value):
        rule = f"must be an integer, or a name where the query gives `classes`, found the folder {clip(value)}"
        raise InvalidInput.at(pointer("labels"), "wrong_type", rule)
    return np.full(n_rows, int(value), np.int64)
