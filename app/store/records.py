"""Jobs as the store tells of them; these records need no SQL, so that others may import them for nothing."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Status(StrEnum):
    """The status of a job, in the words of the contract."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = (Status.SUCCEEDED, Status.FAILED, Status.CANCELLED)


class Totals(NamedTuple):
    """The totals of a plan; `rows` is None where only reading tells how many there are."""

    shards: int
    bytes: int
    rows: int | None


class GroupSums(NamedTuple):
    """The sums of one group of shards, and what was read for them.

    Attributes:
        sums: The sums, as `app.jobs` writes them.
        shards: The shards of the group.
        rows: Rows read.
        bytes: Bytes read.
        skipped: Rows that were left out because of a fault in them.
        retried: Shards that were read more than once.
    """

    sums: bytes
    shards: int
    rows: int
    bytes: int
    skipped: int = 0
    retried: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a job; totals are None before it is planned.

    Attributes:
        seconds: The time for which the job has run, without pauses between one service and the next.
    """

    shards_done: int = 0
    shards_total: int | None = None
    rows_done: int = 0
    rows_total: int | None = None
    bytes_done: int = 0
    bytes_total: int | None = None
    rows_skipped: int = 0
    shards_retried: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Submission:
    """A job to be made.

    Attributes:
        request: The JSON of the request, of which the same bytes mean the same job.
        caller: The name of the caller, among whose keys `idempotency_key` is one; empty where nobody has a name.
        idempotency_key: The key of the request, if it has one.
    """

    request: bytes
    caller: str = ""
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """A job, as it was when it was read.

    Attributes:
        number: The place in the order of submission, by which lists are continued.
        id: The name in addresses, which nobody can guess.
        request: The JSON of the request.
        created_at: Seconds since 1970, as all times.
        result: The JSON of the answer; None unless the job has succeeded, and in lists.
        problem: The JSON of what went wrong; None unless the job has failed.
    """

    number: int
    id: str
    caller: str
    request: bytes
    status: Status
    created_at: float
    started_at: float | None
    ended_at: float | None
    progress: Progress
    result: bytes | None = None
    problem: bytes | None = None

    @property
    def has_ended(self) -> bool:
        """Tell if nothing changes any more."""
        return self.status in ENDED


class LeaseLost(Exception):
    """A job that is no longer this runner's: it was cancelled, or another has taken it over."""
