"""The use case of comparing candidates on the same rows: their scores, and their paired differences from a baseline."""

from collections.abc import Iterator, Mapping
from typing import Any

from app.core.batch.findings import warning
from app.core.batch.texts import in_order
from app.core.checkpoints import at_checkpoints
from app.core.compare.comparison import Comparison, Pair, comparisons, confirmed, judged, pairs, shortage
from app.core.kernels.entries import entries as metrics_shown
from app.core.metrics.entropies import CROSS_ENTROPY
from app.core.metrics.state_view import StateView
from app.core.sums.state import State
from app.core.warnings.notices import warnings_of
from app.service.candidates import CompareQuestion, CompareRequest
from app.service.compared_forms import compared_state_of
from app.service.compared_parts import ComparedPart, compared_part
from app.service.requiring import judged_comparison

_OF_THE_TRUTH = {"all_ignored", "single_class"}


def compare(request: CompareRequest, n_threads: int = 1) -> dict[str, Any]:
    """Score candidates and hold each but the baseline against it.

    Args:
        n_threads: The number of threads that share the rows of a large batch.

    Returns:
        The answer of the contract, ready for JSON.

    Raises:
        InvalidInput: A value breaks a rule, or candidates differ in their rows; the pointer names the place.
    """
    return comparison_of(request.question, compared_part(request, 0, n_threads))


def comparison_of(question: CompareQuestion, part: ComparedPart) -> dict[str, Any]:
    """The answer that parts added up give."""
    terms, sent = question.terms, part.sent.summary
    divided = None if part.divided is None else part.divided.summary
    evidence = pairs(sent.state, terms)
    entries = judged([evidence], terms)[0]
    if divided is not None:
        entries = confirmed(entries, comparisons(divided.state, terms))
    values, warnings = _scores(question, part)
    answer: dict[str, Any] = {
        "comparisons": [entry.to_json() for entry in entries],
        "task": question.task,
        "unit": question.options.unit,
        "n_scored": sent.state.n_scored,
        "candidates": {name: {"metrics": values[name]} for name in question.candidates},
        "warnings": [*_few_samples(question, part, evidence[0].shortage), *_warnings(question, warnings)],
        "options": question.echo,
    }
    if sent.slices:
        answer["slices"] = _slices(question, sent.slices, None if divided is None else divided.slices)
    if "state" in question.include:
        answer["state"] = compared_state_of(question, part)
    if question.require:
        answer |= judged_comparison(question.require, answer)
    return answer


def _scores(
    question: CompareQuestion, part: ComparedPart
) -> tuple[dict[str, dict[str, Any]], dict[str, list[dict[str, Any]]]]:
    """The metrics of the candidates by name, and their warnings."""
    values, warnings = {}, {}
    for name, scored in part.scores.items():
        view = StateView(scored.summary.state, question.options.confidence_level)
        values[name] = metrics_shown(question.scores[name].plan.values(view))
        warnings[name] = warnings_of(scored.summary, view.means[CROSS_ENTROPY.name])
    return values, warnings


def _warnings(question: CompareQuestion, found: Mapping[str, list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    """Warnings of the truth once, those of predictions with the name of the candidate."""
    yield from filter(_is_of_the_truth, found[question.baseline])
    for name in question.candidates:
        for entry in found[name]:
            if not _is_of_the_truth(entry) and entry["code"] != "few_samples":
                yield {**entry, "candidate": name}


def _is_of_the_truth(entry: Mapping[str, Any]) -> bool:
    return entry["code"] in _OF_THE_TRUTH or entry.get("field") == "targets"


def _few_samples(question: CompareQuestion, part: ComparedPart, lacking: str | None) -> Iterator[dict[str, Any]]:
    """The warning of few samples, in place of that of scoring, which demands two rows only.

    Args:
        lacking: The reason why all rows are too few.
    """
    if lacking:
        yield warning("few_samples", f"every verdict is inconclusive: {lacking}")
        return
    states = [state for values in part.sent.summary.slices.values() for state in values.values()]
    short = [shortage(state, question.min_samples) is not None for state in at_checkpoints(states)]
    if any(short):
        rule = f"the verdicts on {sum(short)} of {len(short)} slices are inconclusive"
        yield warning("few_samples", f"{rule}: too few rows or clusters, as the reason in each says")


Slices = Mapping[str, Mapping[str, State]]


def _slices(question: CompareQuestion, sent: Slices, divided: Slices | None) -> dict[str, Any]:
    """The comparisons on the rows of each slice, by its name and value: all of them are one family.

    Args:
        divided: The same of rows that are divided by their sums, which must have the same verdicts.
    """
    places = [(name, value) for name, values in sent.items() for value in in_order(values)]
    groups = _judged(question, [sent[name][value] for name, value in places])
    if divided is not None:
        others = _judged(question, [divided[name][value] for name, value in places])
        groups = [confirmed(entries, others) for entries, others in zip(groups, others, strict=True)]
    found: dict[str, Any] = {name: {} for name in sent}
    for (name, value), entries in at_checkpoints(zip(places, groups, strict=True)):
        shown = [entry.to_json() for entry in entries]
        found[name][value] = {"n_scored": sent[name][value].n_scored, "comparisons": shown}
    return found


def _judged(question: CompareQuestion, states: list[State]) -> list[list[Comparison]]:
    evidence: list[list[Pair]] = [pairs(state, question.terms) for state in at_checkpoints(states)]
    return judged(evidence, question.terms)
