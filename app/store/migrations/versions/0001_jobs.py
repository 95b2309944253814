"""Jobs, and the sums of their groups of shards."""

import sqlalchemy as sql
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make both tables."""
    number = sql.BigInteger().with_variant(sql.Integer(), "sqlite")
    zero = sql.text("0")
    op.create_table(
        "jobs",
        sql.Column("number", number, primary_key=True, autoincrement=True),
        sql.Column("id", sql.String(32), nullable=False, unique=True),
        sql.Column("caller", sql.String(200), nullable=False),
        sql.Column("idempotency_key", sql.String(32)),
        sql.Column("request", sql.LargeBinary, nullable=False),
        sql.Column("status", sql.String(16), nullable=False),
        sql.Column("is_forgotten", sql.Boolean, nullable=False, server_default=sql.text("false")),
        sql.Column("created_at", sql.Double, nullable=False),
        sql.Column("started_at", sql.Double),
        sql.Column("ended_at", sql.Double),
        sql.Column("lease", sql.String(32)),
        sql.Column("lease_ends_at", sql.Double),
        sql.Column("fruitless_claims", sql.Integer, nullable=False, server_default=zero),
        sql.Column("shards_done", sql.Integer, nullable=False, server_default=zero),
        sql.Column("shards_total", sql.Integer),
        sql.Column("rows_done", sql.BigInteger, nullable=False, server_default=zero),
        sql.Column("rows_total", sql.BigInteger),
        sql.Column("bytes_done", sql.BigInteger, nullable=False, server_default=zero),
        sql.Column("bytes_total", sql.BigInteger),
        sql.Column("rows_skipped", sql.BigInteger, nullable=False, server_default=zero),
        sql.Column("shards_retried", sql.Integer, nullable=False, server_default=zero),
        sql.Column("seconds", sql.Double, nullable=False, server_default=zero),
        sql.Column("plan", sql.LargeBinary),
        sql.Column("result", sql.LargeBinary),
        sql.Column("problem", sql.LargeBinary),
        sqlite_autoincrement=True,
    )
    op.create_index("jobs_by_key", "jobs", ["caller", "idempotency_key"], unique=True)
    op.create_index("jobs_by_status", "jobs", ["status", "number"])
    op.create_table(
        "groups",
        sql.Column("job", number, sql.ForeignKey("jobs.number", ondelete="CASCADE"), primary_key=True),
        sql.Column("number", sql.Integer, primary_key=True),
        sql.Column("sums", sql.LargeBinary, nullable=False),
    )
