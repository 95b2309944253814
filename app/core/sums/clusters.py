"""Sums within clusters of dependent rows. A cluster may lie in several parts of a body, so its sums stay exact."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np

from app.core.batch.batches import Batch
from app.core.batch.grouping import Grouping
from app.core.checkpoints import at_checkpoints
from app.core.columns import IntArray
from app.core.rows.blocks import chunks
from app.core.sums.chunk import Chunk, SummedPair
from app.core.sums.exact import Exact
from app.core.sums.groups import group_sums
from app.core.sums.layout import Needs, layout_of
from app.core.sums.moments import Moments
from app.core.sums.small import RAISED
from app.core.sums.state import BadLine, State, numbers, packed

DIGITS = 53
"""The bits of a double."""


Within: TypeAlias = tuple[int, int, int, int, int]
"""The sums of one mean within one cluster: its rows that count, then the exact sums of numerators and of denominators,
each as digits and place. There may be a million of them, so they are of a kind that the collector of garbage skips."""

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
        columns = [_of_groups(pair, codes, len(own)) for pair in pairs]
        names = [groups.names[code] for code in own.tolist()]
        found = added(found, {name: tuple(columns[number][i] for number in numbers) for i, name in enumerate(names)})
    return found


def added(ours: Clusters, theirs: Clusters) -> dict[str, tuple[Within, ...]]:
    """The clusters of two parts, those of one name added up."""
    both = {
        name: tuple(map(_sum_within, ours[name], theirs[name])) for name in at_checkpoints(ours.keys() & theirs.keys())
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
    return " ".join(f"{own[0]} {packed(Exact(*own[1:3]))} {packed(Exact(*own[3:]))}" for own in sums)


def read_within(line: str, n_means: int) -> tuple[Within, ...]:
    """Read what `within_line` wrote of so many means.

    Raises:
        BadLine: The line is none, or no rows have such sums.
    """
    words = line.split(" ")
    counts, sums = numbers(" ".join([*words[::3], *words[1::3], *words[2::3]]), 0, n_means, 2 * n_means)
    if any(v.digits < 0 or (n and not v) for n, v in zip(counts, sums[n_means:], strict=True)):
        raise BadLine(0, "must hold sums that rows can have")
    return tuple(map(_within, counts, sums[:n_means], sums[n_means:]))


def _within(n: int, z: Exact, v: Exact) -> Within:
    return n, z.digits, z.place, v.digits, v.place


def _sum_within(a: Within, b: Within) -> Within:
    """The sums of two parts of a cluster."""
    return _within(a[0] + b[0], Exact(*a[1:3]) + Exact(*b[1:3]), Exact(*a[3:]) + Exact(*b[3:]))


def _of_groups(pair: SummedPair, codes: IntArray, n_groups: int) -> list[Within]:
    counts = np.bincount(codes[pair.counted], minlength=n_groups).tolist()
    matrix = np.array((np.where(pair.finite, pair.z, 0.0), np.where(pair.finite, pair.v, 0.0)))
    _, (z, v), place = group_sums(codes, n_groups, matrix, (0, 1))
    z_place, v_place = place + pair.z_places, place + pair.v_places
    sums = [(n, own, z_place, size, v_place) for n, own, size in zip(counts, z, v, strict=True)]
    if pair.small is None:
        return sums
    _, (z,), place = group_sums(codes[pair.small.rows], n_groups, pair.small.raised[None], (0,))
    place += pair.z_places - RAISED
    return [_sum_within(own, (0, digits, place, 0, 0)) for own, digits in zip(sums, z, strict=True)]


def _clustered(of_rows: Moments, clusters: Sequence[Within]) -> Moments:
    columns = [[rounded(*own[at : at + 2]) for own in clusters] for at in (1, 3)]
    place = min([of_rows.place, *(total[1] for column in columns for total in column)])
    z, v = ([digits << own - place for digits, own in column] for column in columns)
    up = of_rows.place - place
    return of_rows.raised(up, up, place)._replace(
        n=sum(own[0] > 0 for own in clusters),
        zz=sum(a * a for a in z),
        zv=sum(a * b for a, b in zip(z, v, strict=True)),
        vv=sum(b * b for b in v),
    )


def rounded(digits: int, place: int) -> tuple[int, int]:
    """The number of 53 bits nearest to digits * 2**place, the even one of two; it has no least and no largest size.

    >>> rounded(2**60 + 1, 0) == (2**52, 8), rounded(-3, -5000)
    (True, (-3, -5000))
    """
    size = abs(digits)
    excess = size.bit_length() - DIGITS
    if excess <= 0:
        return digits, place
    kept, rest = size >> excess, size & ((1 << excess) - 1)
    half = 1 << (excess - 1)
    kept += rest > half or (rest == half and kept & 1)
    return -kept if digits < 0 else kept, place + excess
