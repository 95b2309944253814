"""Everything an operator may turn, read from `SURPRISAL_*` once, in `app.main`, and passed down."""

from typing import Literal, Self, TypeAlias

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]


class Settings(BaseSettings):
    """One field a setting: the table of docs/operating.md and the tests are made from the descriptions.

    Variables with the prefix that are not settings are left alone: Kubernetes injects `SURPRISAL_PORT` and
    the like beside a service of that name.
    """

    model_config = SettingsConfigDict(env_prefix="SURPRISAL_", frozen=True)

    log_level: LogLevel = Field("info", description="Least severe log line written.")
    max_body_bytes: int = Field(
        16 * 2**20, ge=1, description="Largest JSON body accepted, as sent and as decoded; beyond it 413."
    )
    max_buffered_bytes: int = Field(
        256 * 2**20, ge=1, description="Request bodies held in memory at once, all together; beyond it 503."
    )
    max_spooled_bytes: int = Field(
        2**30, ge=1, description="Largest npz or Parquet body, as sent and as decoded; beyond it 413."
    )
    max_filed_bytes: int = Field(
        4 * 2**30, ge=1, description="Request bodies held in files at once, all together; beyond it 503."
    )
    max_streamed_bytes: int = Field(
        2**40, ge=1, description="Largest Arrow, NDJSON or CSV body, as sent and as decoded; beyond it 413."
    )
    max_part_bytes: int = Field(
        64 * 2**20, ge=2**16, description="Largest record batch or page of a body; beyond it 413."
    )
    max_line_bytes: int = Field(
        8 * 2**20, ge=2**10, description="Longest row of an NDJSON or CSV body, or header of CSV; beyond it 413."
    )
    max_held_bytes: int = Field(
        64 * 2**20,
        ge=1,
        description="What a body in parts may leave in memory where an answer needs all rows at once; beyond it 413.",
    )
    max_ratio: float = Field(
        200.0,
        ge=1,
        description="How many bytes a body may become for each one sent, once it is more than a part; beyond it 413.",
    )
    max_rows: int = Field(10**9, ge=1, description="Rows of a request; beyond it 413.")
    max_columns: int = Field(100_000, ge=1, description="Classes or labels of a prediction; beyond it 413.")
    body_timeout_seconds: float = Field(
        30.0,
        gt=0,
        description="How long a client may take to send a JSON body, or pause while it sends another; beyond it 408.",
    )
    min_bytes_per_second: int = Field(
        1024,
        ge=1,
        description="How fast a body that is not plain JSON must arrive, measured over `body_timeout_seconds`; below "
        "it 408.",
    )
    spool_timeout_seconds: float = Field(
        300.0,
        gt=0,
        description="How long a client may take to send a body that is npz, Parquet or compressed JSON; beyond it 408.",
    )
    head_timeout_seconds: float = Field(
        10.0, gt=0, description="How long a client may take to send request line and headers; beyond it 408."
    )
    max_threads: int = Field(4, ge=1, description="Requests scored at once.")
    threads_per_request: int = Field(
        2, ge=1, description="Threads that share the rows of an npz body of some hundred thousand."
    )
    max_streams: int = Field(16, ge=1, description="Bodies scored at once while they arrive.")
    max_waiting: int = Field(
        256, ge=0, description="Requests waiting to be scored, and again as many waiting as streams; beyond it 503."
    )
    queue_timeout_seconds: float = Field(30.0, gt=0, description="How long a request may wait; beyond it 503.")
    drain_timeout_seconds: int = Field(
        8, ge=0, description="How long requests in flight may go on after SIGTERM or Ctrl-C."
    )

    @model_validator(mode="after")
    def _one_body_fits(self) -> Self:
        if self.max_body_bytes > self.max_buffered_bytes:
            raise ValueError("max_body_bytes must be at most max_buffered_bytes")
        if self.max_spooled_bytes > self.max_filed_bytes:
            raise ValueError("max_spooled_bytes must be at most max_filed_bytes")
        return self
