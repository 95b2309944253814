"""The errors that this package raises, and the places in a request that a problem points at."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

ACCESS = (401, 403, 429)
"""Statuses that tell of the caller and not of the request."""
INTEGER = re.compile(r"0|[1-9]\d*")
ROW = re.compile(r"row (\d+)\b")
"""The beginning of what the service says of a row that it cannot read."""
MOST_SHOWN = 5
"""Places that a message names; `errors` holds all that the service told."""


class SurprisalError(Exception):
    """An error of this package; all others derive from it."""


class MissingPackage(SurprisalError, ImportError):
    """A package that is not installed is needed for this."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {package}: pip install 'surprisal-client[{extra}]'")


@dataclass(frozen=True)
class FieldError:
    """One place in the request that is at fault, and what is wrong there."""

    pointer: str
    code: str
    detail: str
    where: str = ""
    """The row and the file of the place, where rows came from a file."""

    @property
    def argument(self) -> str:
        """The argument of the call that the place belongs to.

        >>> FieldError("/probabilities/3/1", "out_of_range", "must lie in [0, 1], found 1.2").argument
        'probabilities'
        """
        return self._steps()[0]

    @property
    def row(self) -> int | None:
        """The row at fault, counted from 0 over all files."""
        return next((int(step) for step in self._steps()[1:] if INTEGER.fullmatch(step)), None)

    @property
    def place(self) -> str:
        """The place as Python writes it.

        >>> FieldError("/candidates/new/probabilities/3/1", "out_of_range", "").place
        "candidates['new']['probabilities'][3, 1]"
        """
        first, *rest = self._steps()
        names = "".join(f"[{step!r}]" for step in rest if not INTEGER.fullmatch(step))
        indices = ", ".join(step for step in rest if INTEGER.fullmatch(step))
        return first + names + (f"[{indices}]" if indices else "")

    def __str__(self) -> str:
        place = ", ".join(filter(None, [self.place, self.where]))
        return f"{place}: {self.detail}" if place else self.detail

    def _steps(self) -> list[str]:
        return [step.replace("~1", "/").replace("~0", "~") for step in self.pointer.removeprefix("/").split("/")]


class InputError(SurprisalError, ValueError):
    """The data or an option is wrong: found here before anything was sent, or by the service."""

    def __init__(
        self, message: str, errors: tuple[FieldError, ...] = (), problem: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.errors = errors
        self.problem = dict(problem or {})
        self.code: str | None = self.problem.get("code")
        self.status: int | None = self.problem.get("status")
        self.request_id: str | None = self.problem.get("request_id")


class ServiceError(SurprisalError):
    """The service cannot be reached, refuses the caller, is full, or failed."""

    def __init__(self, message: str, problem: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.problem = dict(problem or {})
        self.code: str | None = self.problem.get("code")
        self.status: int | None = self.problem.get("status")
        self.request_id: str | None = self.problem.get("request_id")


def problem_error(
    problem: Mapping[str, Any], place: Callable[[int | None], str], options: Collection[str] = ()
) -> SurprisalError:
    """The exception that an answer of `application/problem+json` becomes.

    Args:
        problem: The decoded problem, with its `status`.
        place: Tells the file and the row of a row of the whole request, or the file alone.
        options: The arguments of the call that no file holds.
    """
    status = problem.get("status", 500)
    if status >= 500 or status in ACCESS:
        return ServiceError(_summary(problem, ()), problem)
    told = [FieldError(error["pointer"], error["code"], _unqueried(error)) for error in problem.get("errors", [])]
    errors = tuple(replace(error, where="" if error.argument in options else place(error.row)) for error in told)
    summary = _summary(problem, errors)
    if errors or problem.get("code") != "malformed_body":
        return InputError(summary, errors, problem)
    row = ROW.match(summary)
    where = place(int(row[1]) if row else None)
    said = summary[row.end() :].strip() if row and where else summary  # the file has a row of its own number
    return InputError(": ".join(filter(None, [where, said])), errors, problem)


def _unqueried(error: Mapping[str, Any]) -> str:
    """Leave out the query of HTTP, which a caller from Python or a shell does not write."""
    return str(error["detail"]).replace(" in the query", "")


def _summary(problem: Mapping[str, Any], errors: tuple[FieldError, ...]) -> str:
    """Say what is wrong: each place on a line of its own, those of one fault together; the detail without a place."""
    if not errors:
        return str(problem.get("detail") or problem.get("title") or "the service failed")
    faults: dict[tuple[str, str], list[FieldError]] = {}
    for error in errors:
        faults.setdefault((error.argument, error.detail), []).append(error)
    shown = list(faults.values())[:MOST_SHOWN]
    more = max(problem.get("n_errors", 0), len(errors)) - sum(map(len, shown))
    return "\n".join([*map(_told, shown), *([f"and {more:,} more"] if more > 0 else [])])


def _told(alike: list[FieldError]) -> str:
    """Say what is wrong at the first of some places, and how many more are like it."""
    return f"{alike[0]}{f'; {len(alike) - 1:,} more are like it' if len(alike) > 1 else ''}"
