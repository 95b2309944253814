"""The database that an address names, with the tables of this release."""

from pathlib import Path
from typing import TypeAlias

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from app.store.migrating import migrate
from app.store.postgresql import PostgreSQL
from app.store.sqlite import SQLite

Database: TypeAlias = SQLite | PostgreSQL


def opened(address: str) -> Database:
    """The database at an address, made or brought up to date where needed.

    Raises:
        ValueError: The address is none of SQLite or PostgreSQL.
        StoreFull: There is no room to make it.
        StoreCorrupt: It is damaged.
        Unavailable: It cannot be reached, or is of a newer release.
    """
    database = _at(_url(address))
    try:
        migrate(database)
    except BaseException:
        database.close()
        raise
    return database


def _url(address: str) -> URL:
    try:
        return make_url(address)
    except ArgumentError:
        raise ValueError("must be an address such as sqlite:///data/surprisal.db, found none") from None


def _at(url: URL) -> Database:
    match url.get_backend_name():
        case "sqlite" if url.database and url.database != ":memory:":
            return SQLite(Path(url.database))
        case "postgresql":
            return PostgreSQL(url)
        case name:
            raise ValueError(f"must name a file of SQLite or a database of PostgreSQL, found one of {name[:80]}")
