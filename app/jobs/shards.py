"""The plan of a job: files cut into shards, shards put together into groups whose sums are stored."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from app.wire.files.pieces import File, Piece
from app.wire.sealed import opened, sealed

Classes: TypeAlias = tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of the rows that is read in about a second: a piece of a large file, or several small files."""

    pieces: tuple[Piece, ...]

    @property
    def n_bytes(self) -> int:
        """The bytes of files that it stands for."""
        return sum(piece.n_bytes for piece in self.pieces)

    @property
    def n_rows(self) -> int | None:
        """The number of its rows; None where somebody must count them first."""
        return _sum_of(piece.n_rows for piece in self.pieces)


@dataclass(frozen=True, slots=True)
class Group:
    """Shards that follow each other, scored by one task, whose sums are added up before they are stored."""

    number: int
    shards: tuple[Shard, ...]

    @property
    def n_bytes(self) -> int:
        """The bytes of files that it stands for."""
        return sum(shard.n_bytes for shard in self.shards)

    @property
    def n_rows(self) -> int | None:
        """The number of its rows; None where somebody must count them first."""
        return _sum_of(shard.n_rows for shard in self.shards)


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan, which is the same whenever it is made of the same files.

    Attributes:
        groups: All groups, in the order of the rows.
        classes: The categories of the labels of the first file, where the job takes the class names from them.
        kinds: The kinds of values of columns in CSV, which have no types, as the first such file has them.
    """

    groups: tuple[Group, ...]
    classes: Classes = None
    kinds: tuple[tuple[str, str], ...] = ()

    @property
    def n_shards(self) -> int:
        """The number of shards."""
        return sum(len(group.shards) for group in self.groups)

    @property
    def n_bytes(self) -> int:
        """The bytes of all files."""
        return sum(group.n_bytes for group in self.groups)

    @property
    def n_rows(self) -> int | None:
        """The number of all rows; None where somebody must count them first."""
        return _sum_of(group.n_rows for group in self.groups)

    def to_bytes(self) -> bytes:
        """The plan as the store keeps it."""
        files = dict.fromkeys(piece.file for piece in _pieces(self))
        places = {file: place for place, file in enumerate(files)}
        groups = [
            [
                [[places[p.file], p.start, p.stop, p.n_bytes, p.first_row, p.n_rows] for p in shard.pieces]
                for shard in group.shards
            ]
            for group in self.groups
        ]
        form = {"files": [file.to_json() for file in places], "groups": groups}
        return sealed({**form, "classes": self.classes, "kinds": self.kinds})


def read_plan(data: bytes) -> Plan:
    """The plan in some bytes.

    Raises:
        StoreCorrupt: They are not those that were written.
    """
    form: dict[str, Any] = opened(data)
    files = [File.of_json(file) for file in form["files"]]
    groups = tuple(
        Group(
            number,
            tuple(Shard(tuple(Piece(files[place], *rest) for place, *rest in pieces)) for pieces in shards),
        )
        for number, shards in enumerate(form["groups"])
    )
    classes = form["classes"]
    return Plan(groups, None if classes is None else tuple(classes), tuple((a, b) for a, b in form["kinds"]))


def _pieces(plan: Plan) -> Iterator[Piece]:
    return (piece for group in plan.groups for shard in group.shards for piece in shard.pieces)


def _sum_of(counts: Iterator[int | None]) -> int | None:
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total
