"""Values as an answer shows them."""

from collections.abc import Mapping
from typing import Any

from app.core.kernels import compiled
from app.core.values import Value


def entries(values: Mapping[str, Value]) -> dict[str, dict[str, Any]]:
    """The entries of values in an answer, by the same names; unknown parts are left out, but for `value`."""
    return compiled.entries(values, Value._fields)


def entry(value: Value) -> dict[str, Any]:
    """The entry of one value."""
    return entries({"": value})[""]
