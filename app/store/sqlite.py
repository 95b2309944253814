"""A database in one file: one writing connection, which also checkpoints, and some that read beside it."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, Float, create_engine, event, literal
from sqlalchemy.pool import QueuePool
from sqlalchemy.sql.elements import ColumnElement

from app.errors import Unavailable
from app.store.faults import translated
from app.store.turns import Turns

BUSY_SECONDS = 10.0
"""The longest wait for another that writes."""
N_READERS = 4
WAL_BYTES = 64 * 2**20
"""The size to which the log of writes is cut once its content is in the file."""
PRAGMAS = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "auto_vacuum": 2}
"""The pragmas of the writing connection, as they must read back. 2 is FULL: a commit is on the disk when it returns.
auto_vacuum 2 is INCREMENTAL: what is deleted can be given back to the disk in small steps."""


class SQLite:
    """A database of SQLite.

    Several processes may have the same file. SQLite before 3.51.3 may lose pages when two connections write or
    checkpoint at once, so they take turns by a lock that the system gives back when a process dies. Connections that
    read are opened such that they cannot checkpoint, not even when the last of them is closed.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, or make it.

        Raises:
            StoreFull: The disk is full.
            StoreCorrupt: The file is no database, or a damaged one.
            Unavailable: The file cannot be opened.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._turns = Turns(path.with_name(f"{path.name}-lock"), BUSY_SECONDS)
        except OSError as error:
            raise Unavailable(f"the store cannot be opened: {error.strerror}") from error
        self._writer = _engine(partial(_writing_connection, path), "BEGIN IMMEDIATE", 1)
        self._readers = _engine(partial(_reading_connection, path), "BEGIN", N_READERS)
        self._is_open = True
        try:
            with self.writing():  # makes the file, and mends it after a crash, before anyone reads
                pass
        except BaseException:
            self.close()
            raise

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes, and is on the disk once it has ended; others wait for it."""
        with translated(), self._turns.turn(), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that reads what was there when it began, and waits for nobody."""
        with translated(), self._readers.begin() as connection:
            yield connection

    def serialise(self, connection: Connection) -> None:
        """Wait until no other transaction decides on what this one reads: here none ever does."""

    def now(self) -> ColumnElement[float]:
        """The time by the clock of the machine, in seconds since 1970."""
        return literal(time.time(), Float())

    def give_back(self, connection: Connection, n_pages: int) -> None:
        """Give pages that are free back to the disk, at most so many."""
        free = connection.exec_driver_sql("PRAGMA freelist_count").scalar_one()
        for _ in range(min(free, n_pages)):  # the driver of Python ends this pragma after a page, whatever its number
            connection.exec_driver_sql("PRAGMA incremental_vacuum(1)")

    def close(self) -> None:
        """Close all connections, the writing one last and in its turn, for it then checkpoints."""
        if self._is_open:
            self._is_open = False
            self._readers.dispose()
            with self._turns.turn():
                self._writer.dispose()
            self._turns.close()


def _engine(connect: partial[sqlite3.Connection], begin: str, n_connections: int) -> Engine:
    engine = create_engine(
        "sqlite://",
        creator=connect,
        poolclass=QueuePool,
        pool_size=n_connections,
        max_overflow=0,
        pool_timeout=BUSY_SECONDS,
        hide_parameters=True,
    )
    # Python's own BEGIN comes late, and takes no lock: `isolation_level` None turns it off.
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _writing_connection(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # heeded only before anything else is written
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_BYTES}")
    for name, needed in PRAGMAS.items():
        found = connection.execute(f"PRAGMA {name}").fetchone()[0]
        if found != needed:
            connection.close()
            raise Unavailable(f"the store needs {name} {needed} of SQLite, found {found}; use a disk of this machine")
    return connection


def _reading_connection(path: Path) -> sqlite3.Connection:
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    return sqlite3.connect(address, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, uri=True)
