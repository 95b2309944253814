"""The request that a job is: sources, columns and a question, which travel to every worker."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from app.core.tasks import TaskName
from app.service import ScoreRequest
from app.wire.limits import Limits
from app.wire.mapping.naming import Naming

OnError: TypeAlias = Literal["fail", "skip"]
MEBIBYTE = 1 << 20

Asked: TypeAlias = Callable[[Mapping[str, Any], tuple[str, ...] | None], ScoreRequest]
"""A function from columns, and the class names that they brought, to a request; it can be pickled."""


@dataclass(frozen=True, slots=True)
class JobQuestion:
    """The question of a job.

    Attributes:
        asked: The function that makes a request of some rows.
        naming: The columns of files as the job names them.
    """

    asked: Asked
    naming: Naming


@dataclass(frozen=True, slots=True)
class JobRequest:
    """A job, checked as far as its JSON goes.

    Attributes:
        sources: The paths and addresses as they were sent, at least one.
        columns: The columns as they were sent: what `question.naming` was made of.
        on_error: What becomes of a job with a row at fault.
        max_skipped_share: The largest share of rows that may be skipped before the job fails.
    """

    task: TaskName
    sources: tuple[str, ...]
    columns: Mapping[str, str | list[str]]
    question: JobQuestion
    on_error: OnError = "fail"
    max_skipped_share: float = 0.01


@dataclass(frozen=True, slots=True)
class Bounds:
    """The bounds of jobs.

    Attributes:
        roots: The folders and prefixes of buckets below which sources may lie.
        max_files: The most files of a job.
        max_shards: The most shards of a job.
        max_rows: The most rows of a job.
        shard_bytes: The bytes of files that one shard has, as nearly as they can be cut: about a second of work.
        max_groups: The most sums that a job stores; where there are more shards, some are added up before.
        limits: The bounds on what is decoded at once.
        worker_bytes: The memory that a worker may take for the rows of one piece, as `hold` counts it.
    """

    roots: tuple[str, ...]
    max_files: int = 100_000
    max_shards: int = 1_000_000
    max_rows: int = 10**13
    shard_bytes: int = 64 * MEBIBYTE
    max_groups: int = 1_000
    limits: Limits = field(
        default=Limits(
            max_decoded_bytes=1 << 62,
            max_ratio=float("inf"),
            max_part_bytes=64 * MEBIBYTE,
            max_columns=100_000,
            advice="cut the file",
        )
    )
    worker_bytes: int = 384 * MEBIBYTE
