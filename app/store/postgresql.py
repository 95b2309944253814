"""A database on a server of PostgreSQL, which several services may share."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Connection, Double, cast, create_engine, extract, func, select
from sqlalchemy.sql.elements import ColumnElement

from app.store.faults import translated

N_CONNECTIONS = 5
CONNECT_SECONDS = 5
WAIT_SECONDS = 10
"""The longest wait for a connection of the pool, and for a lock."""
STATEMENT_SECONDS = 30
LOCK = 0x53757270
"""The key of the lock under which migrations are run, jobs are taken and counted: "Surp" in ASCII."""
SESSION = f"-c statement_timeout={STATEMENT_SECONDS * 1000} -c lock_timeout={WAIT_SECONDS * 1000}"


class PostgreSQL:
    """A database of PostgreSQL, by psycopg."""

    def __init__(self, url: URL) -> None:
        """Make a pool, whose connections are looked at before each use; none is opened yet."""
        self._engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            pool_size=N_CONNECTIONS,
            max_overflow=0,
            pool_timeout=WAIT_SECONDS,
            pool_pre_ping=True,
            hide_parameters=True,
            connect_args={
                "connect_timeout": CONNECT_SECONDS,
                "options": SESSION,
                "application_name": "surprisal",
                "prepare_threshold": None,  # poolers between us and the server do not know prepared statements
            },
        )

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes."""
        with translated(), self._engine.begin() as connection:
            yield connection

    reading = writing

    def serialise(self, connection: Connection) -> None:
        """Wait until no other transaction decides on what this one reads, until the end of this one."""
        connection.execute(select(func.pg_advisory_xact_lock(LOCK)))

    def now(self) -> ColumnElement[float]:
        """The time by the clock of the server, in seconds since 1970: services may differ, their store does not."""
        return cast(extract("epoch", func.clock_timestamp()), Double())

    def give_back(self, connection: Connection, n_pages: int) -> None:
        """Leave pages that are free to the server, which looks after them by itself."""

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()
