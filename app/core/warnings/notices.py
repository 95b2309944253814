"""The warnings of an answer: facts about the rows that a reader of its numbers should know."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from app.core.batch.findings import Finding, warning
from app.core.batch.inspected import InspectedRows
from app.core.batch.predictions import MIN_LOOKALIKES, NORMALIZED
from app.core.sums.exact import Exact
from app.core.sums.state import State
from app.core.sums.summary import Summary
from app.core.tasks import ONE_LABEL
from app.core.values import Value
from app.core.warnings.suspicions import MIN_ROWS, n_duplicates, repairing_order

Warnings = Iterator[dict[str, Any]]


def warnings_of(summary: Summary, loss: Value) -> list[dict[str, Any]]:
    """The warnings about summed rows; `loss` is their cross-entropy in nats."""
    state, found = summary.state, warnings_of_prediction(summary)
    if not state.n_scored:
        return found
    if summary.task in ONE_LABEL:
        found += _of_labels(summary, loss.value)
    if loss.standard_error is None and _is_alone(state):  # few moments need to be unpacked
        found.append(_few_samples(summary))
    if summary.inspected.n_scored >= MIN_ROWS:
        found += _repetitions(summary.inspected)
    return found


def warnings_of_prediction(summary: Summary) -> list[dict[str, Any]]:
    """The warnings that need no truth, and those about single rows."""
    state = summary.state
    if not state.n_scored:
        return [warning("all_ignored", f"none of {state.n_samples} rows is scored")]
    found: list[dict[str, Any]] = []
    if summary.not_normalized.count:
        found.append(_not_normalized(summary))
    if summary.rounded:
        found += _rounded(summary)
    if summary.sentinels.rows:
        found += _sentinels(summary)
    if summary.zero_probability.count:
        found.append(_zero_probability(summary))
    if summary.clipped.count:
        found.append(_clipped(summary))
    if summary.looks_like_probabilities and (summary.task in NORMALIZED or state.n_scored >= MIN_LOOKALIKES):
        found.append(_lookalike())
    return found


def _of_labels(summary: Summary, loss: float | None) -> list[dict[str, Any]]:
    """The warnings that the labels and the loss of all rows give rise to."""
    state, found = summary.state, []
    if loss is not None and loss > math.log(state.n_classes) and _is_plain(summary):
        found.append(_worse_than_uniform(summary, loss))
    weights = state.groups["class_frequencies"].columns["weight"]
    if len(weights) - weights.count(0) == 1:
        found.append(warning("single_class", "only one class occurs in the truth; d2_log_loss has no value"))
    return found


def _rows(finding: Finding) -> dict[str, Any]:
    return {"count": finding.count, "rows": finding.rows}


def _verb(count: int) -> str:
    return "does" if count == 1 else "do"


def _have(finding: Finding, summary: Summary) -> str:
    """The beginning of a sentence about some of the scored rows."""
    return f"{finding.count} of {summary.state.n_scored} rows {'has' if finding.count == 1 else 'have'}"


def _not_normalized(summary: Summary) -> dict[str, Any]:
    finding, options = summary.not_normalized, summary.options
    treatment = "divided by their sum" if options.normalization == "renormalize" else "scored as sent"
    detail = (
        f"{finding.count} of {summary.state.n_scored} rows {_verb(finding.count)} not sum to 1 "
        f"within {options.tolerance:g}; {treatment}"
    )
    evidence = _rows(finding)
    if math.isfinite(finding.max_deviation):
        evidence["max_deviation"] = finding.max_deviation
    return warning("not_normalized", detail, **evidence)


def _rounded(summary: Summary) -> Warnings:
    for name, finding in summary.rounded.items():
        place = "above 0" if name == "log_probabilities" else "outside [0, 1]"
        detail = (
            f"{_have(finding, summary)} {name} {place} by at most {summary.options.tolerance:g}: taken for rounding, "
            "and for the bound itself"
        )
        yield warning("rounded_to_bounds", detail, field=name, **_rows(finding), max_deviation=finding.max_deviation)


def _sentinels(summary: Summary) -> Warnings:
    unit = "documents" if summary.task == "tokens" else "rows"
    advice = "leave it out" if summary.task == "tokens" else "mask its row"
    for value, finding in summary.sentinels.suspects():
        detail = (
            f"{value:.15g} stands in {finding.count} of {summary.state.n_scored} {unit}, far below all other numbers, "
            f"and was scored as a number; if it stands for none, {advice}"
        )
        yield warning("sentinel_value", detail, value=value, **_rows(finding))


def _zero_probability(summary: Summary) -> dict[str, Any]:
    evidence = _rows(summary.zero_probability)
    finite = summary.state.moments["cross_entropy"]
    if finite.v:
        evidence["mean_of_other_rows"] = finite.z / finite.v / summary.options.nats_per_unit
    detail = (
        f"{_have(summary.zero_probability, summary)} probability 0 on what was observed: their loss is infinite, and "
        "so is the mean"
    )
    return warning("zero_probability", detail, **evidence)


def _clipped(summary: Summary) -> dict[str, Any]:
    finding, epsilon = summary.clipped, summary.options.epsilon
    bounds = f"[{epsilon:g}, 1 - {epsilon:g}]"
    detail = f"{_have(finding, summary)} probabilities outside {bounds}, which were clipped"
    return warning("clipped", detail, **_rows(finding))


def _lookalike() -> dict[str, Any]:
    return warning(
        "looks_like_probabilities",
        "all logits lie in [0, 1], and rows of classes sum to 1, as probabilities do; if they are probabilities, "
        "send them as `probabilities`",
    )


def _worse_than_uniform(summary: Summary, loss: float) -> dict[str, Any]:
    n_classes, options = summary.state.n_classes, summary.options
    uniform, scale = math.log(n_classes), options.nats_per_unit
    weights = summary.state.groups["class_frequencies"]["weight"]
    order = repairing_order(summary.inspected, uniform, np.array([own / sum(weights) for own in weights]))
    is_binary = summary.task == "binary"
    advice = (
        "these may be probabilities of the other class" if is_binary else "another order of the columns would mend it"
    )
    return warning(
        "worse_than_uniform",
        f"the loss {loss / scale:.6g} is above {uniform / scale:.6g} {options.unit}, the loss of equal "
        f"probabilities for all {n_classes} classes" + (f"; {advice}" if order else ""),
        uniform_cross_entropy=uniform / scale,
        **({"class_order": order} if order else {}),
    )


def _is_plain(summary: Summary) -> bool:
    """Tell whether the loss can be compared with that of equal probabilities."""
    options, unweighted = summary.options, summary.state.weight_sum == Exact(summary.state.n_scored)
    reshaped = options.class_weight or options.pos_weight is not None or options.label_smoothing
    return not reshaped and (options.denominator == "weights" or unweighted)


def _repetitions(inspected: InspectedRows) -> list[dict[str, Any]]:
    if inspected.common is not None:
        return [warning("constant_predictions", f"all {inspected.n_scored} rows carry the same prediction")]
    repeated, looked_at = n_duplicates(inspected)
    if not repeated:
        return []
    detail = f"{repeated} of the first {looked_at} rows repeat an earlier one, truth included"
    return [warning("duplicated_rows", detail, count=repeated)]


def _is_alone(state: State) -> bool:
    """Tell whether fewer than two rows, or clusters, count."""
    counted = state.moments["cross_entropy"]
    return counted.n + counted.n_infinite < 2


def _few_samples(summary: Summary) -> dict[str, Any]:
    units = "clusters" if summary.state.clustered else "rows"
    return warning("few_samples", f"fewer than 2 {units} of positive weight: the uncertainty cannot be estimated")
