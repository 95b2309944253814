"""Sums within clusters of dependent rows. A cluster may lie in several parts of a body, so its sums stay exact."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import numpy as np

from app.core.batch.batches import Batch
from app.core.batch.grouping import Grouping
from app.core.checkpoints import at_checkpoints
from app.core.columns import IntArray
from app.core.rows.blocks import chunks
from app.core.sums.chunk import Chunk, SummedPair
from app.core.sums.exact import NOTHING, Exact
from app.core.sums.groups import group_sums
from app.core.sums.layout import Needs, layout_of
from app.core.sums.moments import Moments
from app.core.sums.small import RAISED
from app.core.sums.state import BadLine, State, numbers, packed

DIGITS = 53
"""The bits of a double."""


class Within(NamedTuple):
    """The sums of one mean within one cluster: its rows that count, and exact sums of numerators and denominators."""

    n: int = 0
    z: Exact = NOTHING
    v: Exact = NOTHING

    def added(self, other: "Within") -> "Within":
        """The sums of two parts of the cluster."""
        return Within(self.n + other.n, self.z + other.z, self.v + other.v)


Clusters: TypeAlias = Mapping[str, tuple[Within, ...]]
"""The sums of the means, in the order of their names, within each cluster by its name."""


def clusters_of(batch: Batch, needs: Needs, groups: Grouping) -> dict[str, tuple[Within, ...]]:
    """The sums of the scored rows of a batch within groups; groups without such rows are left out."""
    rows = replace(batch, clusters=None, slices={})
    layout = layout_of(rows, needs)
    numbers = [layout.means[name] for name in sorted(layout.means)]
    found: dict[str, tuple[Within, ...]] = {}
    for some in at_checkpoints(chunks(rows)):
        pairs = list(Chunk(rows, some, layout).summed_pairs())
        own, codes = np.unique(groups.codes[some], return_inverse=True)
        columns = [_within(pair, codes, len(own)) for pair in pairs]
        names = [groups.names[code] for code in own.tolist()]
        found = added(found, {name: tuple(columns[number][i] for number in numbers) for i, name in enumerate(names)})
    return found


def added(ours: Clusters, theirs: Clusters) -> dict[str, tuple[Within, ...]]:
    """The clusters of two parts, those of one name added up."""
    both = {
        name: tuple(a.added(b) for a, b in zip(ours[name], theirs[name], strict=True))
        for name in at_checkpoints(ours.keys() & theirs.keys())
    }
    return {**ours, **theirs, **both}


def clustered(state: State, clusters: Clusters) -> State:
    """The state with n and the sums of products replaced by those of sums within clusters, each rounded once."""
    columns = zip(*clusters.values(), strict=True) if clusters else [()] * len(state.moments)
    moments = {
        name: _clustered(state.moments[name], own) for name, own in zip(sorted(state.moments), columns, strict=True)
    }
    return replace(state, moments={name: moments[name] for name in state.moments}, clustered=True)


def within_line(sums: tuple[Within, ...]) -> str:
    """The sums within a cluster as text."""
    return " ".join(f"{own.n} {packed(own.z)} {packed(own.v)}" for own in sums)


def read_within(line: str, n_means: int) -> tuple[Within, ...]:
    """Read what `within_line` wrote of so many means.

    Raises:
        BadLine: The line is none, or no rows have such sums.
    """
    words = line.split(" ")
    counts, sums = numbers(" ".join([*words[::3], *words[1::3], *words[2::3]]), 0, n_means, 2 * n_means)
    found = tuple(map(Within, counts, sums[:n_means], sums[n_means:]))
    if any(own.v.digits < 0 or (own.n and not own.v) for own in found):
        raise BadLine(0, "must hold sums that rows can have")
    return found


def _within(pair: SummedPair, codes: IntArray, n_groups: int) -> list[Within]:
    counts = np.bincount(codes[pair.counted], minlength=n_groups).tolist()
    matrix = np.array((np.where(pair.finite, pair.z, 0.0), np.where(pair.finite, pair.v, 0.0)))
    _, (z, v), place = group_sums(codes, n_groups, matrix, (0, 1))
    sums = [
        Within(n, Exact(own, place + pair.z_places), Exact(size, place + pair.v_places))
        for n, own, size in zip(counts, z, v, strict=True)
    ]
    if pair.small is None:
        return sums
    _, (z,), place = group_sums(codes[pair.small.rows], n_groups, pair.small.raised[None], (0,))
    place += pair.z_places - RAISED
    return [own.added(Within(z=Exact(digits, place))) for own, digits in zip(sums, z, strict=True)]


def _clustered(of_rows: Moments, clusters: Sequence[Within]) -> Moments:
    sums = [(rounded(own.z), rounded(own.v)) for own in clusters]
    place = min([of_rows.place, *(total.place for pair in sums for total in pair)])
    z, v = ([total.in_units(place) for total in column] for column in (zip(*sums, strict=True) if sums else ((), ())))
    up = of_rows.place - place
    return of_rows.raised(up, up, place)._replace(
        n=sum(own.n > 0 for own in clusters),
        zz=sum(a * a for a in z),
        zv=sum(a * b for a, b in zip(z, v, strict=True)),
        vv=sum(b * b for b in v),
    )


def rounded(total: Exact) -> Exact:
    """The number of 53 bits that is nearest to a sum, the even one of two; it has no least and no largest size.

    >>> rounded(Exact(2**60 + 1)) == Exact(2**60), rounded(Exact(-3, -5000)) == Exact(-3, -5000)
    (True, True)
    """
    size = abs(total.digits)
    excess = size.bit_length() - DIGITS
    if excess <= 0:
        return total
    digits, rest = size >> excess, size & ((1 << excess) - 1)
    half = 1 << (excess - 1)
    digits += rest > half or (rest == half and digits & 1)
    return Exact(-digits if total.digits < 0 else digits, total.place + excess)
