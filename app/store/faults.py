"""Errors of databases in the words of the service."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError

from app.errors import StoreCorrupt, StoreFull, SurprisalError, Unavailable

FULL = frozenset({"SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE", "SQLITE_CANTOPEN_FULLPATH", "53100"})
"""The names and numbers that databases have for a disk without room; SQLite tells of a quota as a failed write."""
CORRUPT = frozenset({"SQLITE_CORRUPT", "SQLITE_NOTADB", "XX001", "XX002"})

FULL_DETAIL = "the disk of the store must have room, found none; what is there can still be read"
CORRUPT_DETAIL = "the database must be whole, found that it is not; the operator should bring back a copy"


@contextmanager
def translated() -> Iterator[None]:
    """Raise errors of the database as errors of the service, without statements, values or addresses.

    Raises:
        StoreFull: The disk is full.
        StoreCorrupt: The database is not whole.
        Unavailable: The database cannot be used at this moment.
    """
    try:
        yield
    except SQLAlchemyError as error:
        raise _translation(error) from error


def _translation(error: SQLAlchemyError) -> SurprisalError | SQLAlchemyError:
    if not isinstance(error, DBAPIError):
        return Unavailable("the store has no connection free") if "QueuePool" in str(error) else error
    name = _name(error.orig)
    if name in FULL:
        return StoreFull(FULL_DETAIL)
    if name.startswith(tuple(CORRUPT)):
        return StoreCorrupt(CORRUPT_DETAIL)
    if isinstance(error, OperationalError | InterfaceError):
        return Unavailable(f"the store cannot be used at this moment ({name or 'no connection'})")
    return error


def _name(cause: BaseException | None) -> str:
    """The name or number that the database gives to a fault; empty where it gives none."""
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorname", "")
    return getattr(cause, "sqlstate", None) or ""
