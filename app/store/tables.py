"""The tables of the store, as the last migration leaves them."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    text,
)

metadata = MetaData()

NUMBER = BigInteger().with_variant(Integer(), "sqlite")
"""The type of the key of a job; SQLite counts up by itself only what it calls INTEGER."""

jobs = Table(
    "jobs",
    metadata,
    Column("number", NUMBER, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("caller", String(200), nullable=False),
    Column("idempotency_key", String(32)),
    Column("request", LargeBinary, nullable=False),
    Column("status", String(16), nullable=False),
    Column("is_forgotten", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", Double, nullable=False),
    Column("started_at", Double),
    Column("ended_at", Double),
    # the runner that has the job, until when, and how often one has taken it since there was progress
    Column("lease", String(32)),
    Column("lease_ends_at", Double),
    Column("fruitless_claims", Integer, nullable=False, server_default=text("0")),
    Column("shards_done", Integer, nullable=False, server_default=text("0")),
    Column("shards_total", Integer),
    Column("rows_done", BigInteger, nullable=False, server_default=text("0")),
    Column("rows_total", BigInteger),
    Column("bytes_done", BigInteger, nullable=False, server_default=text("0")),
    Column("bytes_total", BigInteger),
    Column("rows_skipped", BigInteger, nullable=False, server_default=text("0")),
    Column("shards_retried", Integer, nullable=False, server_default=text("0")),
    Column("seconds", Double, nullable=False, server_default=text("0")),
    # Each of these is sealed: its digest stands before it.
    Column("plan", LargeBinary),
    Column("result", LargeBinary),
    Column("problem", LargeBinary),
    Index("jobs_by_key", "caller", "idempotency_key", unique=True),
    Index("jobs_by_status", "status", "number"),
    sqlite_autoincrement=True,  # a number is never given twice, or a list could be continued at the wrong place
)

groups = Table(
    "groups",
    metadata,
    Column("job", NUMBER, ForeignKey(jobs.c.number, ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("sums", LargeBinary, nullable=False),
)
