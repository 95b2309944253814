"""The adding of sums: those of pieces on a worker, those of groups at the end, in the order of the rows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from app.errors import FaultyFile, InvalidInput, StoreCorrupt, pointer
from app.jobs.requests import JobRequest
from app.jobs.shards import Classes
from app.service import Question
from app.service.merging import answer_of_total
from app.service.nodes import Node
from app.service.part_forms import part_form, read_part
from app.service.sections import Part
from app.wire.sealed import opened, sealed

MAX_LISTED_SKIPPED = 20
"""The most skipped rows that an answer lists."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """Rows that are left out for a fault: their number, and the first of them with file, row and what is wrong."""

    count: int = 0
    rows: tuple[dict[str, Any], ...] = ()

    def __add__(self, other: "Skipped") -> "Skipped":
        return Skipped(self.count + other.count, (*self.rows, *other.rows)[:MAX_LISTED_SKIPPED])


@dataclass(frozen=True, slots=True)
class Sums:
    """The sums of rows that follow each other.

    Attributes:
        question: What is asked of them; None where there are no rows.
        part: The sums; None where there are no rows.
        classes: The class names that the rows brought, if they were asked for.
        kinds: The kind of values of each column.
        file: The file in which the first of them stand.
        n_rows: The rows that were read, those that are skipped among them.
    """

    question: Question | None = None
    part: Part | None = None
    classes: Classes = None
    kinds: Mapping[str, str] = field(default_factory=dict)
    file: str = ""
    n_rows: int = 0
    skipped: Skipped = Skipped()

    def __add__(self, other: "Sums") -> "Sums":
        n_rows, skipped = self.n_rows + other.n_rows, self.skipped + other.skipped
        if self.part is None or other.part is None:
            return replace(self if other.part is None else other, n_rows=n_rows, skipped=skipped)
        _check_alike(self, other)
        part = self.part + other.part.shifted(self.part.summary.state.n_samples)
        return replace(self, part=part, n_rows=n_rows, skipped=skipped)

    def to_bytes(self) -> bytes:
        """The sums as they are sent and stored."""
        form: dict[str, Any] = {"n_rows": self.n_rows, "skipped": [self.skipped.count, self.skipped.rows]}
        if self.question is not None and self.part is not None:
            question = self.question
            form |= {
                "columns": [*question.columns, *(["slices"] if self.part.summary.slices else [])],
                "classes": self.classes,
                "kinds": self.kinds,
                "file": self.file,
                "part": part_form(self.part, question.include),
            }
        return sealed(form)


def read_sums(data: bytes, request: JobRequest) -> Sums:
    """The sums in some bytes.

    Raises:
        StoreCorrupt: They are not those that were written.
    """
    form = opened(data)
    skipped = Skipped(form["skipped"][0], tuple(form["skipped"][1]))
    if "part" not in form:
        return Sums(n_rows=form["n_rows"], skipped=skipped)
    classes = form["classes"] and tuple(form["classes"])
    empty: dict[str, Any] = {name: {} if name == "slices" else () for name in form["columns"]}
    question = request.question.asked(empty, classes).question
    try:
        part = read_part(question, Node(form["part"], ""))
    except InvalidInput as error:
        raise StoreCorrupt(f"stored sums must be those of rows, found others: {error.detail}") from error
    return Sums(question, part, classes, form["kinds"], form["file"], form["n_rows"], skipped)


def total_of(sums: Iterable[Sums]) -> Sums:
    """The sum of all, in their order."""
    total = Sums()
    for some in sums:
        total += some
    return total


def answer(request: JobRequest, sums: Iterable[bytes]) -> dict[str, Any]:
    """The answer of a job, as that of scoring all rows at once.

    Args:
        sums: The sums of all groups, in the order of the plan.

    Raises:
        StoreCorrupt: Some are not those that were written.
        InvalidInput: There is no row, or there are more clusters or slices than an answer may have.
    """
    total = total_of(read_sums(data, request) for data in sums)
    if total.question is None or total.part is None:
        raise InvalidInput.at("", "empty", "must hold at least one sample, found none")
    found = answer_of_total(total.question, total.part)
    if request.on_error == "skip":
        if total.skipped.count > request.max_skipped_share * total.n_rows:
            raise _too_many(total.skipped, total.n_rows, request.max_skipped_share)
        found["skipped"] = {"count": total.skipped.count, "rows": list(total.skipped.rows)}
    return found


def _too_many(skipped: Skipped, n_rows: int, share: float) -> FaultyFile:
    rule = f"must have at most a share of {share:g} of rows at fault, found {skipped.count} of {n_rows}"
    first = skipped.rows[0]
    detail = f"{rule}, the first: {first['detail']}"
    return FaultyFile(InvalidInput.at("/max_skipped_share", "out_of_range", detail), first["file"], first["row"])


def check_alike(ours: Mapping[str, str], theirs: Mapping[str, str], before: str, file: str) -> None:
    """Refuse a file with other columns, or with columns of other kinds, than one before.

    Raises:
        FaultyFile: It has others.
    """
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in ours or name not in theirs:
            rule = f"must be in all files or in none, found a change after {before}"
            raise FaultyFile(InvalidInput.at(pointer(name), "missing", rule), file)
        if ours[name] != theirs[name]:
            rule = f"must hold values of one type, found others than in {before}"
            raise FaultyFile(InvalidInput.at(pointer(name), "wrong_type", rule), file)


def _check_alike(ours: Sums, theirs: Sums) -> None:
    """Refuse rows with other columns, columns of other kinds, or other classes than those before."""
    check_alike(ours.kinds, theirs.kinds, ours.file, theirs.file)
    if ours.classes != theirs.classes:
        rule = f"must be those of {ours.file}, found others"
        raise FaultyFile(InvalidInput.at("/classes", "wrong_shape", rule), theirs.file)
    if ours.part is not None and theirs.part is not None:
        before, width = ours.part.summary.state.n_classes, theirs.part.summary.state.n_classes
        if before != width:
            rule = f"must have {before} values like the rows before, found {width}"
            raise FaultyFile(InvalidInput.at(pointer(theirs.part.form), "wrong_shape", rule), theirs.file)
