"""Parts of a comparison: the sums of each candidate's scores, and of their paired differences. Parts add up."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from app.core.batch.batches import Batch
from app.core.checkpoints import at_checkpoints
from app.core.columns import FloatArray
from app.core.compare.pairing import normalized_values, paired
from app.core.paying import hold
from app.core.records import record
from app.core.rows.blocks import chunk_rows
from app.core.sums.layout import Needs
from app.core.sums.summary import NOTHING_KEPT, summarize
from app.errors import InvalidInput
from app.service.candidate_rows import batch_of_candidate
from app.service.candidates import CompareQuestion, CompareRequest
from app.service.sections import Part, clusters_by_slice
from app.service.units import check_unit

LOSS_BYTES, SUMMED_BYTES = 24, 64
"""The memory that a row takes for each candidate: its loss, as sent and divided; and, while it is added up, also by
slice, four columns twice."""
MAX_SLICED_COMPARISONS = 1_000
"""The most pairs times slices of a comparison."""


@record
class ComparedPart:
    """A part of a comparison, summed up; parts are added in any order.

    Attributes:
        scores: The sums of each candidate alone, by its name, without slices.
        sent: The sums of paired losses as they were sent, of all rows and of those of each slice.
        divided: The same with rows that do not sum to 1 divided by their sums; None where there is no such row.
    """

    scores: Mapping[str, Part]
    sent: Part
    divided: Part | None = None

    def shifted(self, rows: int) -> "ComparedPart":
        """The part as one of a longer body, with its row numbers shifted by `rows`."""
        return replace(self, scores={name: part.shifted(rows) for name, part in self.scores.items()})

    def __add__(self, other: "ComparedPart") -> "ComparedPart":
        scores = {name: part + other.scores[name] for name, part in self.scores.items()}
        divided = None
        if self.divided is not None or other.divided is not None:
            divided = (self.divided or self.sent) + (other.divided or other.sent)
        return ComparedPart(scores, self.sent + other.sent, divided)

    def by_cluster(self) -> "ComparedPart":
        """The part once it is whole, as `Part.by_cluster` makes it."""
        scores = {name: part.by_cluster() for name, part in at_checkpoints(self.scores.items())}
        return ComparedPart(scores, self.sent.by_cluster(), self.divided and self.divided.by_cluster())


def compared_part(request: CompareRequest, first_row: int, n_threads: int = 1) -> ComparedPart:
    """Sum up one part of a body, whose rows are counted from `first_row`.

    Raises:
        InvalidInput: A value breaks a rule, or candidates differ in their rows; the pointer names the place.
    """
    question = request.question
    check_unit(question.per, request.columns)
    baseline = batch_of_candidate(request, question.baseline, first_row)
    check_slices(question, sum(len(grouping.names) for grouping in baseline.slices.values()))
    _hold_losses(question, baseline)
    losses = np.full((len(question.names), len(baseline)), np.nan)
    scores: dict[str, Part] = {}
    divided: dict[int, FloatArray] = {}
    for number, name in enumerate(at_checkpoints(question.names)):
        batch = baseline if not number else batch_of_candidate(request, name, first_row, baseline)
        alone = replace(batch, slices={}) if batch.slices else batch  # of slices only pairs are summed up
        alone = alone.shifted(first_row) if first_row else alone
        kept: dict[str, FloatArray] = {question.metric: losses[number]}
        scores[name] = _summed(question, alone, question.scores[name].plan.needs, kept, n_threads)
        if (values := normalized_values(batch, losses[number], question.metric)) is not None:
            divided[number] = values
    sent = _summed(question, paired(baseline, losses), question.needs, NOTHING_KEPT, n_threads)
    if not divided:
        return ComparedPart(scores, sent)
    for number, values in divided.items():
        losses[number] = values
    return ComparedPart(
        scores, sent, _summed(question, paired(baseline, losses), question.needs, NOTHING_KEPT, n_threads)
    )


def _hold_losses(question: CompareQuestion, batch: Batch) -> None:
    """Pay for the losses of all candidates, and for what is made of them for the rows that are added up at once."""
    n_rows = len(batch)
    at_once = chunk_rows(n_rows, is_sliced=bool(batch.slices)) if batch.clusters is None else n_rows
    n_bytes = LOSS_BYTES * n_rows + SUMMED_BYTES * min(n_rows, at_once)
    hold("held", len(question.candidates) * n_bytes)


def _summed(
    question: CompareQuestion, batch: Batch, needs: Needs, kept: Mapping[str, FloatArray], n_threads: int
) -> Part:
    """The sums of a batch, within clusters too where the state is asked for."""
    summary = summarize(batch, needs, kept=kept, n_threads=n_threads, inspected=not needs.n_pairs)
    return Part(
        batch.form, summary, clusters=clusters_by_slice(batch, needs) if "state" in question.shared.include else {}
    )


def check_slices(question: CompareQuestion, n_slices: int) -> None:
    """Refuse more comparisons in slices than an answer holds."""
    n_comparisons = (len(question.candidates) - 1) * n_slices
    if n_comparisons > MAX_SLICED_COMPARISONS:
        rule = f"must ask for at most {MAX_SLICED_COMPARISONS} comparisons in all values, found {n_comparisons}"
        raise InvalidInput.at("/slices", "out_of_range", rule)
