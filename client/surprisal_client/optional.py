"""Packages that are used where they are installed."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from surprisal_client.errors import MissingPackage


def has(package: str) -> bool:
    """Tell if a package is installed."""
    return find_spec(package) is not None


def arrow() -> Any:
    """PyArrow, or None."""
    return import_module("pyarrow") if has("pyarrow") else None


def needed(module: str, extra: str, purpose: str) -> Any:
    """Import a module of an optional package.

    Raises:
        MissingPackage: It is not installed; the message says what to type.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise MissingPackage(module.partition(".")[0], extra, purpose) from error
