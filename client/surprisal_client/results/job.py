"""A job of the service, as it was when it was asked for."""

from collections.abc import Mapping
from typing import Any

from surprisal_client.errors import InputError, SurprisalError, problem_error
from surprisal_client.results.score import Score
from surprisal_client.results.table import Table

ENDED = ("succeeded", "failed", "cancelled")


class Job:
    """A job: its id, how far it has come, and its result once it has one.

    Attributes:
        answer: The whole as it came.
        id: The name by which it is asked for.
        status: `queued`, `running`, `succeeded`, `failed` or `cancelled`.
        request: The task, sources, columns and options.
        progress: Shards, rows and bytes that are done, and of how many; rows a second, and seconds that are left.
    """

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.answer = dict(answer)
        self.id: str = answer["id"]
        self.status: str = answer["status"]
        self.request: dict[str, Any] = answer["request"]
        self.progress: dict[str, Any] = answer["progress"]

    @property
    def has_ended(self) -> bool:
        """True if nothing changes any more."""
        return self.status in ENDED

    @property
    def result(self) -> Score | None:
        """The scores, if the job has succeeded."""
        return Score(self.answer["result"]) if "result" in self.answer else None

    @property
    def error(self) -> SurprisalError | None:
        """The reason why it has no scores, if it has ended without."""
        if "error" in self.answer:
            return problem_error(self.answer["error"], lambda _: "")
        return InputError(f"the job {self.id} was cancelled") if self.status == "cancelled" else None

    def scores(self) -> Score:
        """The scores.

        Raises:
            InputError: A row or a file is at fault, or the job was cancelled or has not ended.
            ServiceError: The service failed, or a file could not be read.
        """
        if (error := self.error) is not None:
            raise error
        found = self.result
        if found is None:
            raise InputError(f"the job {self.id} has not ended: {self.told}")
        return found

    @property
    def told(self) -> str:
        """The status and the progress in words."""
        words = [self.status, f"{self.progress['rows_done']:,} rows"]
        if total := self.progress.get("bytes_total"):
            words.append(f"{100 * self.progress['bytes_done'] / total:.0f} % of {shown_bytes(total)}")
        if rate := self.progress.get("rows_per_second"):
            words.append(f"{rate:,.0f} rows/s")
        if skipped := self.progress["rows_skipped"]:
            words.append(f"{skipped:,} rows skipped")
        return ", ".join(words)

    def tables(self) -> list[Table]:
        """The job as a table, and the scores if there are any."""
        found = self.result
        return [jobs_table([self]), *(found.tables() if found else [])]

    def __str__(self) -> str:
        return f"job {self.id}: {self.told}"

    def __repr__(self) -> str:
        return f"<{self}>"


def jobs_table(jobs: list[Job]) -> Table:
    """A line a job."""
    rows = [[job.id, job.status, job.answer["created_at"][:19], _asked(job), job.told] for job in jobs]
    return Table("jobs", ("job", "status", "created (UTC)", "data set", "progress"), rows)


def _asked(job: Job) -> str:
    source = job.request["source"]
    first, *others = [source] if isinstance(source, str) else source
    return f"{job.request['task']} {first}{f' and {len(others)} more' if others else ''}"


def shown_bytes(n_bytes: float) -> str:
    """A number of bytes in words.

    >>> shown_bytes(999), shown_bytes(2_000_000_000)
    ('999 B', '2.0 GB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.0f} {unit}" if unit == "B" else f"{n_bytes:.1f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} TB"
