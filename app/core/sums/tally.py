"""The sums of the rows of a chunk, and of the slices in it, with what was noticed in them.

They are made in one of two ways. Rows of weight 1 that are checked, and of which no sums by slice are wanted, take one
call of a kernel, `tally`. All others fill the matrix of a `Chunk`, among them those of large batches that are
checked as they fill it (`app.core.sums.at_once`).
"""

from collections.abc import Mapping
from dataclasses import field, replace
from functools import reduce
from operator import add
from typing import TypeVar

import numpy as np

from app.core.batch.batches import Batch
from app.core.batch.findings import NO_FINDING, Finding
from app.core.checkpoints import at_checkpoints
from app.core.columns import FloatArray, IntArray
from app.core.formulas.weights import are_usual
from app.core.kernels import compiled
from app.core.records import record
from app.core.rows.blocks import ROWS, chunks
from app.core.sums.chunk import Chunk
from app.core.sums.exact import Exact
from app.core.sums.groups import GroupSums
from app.core.sums.layout import ONES, Layout
from app.core.sums.moments import Moments, PackedMoments
from app.core.sums.paired import outcomes_of
from app.core.sums.state import State
from app.core.sums.tables import calibration

MAX_ADDED = 8
"""States of so many slices are added up in less time than all their rows, which each lie in one of them."""

Key = TypeVar("Key")
Sum = TypeVar("Sum", State, "Sums")


@record
class Sums:
    """The sums of some rows of one batch, with what was noticed in them.

    Attributes:
        slices: The sums of each slice, without findings, by its name and the code of its value.
    """

    n_scored: int
    weight_sum: Exact
    moments: Mapping[str, Moments]
    groups: dict[str, GroupSums]
    zero_probability: Finding = NO_FINDING
    clipped: Finding = NO_FINDING
    slices: Mapping[tuple[str, int], "Sums"] = field(default_factory=dict)

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            self.n_scored + other.n_scored,
            self.weight_sum + other.weight_sum,
            {name: sums + other.moments[name] for name, sums in self.moments.items()},
            {name: sums + other.groups[name] for name, sums in self.groups.items()},
            self.zero_probability + other.zero_probability,
            self.clipped + other.clipped,
            merged(self.slices, other.slices),
        )


def merged(ours: Mapping[Key, Sum], theirs: Mapping[Key, Sum]) -> dict[Key, Sum]:
    """The entries of both, those of one key added up."""
    both = {key: ours[key] + theirs[key] for key in at_checkpoints(ours.keys() & theirs.keys())}
    return {**ours, **theirs, **both}


def sums_of(batch: Batch, rows: slice | IntArray, layout: Layout, kept: Mapping[str, FloatArray]) -> Sums:
    """The sums and findings of a chunk; copy the quantities of its rows that are to be kept."""
    is_checked = batch.judge is None
    if layout.asked and is_checked and isinstance(rows, slice) and not batch.slices:
        sums = tally(batch, rows, layout, kept)
        if sums is not None:
            return sums
    chunk = Chunk(batch, rows, layout)
    if batch.slices:
        sums = _with_slices(chunk, batch, layout)
    else:
        sums = Sums(chunk.n_rows, chunk.weight_sum, chunk.moments, chunk.tables)
    if batch.losses is None and sums.moments["cross_entropy"].n_infinite:
        infinite = chunk.numbers[np.isinf(chunk.column("cross_entropy")) & chunk.has_weight] + batch.first_row
        sums = replace(sums, zero_probability=NO_FINDING.with_rows(infinite))
    if "clipped" in chunk.marks:
        clipped = chunk.numbers[chunk.marks["clipped"]] + batch.first_row
        sums = replace(sums, clipped=NO_FINDING.with_rows(clipped))
    for name, values in kept.items():
        column = chunk.column(name)
        values[chunk.rows] = 1.0 if column is None else column
    return sums


def tally(batch: Batch, rows: slice, layout: Layout, kept: Mapping[str, FloatArray]) -> Sums | None:
    """The sums of rows whose layout says what a kernel is asked for; None where a `Chunk` must make them.

    So if a number of a row is infinite, for then the row is looked for, and if an array is none that kernels take.
    """
    try:
        if batch.losses is not None:
            return _pair_tally(batch.losses, rows, layout)
        copied = tuple((layout.rows.get(name, ONES), values) for name, values in kept.items())
        found = ROWS[batch.task].tally(batch, rows, layout.asked, copied)  # type: ignore[arg-type]  # not None here
    except (TypeError, ValueError):  # kernels take doubles and integers of 64 bits in the order of C
        return None
    if found is None:
        return None
    packed, groups = found
    tables = {"calibration": calibration(groups[0])} if layout.bins else {}
    if layout.frequencies:
        _, (weights,), place = groups[-1]
        tables["class_frequencies"] = GroupSums({"weight": weights}, place)
    n_rows = rows.stop - rows.start
    return Sums(n_rows, Exact(n_rows), PackedMoments(packed, layout.means), tables)


def _pair_tally(losses: FloatArray, rows: slice, layout: Layout) -> Sums | None:
    found = compiled.pair_tally(losses, rows.start, rows.stop, layout.asked)  # type: ignore[arg-type]  # as above
    if found is None:
        return None
    n_rows, (packed, counts) = rows.stop - rows.start, found
    return Sums(n_rows, Exact(n_rows), PackedMoments(packed, layout.means), {"outcomes": outcomes_of(counts)})


def _with_slices(chunk: Chunk, batch: Batch, layout: Layout) -> Sums:
    """The sums of a chunk, and those of the slices that have rows in it."""
    # sums within clusters do not add, and of weights that are too large the first row is told
    whole = None if batch.clusters is None and batch.sample_weight is None else _added_up(chunk, batch)
    weight = None if batch.clusters is None else batch.sample_weight
    # a cluster has the scale of its largest weight, which may lie in another slice: then each slice is scored anew
    is_scaled = weight is not None and not are_usual(weight[chunk.rows])
    slices: dict[tuple[str, int], Sums] = {}
    parts: list[Sums] = []
    for name, grouping in batch.slices.items():
        parts = []
        for code, places in at_checkpoints(grouping.places(chunk.rows)):
            if is_scaled:
                parts.append(_scored_anew(chunk.numbers[places], batch, layout))
            else:
                parts.append(_added_up(chunk.take(places, batch), batch))
            slices[name, code] = parts[-1]
    if whole is None:
        whole = reduce(add, parts) if len(parts) <= MAX_ADDED else _added_up(chunk, batch)
    return replace(whole, zero_probability=NO_FINDING, clipped=NO_FINDING, slices=slices)


def _scored_anew(rows: IntArray, batch: Batch, layout: Layout) -> Sums:
    """The sums of some scored rows, as if there were no others."""
    alone = batch.take(rows)
    parts = (_added_up(Chunk(alone, some, layout), alone) for some in chunks(alone))
    return reduce(add, parts)


def _added_up(chunk: Chunk, batch: Batch) -> Sums:
    chunk.add_up(batch)
    return Sums(chunk.n_rows, chunk.weight_sum, chunk.moments, chunk.tables)
