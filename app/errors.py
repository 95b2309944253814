"""The errors that Surprisal raises on purpose.

    SurprisalError
    ├── InvalidInput            well-formed, but a field breaks a rule
    │   └── InvalidState        serialised sums that cannot be read, or that no rows have
    ├── MalformedBody           the bytes are not what the media type says
    ├── UnsupportedMediaType    a body in a format nobody reads here
    ├── TooLarge                more bytes, rows, columns or work than a limit allows
    ├── Unavailable             no room for the work at this moment
    ├── StateMismatch           sums shaped by different options do not add
    ├── FaultyFile              a fault in a file of a data set, with the file and the row
    ├── OutsideRoots            a source that nobody may read through the service
    ├── SourceChanged           a file of a data set that is not the one that was planned
    ├── SourceUnavailable       a disk or a bucket that does not answer
    ├── StoreCorrupt            stored sums that are not those that were written
    ├── StoreFull               no room on the disk of the store
    ├── IdempotencyConflict     one key for two different requests
    └── JobsOff                 a job where no data set may be read

HTTP statuses belong to `app.api.problems`, not here. The words of errors are here: `pointer` says where,
`describe` what was found, `clip` cuts a client's text.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice

MAX_LISTED_ERRORS = 20
MAX_ECHO = 80
"""The most characters of a client's text that an error repeats, and of each name in a pointer."""


def pointer(*parts: int | str) -> str:
    """The JSON pointer (RFC 6901) of a place in a body; of a long name it holds the first `MAX_ECHO` characters.

    >>> pointer("slices", "a/b", 3)
    '/slices/a~1b/3'
    """
    return "".join(f"/{_escaped(part) if isinstance(part, str) else part}" for part in parts)


def _escaped(name: str) -> str:
    # An escape is a tilde and a digit: one that the cut halves goes whole.
    return clip(name.replace("~", "~0").replace("/", "~1")).replace("~…", "…")


def describe(value: object) -> str:
    """A value of a client in words, to end an error with: at most one number or `MAX_ECHO` characters of it.

    >>> describe(True), describe("0.5"), describe([1, 2]), describe(1.5), describe(float("nan"))
    ('true', 'the string "0.5"', 'a list', '1.5', 'no number (null or NaN)')
    """
    match value:
        case None | bool():
            return json.dumps(value)
        case str():
            return f'the string "{clip(value)}"'
        case Mapping():
            return "an object"
        case list() | tuple():
            return "a list"
        case float() if value != value:  # noqa: PLR0124 NaN differs from itself
            return "no number (null or NaN)"
        case _:
            return clip(repr(value))


def clip(text: str) -> str:
    """The first `MAX_ECHO` characters of a client's text, the last of them … where there are more."""
    return text if len(text) <= MAX_ECHO else text[: MAX_ECHO - 1] + "…"


class SurprisalError(Exception):
    """The root: `code` is what a program reads, `detail` what a person reads.

    Only its subclasses are raised; an error of this class itself would be a fault of the service.
    """

    code = "internal"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


@dataclass(frozen=True, slots=True)
class FieldError:
    """A fault at one place of a request.

    Attributes:
        pointer: JSON pointer (RFC 6901) into the body, such as `/probabilities/3/1`.
        code: A stable word, such as `out_of_range`.
        detail: A sentence that says what must hold, then what was found.
    """

    pointer: str
    code: str
    detail: str


class InvalidInput(SurprisalError):
    """A field breaks a rule; lists the first errors and counts them all."""

    code = "invalid_input"

    def __init__(self, errors: Iterable[FieldError], n_errors: int | None = None) -> None:
        """Keep at most `MAX_LISTED_ERRORS` of `errors`; `n_errors` counts those not listed too."""
        self.errors = tuple(islice(errors, MAX_LISTED_ERRORS))
        self.n_errors = len(self.errors) if n_errors is None else n_errors
        first = self.errors[0]
        super().__init__(f"{first.pointer or 'body'}: {first.detail}")

    def __reduce__(self) -> tuple[type["InvalidInput"], tuple[tuple[FieldError, ...], int]]:
        """Rebuild the error from its own arguments, for copying and pickling."""
        return type(self), (self.errors, self.n_errors)

    @classmethod
    def at(cls, pointer: str, code: str, detail: str) -> "InvalidInput":
        """One error at one place."""
        return cls((FieldError(pointer, code, detail),))

    @classmethod
    def joined(cls, refusals: Sequence["InvalidInput"]) -> "InvalidInput":
        """The errors of several, at least one, in their order."""
        errors = chain.from_iterable(refusal.errors for refusal in refusals)
        return cls(errors, sum(refusal.n_errors for refusal in refusals))


class MalformedBody(SurprisalError):
    """The bytes are not what the media type says."""

    code = "malformed_body"


class UnsupportedMediaType(SurprisalError):
    """A body in a format that the service does not read."""

    code = "unsupported_media_type"


class TooLarge(SurprisalError):
    """A body with more bytes, rows or columns than a limit allows, or that takes more work."""

    code = "too_large"


class Unavailable(SurprisalError):
    """No room for the work at this moment; trying again later may succeed."""

    code = "unavailable"


class InvalidState(InvalidInput):
    """Serialised sums that cannot be read, or that no rows have."""

    code = "invalid_state"


class StateMismatch(SurprisalError):
    """Sums shaped by different options do not add."""

    code = "state_mismatch"


class FaultyFile(SurprisalError):
    """A fault in a file of a data set: it has the code of its cause."""

    code = InvalidInput.code

    def __init__(self, cause: SurprisalError, file: str, row: int | None = None) -> None:
        """Tell of a cause in a file; `row` is the first row at fault, counted from 0 in the file, if one is known."""
        place = file if row is None else f"{file}, row {row}"
        super().__init__(f"{place}: {cause.detail}")
        self.code, self.cause, self.file, self.row = cause.code, cause, file, row

    def __reduce__(self) -> tuple[type["FaultyFile"], tuple[SurprisalError, str, int | None]]:
        """Rebuild the error from its own arguments, for copying and pickling."""
        return type(self), (self.cause, self.file, self.row)


class OutsideRoots(SurprisalError):
    """A source that lies outside the folders and buckets that jobs may read."""

    code = "outside_roots"


class SourceChanged(SurprisalError):
    """A file of a data set that has changed since the job was planned."""

    code = "source_changed"


class SourceUnavailable(SurprisalError):
    """A disk or a bucket that fails at this moment; trying again later may succeed."""

    code = "source_unavailable"


class StoreCorrupt(SurprisalError):
    """Stored sums that are not those that were written."""

    code = "store_corrupt"


class StoreFull(SurprisalError):
    """No room on the disk of the store."""

    code = "store_full"


class IdempotencyConflict(SurprisalError):
    """One key for two different requests."""

    code = "idempotency_conflict"


class JobsOff(SurprisalError):
    """A job, where no folder and no bucket may be read."""

    code = "jobs_off"
