"""Labels that are class names although they are no strings: integers and booleans, by their text."""

import re
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from app.core import kernels
from app.core.columns import Column, kind_of
from app.errors import InvalidInput
from app.wire.mapping.column_map import ColumnMap
from app.wire.mapping.naming import AUTO, Classes

AN_INTEGER = re.compile(r"-?(0|[1-9]\d{0,18})", re.ASCII)
BOOLEANS = frozenset({"false", "true"})

NO_NAMES = (
    "must list the names, for auto found none: it takes them from the columns of the prediction, as in "
    "probabilities=p_*, or from the categories of the labels"
)

KindOfNames: TypeAlias = Literal["integers", "booleans", "strings"]


def kind_of_names(classes: Classes) -> KindOfNames | None:
    """The values that classes are named after; None without class names.

    >>> kind_of_names(("1", "2")), kind_of_names(("False", "True")), kind_of_names(("01", "02")), kind_of_names("auto")
    ('integers', 'booleans', 'strings', None)
    """
    if not isinstance(classes, tuple):
        return None
    if classes and all(map(AN_INTEGER.fullmatch, classes)):
        return "integers"
    return "booleans" if {name.casefold() for name in classes} == BOOLEANS else "strings"


def as_names(labels: Column, classes: Classes) -> Column:
    """The labels with integers or booleans as class names, where these are such; other labels as they are.

    >>> as_names(np.array([3, 1]), ("1", "3")).tolist(), as_names(np.array([3, 1]), ("a", "b")).tolist()
    (['3', '1'], [3, 1])
    """
    kind = kind_of_names(classes)
    if not isinstance(labels, np.ndarray) or labels.ndim > 1 or not isinstance(classes, tuple):
        return labels
    if kind == "integers" and kind_of(labels) == "i":
        return _texts(labels, {})
    if kind == "booleans" and kind_of(labels) == "b":
        return _texts(labels, {name.casefold(): name for name in classes})
    return labels


def with_classes(part: dict[str, Any], columns: ColumnMap) -> tuple[dict[str, Any], tuple[str, ...] | None]:
    """A part of a body whose labels fit the class names, and these names if the body gave them.

    Raises:
        InvalidInput: The query asks for the names of the body, and it has none.
    """
    classes, labels = columns.class_names, part.get("labels")
    if classes is None or labels is None:
        return part, None
    if isinstance(classes, tuple):
        return part | {"labels": as_names(labels, classes)}, classes if columns.naming.classes == AUTO else None
    if columns.task == "binary" and kind_of(labels) in "ib":
        return part, None
    raise InvalidInput.at("/classes", "missing", NO_NAMES)


def _texts(values: NDArray[Any], names: dict[str, str]) -> NDArray[Any]:
    """The texts (n,) of integers or booleans, those of a few different ones made once each."""
    codes, first = kernels.distinct(values.astype(np.int64)) or (slice(None), slice(None))
    texts = [str(value).casefold() for value in values[first].tolist()]
    found: NDArray[Any] = np.array([names.get(text, text) for text in texts], np.object_)[codes]
    return found
