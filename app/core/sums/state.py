"""States: exact sums from which every metric is computed. States of parts add up to that of the whole."""

import json
import re
from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

from app.core.records import record
from app.core.sums.exact import NOTHING, Exact
from app.core.sums.groups import GroupSums, is_count
from app.core.sums.moments import Moments
from app.errors import InvalidState, StateMismatch

VERSION = 3
"""The version of the serial form; a state of another version is refused."""
_SUM = re.compile(r"(-?[0-9a-f]{1,2200})p(-?[0-9]{1,4})")
_FARTHEST = 5_000  # powers of two, more than any sum of products of doubles takes


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
        if (self.fingerprint, set(self.moments), set(self.groups)) != (
            other.fingerprint,
            set(other.moments),
            set(other.groups),
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
        return isinstance(other, State) and self.to_bytes() == other.to_bytes()

    __hash__ = None  # type: ignore[assignment]

    def to_bytes(self) -> bytes:
        """The state as versioned JSON, each sum in hexadecimal digits times a power of two."""
        return json.dumps(
            {
                "version": VERSION,
                "fingerprint": self.fingerprint,
                "counts": [self.n_classes, self.n_samples, self.n_scored],
                "weight_sum": _packed(self.weight_sum.digits, self.weight_sum.place),
                "clustered": self.clustered,
                "moments": {name: _packed_moments(own) for name, own in self.moments.items()},
                "groups": {name: _packed_table(table) for name, table in self.groups.items()},
            },
            separators=(",", ":"),
            sort_keys=True,
        ).encode()

    @classmethod
    def from_bytes(cls, serial: bytes) -> "State":
        """Read what `to_bytes` wrote.

        Raises:
            InvalidState: The bytes are of another version, or no serialised state.
        """
        try:
            state = cls._from_form(json.loads(serial))
            canonical = state.to_bytes() == serial
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
            raise InvalidState("must be a serialised state, found something else") from error
        if not canonical:
            raise InvalidState("must be a serialised state as it was written, found another form of one")
        return state

    @classmethod
    def _from_form(cls, form: Any) -> "State":
        if form["version"] != VERSION:
            raise InvalidState(f"must be a state of version {VERSION}, found another")
        n_classes, n_samples, n_scored = map(_count, form["counts"])
        return cls(
            form["fingerprint"],
            n_classes,
            n_samples,
            n_scored,
            weight_sum=_unpacked(form["weight_sum"]),
            moments={name: _moments(*values) for name, values in form["moments"].items()},
            groups={name: _table(table) for name, table in form["groups"].items()},
            clustered=form["clustered"],
        )


def _packed(total: int, place: int) -> str:
    """A sum in units of 2**place, in the largest unit in which it is whole."""
    if not total:
        return "0p0"
    zeros = (total & -total).bit_length() - 1
    return f"{total >> zeros:x}p{place + zeros}"


def _packed_moments(m: Moments) -> list[Any]:
    sums = [_packed(total, m.place) for total in (m.z, m.v)]
    products = [_packed(total, 2 * m.place) for total in (m.zz, m.zv, m.vv)]
    return [m.n, m.n_infinite, m.n_undefined, *sums, *products]


def _packed_table(table: GroupSums) -> dict[str, list[Any]]:
    return {
        name: sums if is_count(name) else [_packed(total, table.place) for total in sums]
        for name, sums in table.columns.items()
    }


def _unpacked(text: str) -> Exact:
    match = _SUM.fullmatch(text)
    if match is None or abs(int(match[2])) > _FARTHEST:
        raise ValueError(text)
    return Exact(int(match[1], 16), int(match[2]))


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError(value)
    return value


def _moments(n: Any, n_infinite: Any, n_undefined: Any, *texts: str) -> Moments:
    z, v, *products = map(_unpacked, texts)
    place = min(z.place, v.place, *(product.place // 2 for product in products))
    zz, zv, vv = (product.in_units(2 * place) for product in products)
    counts = _count(n), _count(n_infinite), _count(n_undefined)
    return Moments(*counts, z.in_units(place), v.in_units(place), zz, zv, vv, place)


def _table(form: dict[str, list[Any]]) -> GroupSums:
    counts = {name: list(map(_count, values)) for name, values in form.items() if is_count(name)}
    sums = {name: list(map(_unpacked, texts)) for name, texts in form.items() if not is_count(name)}
    place = min((total.place for column in sums.values() for total in column), default=0)
    whole = {name: [total.in_units(place) for total in column] for name, column in sums.items()}
    return GroupSums(counts | whole, place)
