"""States: exact sums from which every metric is computed. States of parts add up to that of the whole."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from itertools import chain

from app.core.records import record
from app.core.sums.exact import NOTHING, Exact
from app.core.sums.groups import GroupSums, is_count
from app.core.sums.moments import Moments
from app.errors import StateMismatch

_SUM = re.compile(r"(-?[0-9a-f]{1,2200})p(-?[0-9]{1,4})")
_COUNT = re.compile(r"[0-9]{1,18}")
_FARTHEST = 5_000  # powers of two, more than any sum of products of doubles takes
_LARGEST = 1_000  # powers of two that a sum of weights stays below, so that a double holds it


@record
class State:
    """All sums of one batch or of several. States of the same task and options add, in any order.

    Attributes:
        fingerprint: A text that is equal only for tasks and options under which sums mean the same.
        n_classes: The columns of the prediction; 0 for tokens.
        weight_sum: The exact sum of the weights of the scored rows.
        moments: The sums of each mean, by its name.
        groups: The sums by group of each table, by its name.
        clustered: Whether products are those of sums within clusters. Such states do not add, for parts may share one.
    """

    fingerprint: str
    n_classes: int
    n_samples: int = 0
    n_scored: int = 0
    weight_sum: Exact = NOTHING
    moments: Mapping[str, Moments] = field(default_factory=dict)
    groups: dict[str, GroupSums] = field(default_factory=dict)
    clustered: bool = False

    def __add__(self, other: "State") -> "State":
        if (self.fingerprint, self.moments.keys(), self.groups.keys()) != (
            other.fingerprint,
            other.moments.keys(),
            other.groups.keys(),
        ):
            raise StateMismatch("states must come from the same task, options and metrics to add")
        if self.clustered and self.n_samples and other.n_samples:
            raise StateMismatch("states of clustered rows do not add: a cluster may lie in both")
        return replace(
            self,
            n_samples=self.n_samples + other.n_samples,
            n_scored=self.n_scored + other.n_scored,
            weight_sum=self.weight_sum + other.weight_sum,
            moments={name: m + other.moments[name] for name, m in self.moments.items()},
            groups={name: g + other.groups[name] for name, g in self.groups.items()},
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, State) and (self._kind, self.lines()) == (other._kind, other.lines())

    __hash__ = None  # type: ignore[assignment]

    @property
    def _kind(self) -> tuple[object, ...]:
        return self.fingerprint, self.n_classes, self.clustered, self.moments.keys(), self.groups.keys()

    def lines(self) -> list[str]:
        """The sums as texts: counts and weight, then a line for each mean and for each column of each table.

        A sum is written in hexadecimal digits times a power of two, so it is exact.
        """
        head = f"{self.n_samples} {self.n_scored} {packed(self.weight_sum)}"
        moments = (_packed_moments(sums) for _, sums in sorted(self.moments.items()))
        tables = (_table_lines(table) for _, table in sorted(self.groups.items()))
        return [head, *moments, *chain.from_iterable(tables)]

    def with_lines(self, lines: Sequence[str]) -> "State":
        """Read what `lines` wrote of a state of the same means and tables, whose sums are those of no row here.

        Raises:
            BadLine: A line is none, or no rows have such sums.
        """
        n_columns = sum(len(table.columns) for table in self.groups.values())
        if len(lines) != 1 + len(self.moments) + n_columns:
            raise BadLine(len(lines), f"there must be {1 + len(self.moments) + n_columns} lines, found {len(lines)}")
        n_samples, n_scored, weight_sum = _head(lines[0])
        moments = {
            name: _moments(line, number, n_scored)
            for number, (name, line) in enumerate(zip(sorted(self.moments), lines[1:], strict=False), 1)
        }
        rest, number = {}, 1 + len(moments)
        for name, table in sorted(self.groups.items()):
            rest[name] = _table(table, lines[number : number + len(table.columns)], number)
            number += len(table.columns)
        return replace(
            self, n_samples=n_samples, n_scored=n_scored, weight_sum=weight_sum, moments=moments, groups=rest
        )


class BadLine(ValueError):
    """The error of a line that is no line of a state."""

    def __init__(self, number: int, detail: str) -> None:
        super().__init__(detail)
        self.number, self.detail = number, detail


def packed(total: Exact) -> str:
    """A sum as text: hexadecimal digits times the largest power of two in which it is whole.

    >>> packed(Exact(-48, -4)), packed(Exact())
    ('-3p0', '0p0')
    """
    if not total:
        return "0p0"
    zeros = (total.digits & -total.digits).bit_length() - 1
    return f"{total.digits >> zeros:x}p{total.place + zeros}"


def _packed_moments(m: Moments) -> str:
    sums = [packed(Exact(total, m.place)) for total in (m.z, m.v)]
    products = [packed(Exact(total, 2 * m.place)) for total in (m.zz, m.zv, m.vv)]
    return " ".join([str(m.n), str(m.n_infinite), str(m.n_undefined), *sums, *products])


def _table_lines(table: GroupSums) -> Iterator[str]:
    for name, sums in sorted(table.columns.items()):
        yield " ".join(map(str, sums) if is_count(name) else (packed(Exact(total, table.place)) for total in sums))


def _head(line: str) -> tuple[int, int, Exact]:
    counts, (weight,) = numbers(line, 0, 2, 1)
    n_samples, n_scored = counts
    if n_scored > n_samples or weight.digits < 0 or weight.digits.bit_length() + weight.place > _LARGEST:
        raise BadLine(0, "must hold rows, scored rows among them, and their weight")
    return n_samples, n_scored, weight


def _moments(line: str, number: int, n_scored: int) -> Moments:
    counts, sums = numbers(line, number, 3, 5)
    place = min(sums[0].place, sums[1].place, *(product.place // 2 for product in sums[2:]))
    z, v = (total.in_units(place) for total in sums[:2])
    zz, zv, vv = (product.in_units(2 * place) for product in sums[2:])
    if sum(counts) > n_scored or (counts[0] and not v) or min(v, zz, vv) < 0 or zv * zv > zz * vv:
        raise BadLine(number, "must hold sums that rows can have")
    return Moments(counts[0], counts[1], counts[2], z, v, zz, zv, vv, place)


def _table(empty: GroupSums, lines: Sequence[str], first: int) -> GroupSums:
    columns: dict[str, Sequence[Exact]] = {}
    for number, (name, line) in enumerate(zip(sorted(empty.columns), lines, strict=True), first):
        n_groups = len(empty[name])
        counts, sums = numbers(line, number, *((n_groups, 0) if is_count(name) else (0, n_groups)))
        columns[name] = [Exact(count) for count in counts] if is_count(name) else sums
        if any(total.digits < 0 for total in sums):
            raise BadLine(number, "must hold sums of at least 0")
    place = min((total.place for name, sums in columns.items() if not is_count(name) for total in sums), default=0)
    whole = {name: [t.in_units(0 if is_count(name) else place) for t in sums] for name, sums in columns.items()}
    return GroupSums(whole, place)


def numbers(line: str, number: int, n_counts: int, n_sums: int) -> tuple[list[int], list[Exact]]:
    """The counts and then the sums of a line."""
    words = line.split(" ")
    counts = [_COUNT.fullmatch(word) for word in words[:n_counts]]
    sums = [_SUM.fullmatch(word) for word in words[n_counts:]]
    if len(words) != n_counts + n_sums or None in counts or None in sums:
        raise BadLine(number, f"must hold {n_counts} counts and {n_sums} sums")
    found = [Exact(int(match[1], 16), int(match[2])) for match in sums if match]
    if any(abs(total.place) > _FARTHEST for total in found):
        raise BadLine(number, "must hold sums of doubles")
    return [int(match[0]) for match in counts if match], found
