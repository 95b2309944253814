"""The warnings of an answer: what a reader should know of the batch behind the numbers."""

import math
from collections.abc import Iterator
from typing import Any

from app.core.batches import Batch
from app.core.findings import Finding, warning
from app.core.lint import is_constant, n_duplicates, repairing_order
from app.core.losses import NATS_PER_UNIT
from app.core.options import ONE_LABEL
from app.core.state import State
from app.core.summary import Summary
from app.core.values import Value

Warnings = Iterator[dict[str, Any]]


def warnings_of(batch: Batch, summary: Summary, loss: Value) -> list[dict[str, Any]]:
    """Everything noticed about a batch; `loss` is its cross-entropy in nats."""
    state = summary.state
    if not state.n_scored:
        return [warning("all_ignored", f"none of {state.n_samples} rows is scored")]
    return [
        *_not_normalized(batch, batch.not_normalized, state),
        *_zero_probability(batch, summary),
        *_clipped(batch, summary),
        *_lookalike(batch),
        *_worse_than_uniform(batch, loss),
        *_single_class(batch, state),
        *_few_samples(state),
        *_repetitions(batch),
    ]


def _rows(finding: Finding) -> dict[str, Any]:
    return {"count": finding.count, "rows": finding.rows}


def _verb(count: int) -> str:
    return "does" if count == 1 else "do"


def _not_normalized(batch: Batch, finding: Finding, state: State) -> Warnings:
    if finding.count:
        treatment = "divided by their sum" if batch.options.normalization == "renormalize" else "scored as sent"
        detail = (
            f"{finding.count} of {state.n_scored} rows {_verb(finding.count)} not sum to 1 "
            f"within {batch.options.tolerance:g}; {treatment}"
        )
        evidence = _rows(finding)
        if math.isfinite(finding.max_deviation):
            evidence["max_deviation"] = finding.max_deviation
        yield warning("not_normalized", detail, **evidence)


def _zero_probability(batch: Batch, summary: Summary) -> Warnings:
    finding = summary.zero_probability
    if finding.count:
        evidence = _rows(finding)
        finite = summary.state.moments["cross_entropy"]
        if finite.v:
            evidence["mean_of_other_rows"] = finite.z / finite.v / NATS_PER_UNIT[batch.options.unit]
        yield warning(
            "zero_probability",
            f"{finding.count} of {summary.state.n_scored} rows with probability 0 on what was observed: "
            "their loss is infinite, and so is the mean",
            **evidence,
        )


def _clipped(batch: Batch, summary: Summary) -> Warnings:
    finding, epsilon = summary.clipped, batch.options.epsilon
    if finding.count:
        bounds = f"[{epsilon:g}, 1 - {epsilon:g}]"
        detail = f"{finding.count} of {summary.state.n_scored} rows with probabilities outside {bounds}: clipped"
        yield warning("clipped", detail, **_rows(finding))


def _lookalike(batch: Batch) -> Warnings:
    if batch.looks_like_probabilities:
        yield warning(
            "looks_like_probabilities",
            "every row of logits lies in [0, 1] and sums to 1; if they are probabilities, send them as `probabilities`",
        )


def _worse_than_uniform(batch: Batch, loss: Value) -> Warnings:
    uniform = math.log(max(batch.n_classes, 1))
    if not _is_plain(batch) or loss.value is None or loss.value <= uniform:
        return
    options = batch.options
    scale = NATS_PER_UNIT[options.unit]
    order = repairing_order(batch, uniform)
    yield warning(
        "worse_than_uniform",
        f"the loss {loss.value / scale:.6g} is above {uniform / scale:.6g} {options.unit}, what equal probabilities "
        f"of all {batch.n_classes} classes would get"
        + ("; another order of the columns would mend it" if order else ""),
        uniform_cross_entropy=uniform / scale,
        **({"class_order": order} if order else {}),
    )


def _is_plain(batch: Batch) -> bool:
    """Whether the loss can be held against that of equal probabilities."""
    options = batch.options
    reshaped = options.class_weight or options.pos_weight is not None or options.label_smoothing
    scaled = options.denominator == "count" and batch.sample_weight is not None
    return batch.task in ONE_LABEL and not reshaped and not scaled


def _single_class(batch: Batch, state: State) -> Warnings:
    if batch.task in ONE_LABEL and sum(map(bool, state.groups["class_frequencies"]["weight"])) == 1:
        yield warning("single_class", "only one class occurs in the truth; d2_log_loss has no value")


def _repetitions(batch: Batch) -> Warnings:
    if is_constant(batch):
        yield warning("constant_predictions", f"all {batch.n_scored} rows carry the same prediction")
        return
    repeated, looked_at = n_duplicates(batch)
    if repeated > looked_at / 2:
        detail = f"{repeated} of the first {looked_at} rows repeat an earlier one, truth included"
        yield warning("duplicated_rows", detail, count=repeated)


def _few_samples(state: State) -> Warnings:
    moments = state.moments["cross_entropy"]
    if moments.n + moments.n_infinite < 2:
        yield warning("few_samples", "fewer than 2 rows of positive weight: nothing can be said of the uncertainty")
