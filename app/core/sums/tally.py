"""The sums of rows of one batch, with what was noticed in them; of plain rows a kernel makes them by one call."""

from collections.abc import Mapping
from dataclasses import field
from typing import TypeVar

from app.core.batch.batches import Batch
from app.core.batch.findings import NO_FINDING, Finding
from app.core.checkpoints import at_checkpoints
from app.core.records import record
from app.core.rows.blocks import ROWS
from app.core.sums.exact import Exact
from app.core.sums.groups import GroupSums
from app.core.sums.layout import Layout
from app.core.sums.moments import Moments, PackedMoments
from app.core.sums.state import State
from app.core.sums.tables import calibration

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


def tally(batch: Batch, rows: slice, layout: Layout) -> Sums | None:
    """The sums of rows whose layout says what a kernel is asked for; None where there is more to be done.

    So if a number of a row is infinite, for then the row is looked for, and if an array is none that kernels take.
    """
    try:
        found = ROWS[batch.task].tally(batch, rows, layout.asked)  # type: ignore[arg-type]  # not None here
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
