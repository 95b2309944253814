"""Summaries of batches, made in one pass over the scored rows, chunk by chunk. Summaries of parts add up."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import field, replace
from functools import partial, reduce
from operator import add
from types import MappingProxyType

import numpy as np

from app.core.batch.batches import Batch
from app.core.batch.findings import NO_FINDING, Finding, added
from app.core.batch.inspected import NO_ROWS, InspectedRows, inspected_rows
from app.core.batch.sentinels import NO_SENTINELS, Sentinels
from app.core.checkpoints import at_checkpoints, checkpoint
from app.core.columns import FloatArray, IntArray
from app.core.options import Options
from app.core.records import record
from app.core.rows.blocks import chunks
from app.core.sums.exact import NOTHING
from app.core.sums.layout import Layout, Needs, layout_of
from app.core.sums.moments import Moments
from app.core.sums.state import State
from app.core.sums.tables import empty_table
from app.core.sums.tally import Sums, merged, sums_of
from app.core.tasks import TaskName
from app.errors import InvalidInput


@record
class Summary:
    """A state with what was noticed about its rows. It stands for a batch, or for parts of a longer body added up.

    Attributes:
        inspected: The rows in which mistakes of a sender are looked for; none where nobody looks.
        not_normalized: Rows whose probabilities do not sum to 1.
        rounded: The rows, by field, in which a number outside [0, 1] by rounding was taken as the bound.
        sentinels: Numbers of the prediction that may stand for none.
        zero_probability: Rows of positive weight whose loss is infinite.
        clipped: Rows in which epsilon moved a probability.
        looks_like_probabilities: Whether all scored logits could be rows of probabilities.
        slices: By name and value of each slice, the state of its rows.
    """

    task: TaskName
    options: Options
    state: State
    not_normalized: Finding
    looks_like_probabilities: bool
    inspected: InspectedRows = NO_ROWS
    zero_probability: Finding = NO_FINDING
    clipped: Finding = NO_FINDING
    rounded: Mapping[str, Finding] = field(default_factory=dict)
    sentinels: Sentinels = NO_SENTINELS
    slices: Mapping[str, Mapping[str, State]] = field(default_factory=dict)

    def __add__(self, other: "Summary") -> "Summary":
        like = [part.looks_like_probabilities for part in (self, other) if part.state.n_scored]
        return Summary(
            self.task,
            self.options,
            self.state + other.state,
            self.not_normalized + other.not_normalized,
            bool(like) and all(like),
            self.inspected + other.inspected,
            self.zero_probability + other.zero_probability,
            self.clipped + other.clipped,
            added(self.rounded, other.rounded),
            self.sentinels + other.sentinels,
            {name: merged(values, other.slices[name]) for name, values in self.slices.items()},
        )

    def shifted(self, rows: int) -> "Summary":
        """The summary as that of a part of a longer body, with its row numbers shifted by `rows`."""
        return replace(
            self,
            not_normalized=self.not_normalized.shifted(rows),
            inspected=self.inspected.shifted(rows),
            zero_probability=self.zero_probability.shifted(rows),
            clipped=self.clipped.shifted(rows),
            rounded={name: finding.shifted(rows) for name, finding in self.rounded.items()},
            sentinels=self.sentinels.shifted(rows),
        )


NOTHING_KEPT: Mapping[str, FloatArray] = MappingProxyType({})


def places(batch: Batch, *names: str) -> dict[str, FloatArray]:
    """Arrays (n,) of NaN by name, for `summarize` to keep columns in; rows that are not scored stay NaN."""
    return {name: np.full(len(batch), np.nan) for name in names}


MIN_SHARED_CHUNKS = 12
"""The least number of chunks that threads share. With fewer, the second thread costs more than it saves, by trying."""


def summarize(
    batch: Batch,
    needs: Needs,
    *,
    kept: Mapping[str, FloatArray] = NOTHING_KEPT,
    n_threads: int = 1,
    inspected: bool = False,
) -> Summary:
    """Add up the sums that are needed, over all scored rows and over those of each slice.

    Args:
        needs: Among the means the cross-entropy, from which the findings come, or losses that the batch brings along.
        kept: Arrays (n,), by name of a quantity, to be filled with its number for each scored row.
        n_threads: The threads that share the rows of a large batch; the answer has the same bits with any number.
        inspected: Whether to take a sample of the rows, in which mistakes of the sender are looked for.

    Raises:
        Unsound: The batch is unjudged, and the checks must look at it.
    """
    layout = layout_of(batch, needs)

    rows = chunks(batch)
    if n_threads > 1 and len(rows) >= MIN_SHARED_CHUNKS:
        sums = _shared_out(partial(_summed, batch, layout, kept), rows, n_threads)
    else:
        sums = sums_of(batch, rows[0], layout, kept) if len(rows) == 1 else _summed(batch, layout, kept, rows)
    if sums is None:
        sums = _nothing(batch, needs)
    if batch.judge is not None:
        batch = replace(batch, judge=None, **batch.judge.noticed(batch))
    n_scored = len(batch.prediction) if batch.scored is None else batch.n_scored
    sizes = batch.n_classes, len(batch.prediction), n_scored
    parts = sums.weight_sum, sums.moments, sums.groups
    state = State(layout.fingerprint, *sizes, *parts, batch.clusters is not None)
    return Summary(
        batch.task,
        batch.options,
        state,
        batch.not_normalized,
        batch.looks_like_probabilities,
        inspected_rows(batch, n_scored) if inspected else NO_ROWS,
        sums.zero_probability,
        sums.clipped,
        batch.rounded,
        batch.sentinels,
        _states(batch, needs, sums, state) if batch.slices else {},
    )


def _summed(
    batch: Batch, layout: Layout, kept: Mapping[str, FloatArray], rows: Iterable[slice | IntArray]
) -> Sums | None:
    """The sums of chunks; None of none."""
    total = None
    for some in rows:
        if total is not None:
            checkpoint()
        part = sums_of(batch, some, layout, kept)
        total = part if total is None else total + part
    return total


def _states(batch: Batch, needs: Needs, sums: Sums, whole: State) -> dict[str, dict[str, State]]:
    """The states of all slices; they differ from that of the whole in their sums, and may have no scored row."""
    states: dict[str, dict[str, State]] = {}
    nothing = _nothing(batch, needs)
    for name, grouping in batch.slices.items():
        states[name] = {}
        for code, (value, n_samples) in enumerate(at_checkpoints(zip(grouping.names, grouping.counts, strict=True))):
            own = sums.slices.get((name, code), nothing)
            states[name][value] = replace(
                whole,
                n_samples=n_samples,
                n_scored=own.n_scored,
                weight_sum=own.weight_sum,
                moments=own.moments,
                groups=own.groups,
            )
    return states


def empty_state(task: TaskName, options: Options, n_classes: int, needs: Needs) -> State:
    """The state of no rows."""
    moments = {mean.name: Moments() for mean in needs.means}
    tables = {
        name: empty_table(name, task, options, needs.n_pairs if name == "outcomes" else n_classes)
        for name in needs.tables
    }
    return State(options.fingerprint(task, n_classes), n_classes, moments=moments, groups=tables)


def _shared_out(
    summed: Callable[[Iterable[slice | IntArray]], Sums | None], rows: Sequence[slice | IntArray], n_threads: int
) -> Sums | None:
    """The sums of chunks by several threads, each of which takes the next chunk when it is free."""
    left = iter(rows)
    with ThreadPoolExecutor(n_threads - 1) as others:
        running = [others.submit(copy_context().run, summed, left) for _ in range(n_threads - 1)]
        try:
            sums = [summed(left), *(thread.result() for thread in running)]
        except InvalidInput:
            return summed(rows)  # one thread meets the first row at fault first, and its error is the one to raise
    return reduce(add, filter(None, sums))


def _nothing(batch: Batch, needs: Needs) -> Sums:
    """The sums of a batch of which no row is scored."""
    empty = empty_state(batch.task, batch.options, batch.n_classes, needs)
    return Sums(0, NOTHING, empty.moments, empty.groups)
