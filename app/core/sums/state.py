"""States: the exact sums from which every metric is computed, and which add."""

import json
import re
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from app.core.sums.exact import UNIT_EXPONENT, shifted
from app.errors import InvalidState, StateMismatch

VERSION = 2
_SUM = re.compile(r"(-?[0-9a-f]{1,2200})p(-?[0-9]{1,4})")


class Moments(NamedTuple):
    """The sums behind a weighted mean and its standard error, of rows with numerator z_i and denominator v_i.

    Attributes:
        n: Rows of positive weight with a finite numerator.
        n_infinite: Rows of positive weight with an infinite one, which are in no sum.
        n_undefined: Rows of positive weight with one that is no number, such as 0/0; they are in no sum either.
        z, v: Exact sums of z_i and v_i.
        zz, zv, vv: Exact sums of their products, in units of products.
    """

    n: int = 0
    n_infinite: int = 0
    z: int = 0
    v: int = 0
    zz: int = 0
    zv: int = 0
    vv: int = 0
    n_undefined: int = 0

    def __add__(self, other: "Moments") -> "Moments":  # type: ignore[override]  # not a longer tuple
        return Moments(
            self.n + other.n,
            self.n_infinite + other.n_infinite,
            self.z + other.z,
            self.v + other.v,
            self.zz + other.zz,
            self.zv + other.zv,
            self.vv + other.vv,
            self.n_undefined + other.n_undefined,
        )

    def shifted(self, z_places: int, v_places: int) -> "Moments":
        """The same of numerators 2**z_places and denominators 2**v_places times as large."""
        return self._replace(
            z=shifted(self.z, z_places),
            v=shifted(self.v, v_places),
            zz=shifted(self.zz, 2 * z_places),
            zv=shifted(self.zv, z_places + v_places),
            vv=shifted(self.vv, 2 * v_places),
        )


@dataclass(frozen=True, slots=True)
class GroupSums:
    """Exact sums by group (bin or class), a list for each column."""

    columns: dict[str, list[int]]

    def __getitem__(self, column: str) -> list[int]:
        return self.columns[column]

    def __add__(self, other: "GroupSums") -> "GroupSums":
        return GroupSums(
            {
                name: [a + b for a, b in zip(sums, other.columns[name], strict=True)]
                for name, sums in self.columns.items()
            }
        )

    def shifted(self, places: int) -> "GroupSums":
        """The same of weights 2**places times as large; rows are still counted as rows."""
        return GroupSums(
            {
                name: sums if name.startswith("n") else [shifted(total, places) for total in sums]
                for name, sums in self.columns.items()
            }
        )


@dataclass(frozen=True, slots=True)
class State:
    """All sums of a batch, or of many: states of the same options and task add, in any order.

    Attributes:
        fingerprint: Equal only for tasks and options under which sums mean the same.
        n_classes: Columns of the prediction; 0 for tokens.
        weight_sum: Exact sum of the weights of the scored rows.
        moments: By the name of what is averaged.
        groups: By the name of the table.
        clustered: Whether products are those of sums within clusters; such states do not add.
    """

    fingerprint: str
    n_classes: int
    n_samples: int = 0
    n_scored: int = 0
    weight_sum: int = 0
    moments: dict[str, Moments] = field(default_factory=dict)
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

    def to_bytes(self) -> bytes:
        """The versioned serial form: JSON, each sum as hexadecimal digits times a power of two."""
        return json.dumps(
            {
                "version": VERSION,
                "fingerprint": self.fingerprint,
                "counts": [self.n_classes, self.n_samples, self.n_scored],
                "weight_sum": _packed(self.weight_sum),
                "clustered": self.clustered,
                "moments": {
                    name: [
                        *(m.n, m.n_infinite, m.n_undefined),
                        *map(_packed, (m.z, m.v)),
                        *map(_packed_product, (m.zz, m.zv, m.vv)),
                    ]
                    for name, m in self.moments.items()
                },
                "groups": {
                    name: {column: list(map(_packed, sums)) for column, sums in table.columns.items()}
                    for name, table in self.groups.items()
                },
            },
            separators=(",", ":"),
            sort_keys=True,
        ).encode()

    @classmethod
    def from_bytes(cls, serial: bytes) -> "State":
        """Read what `to_bytes` wrote.

        Raises:
            InvalidState: Another version, or not a serialised state.
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
            groups={
                name: GroupSums({column: list(map(_unpacked, sums)) for column, sums in table.items()})
                for name, table in form["groups"].items()
            },
            clustered=form["clustered"],
        )


def _packed(total: int, unit: int = UNIT_EXPONENT) -> str:
    zeros = (total & -total).bit_length() - 1 if total else 0
    return f"{total >> zeros:x}p{zeros + unit}"


def _packed_product(total: int) -> str:
    return _packed(total, 2 * UNIT_EXPONENT)


def _unpacked(text: str, unit: int = UNIT_EXPONENT) -> int:
    match = _SUM.fullmatch(text)
    if match is None or int(match[2]) < unit:
        raise ValueError(text)
    return int(match[1], 16) << int(match[2]) - unit


def _count(value: Any) -> int:
    if type(value) is not int or not 0 <= value < 1 << 63:
        raise ValueError(value)
    return value


def _moments(n: Any, n_infinite: Any, n_undefined: Any, *sums: str) -> Moments:
    z, v = map(_unpacked, sums[:2])
    zz, zv, vv = (_unpacked(text, 2 * UNIT_EXPONENT) for text in sums[2:])
    return Moments(_count(n), _count(n_infinite), z, v, zz, zv, vv, _count(n_undefined))
