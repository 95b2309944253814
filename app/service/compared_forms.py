"""States and parts of comparisons as JSON, and back."""

from typing import NamedTuple

from app.core.batch.findings import NO_FINDING
from app.core.sums.state import State
from app.core.sums.summary import Summary, empty_state
from app.service.candidates import CompareQuestion, own_options
from app.service.compared_parts import ComparedPart
from app.service.nodes import Node
from app.service.part_forms import part_form, read_part
from app.service.sections import Part
from app.service.states import request_form, rules_form, sealed
from app.service.sum_forms import Form, SumsReader, sums_form


def compared_state_of(question: CompareQuestion, part: ComparedPart) -> Form:
    """The state of a comparison, as an answer holds it."""
    return sealed("compare", compare_form(question), compared_form(part))


def compare_form(question: CompareQuestion) -> Form:
    """The question of a comparison, with lists of the names of fields, which keep the order of the candidates."""
    form = request_form(question.shared)
    own = {name: getattr(question, name) for name in own_options(question.task)}
    form |= {"candidates": [[name, *fields] for name, fields in question.candidates.items()]}
    form |= {"baseline": question.baseline, **own}
    return form | ({"require": rules_form(question.require)} if question.require else {})


def compared_form(part: ComparedPart) -> Form:
    """The form of all that the answer of a comparison is made of."""
    form: Form = {
        "candidates": {name: part_form(scored, frozenset()) for name, scored in part.scores.items()},
        "pairs": sums_form(part.sent),
    }
    return form if part.divided is None else form | {"divided_pairs": sums_form(part.divided)}


def read_compared_part(question: CompareQuestion, node: Node) -> ComparedPart:
    """The part of a comparison that a form tells of.

    Raises:
        InvalidState: The form is none, or no rows have such sums and findings; the pointer names the place.
    """
    fields = node.fields(("candidates", "pairs"), ("divided_pairs",))
    sent = fields["candidates"].fields(question.names)
    scores = {name: read_part(question.scores[name], sent[name]) for name in question.names}
    rows = _Rows.of(scores[question.baseline].summary.state)
    for name, part in scores.items():
        if _Rows.of(part.summary.state) != rows:
            sent[name].refuse(f"sums of the rows of {question.baseline}")
    divided = _paired(question, rows, fields["divided_pairs"]) if "divided_pairs" in fields else None
    return ComparedPart(scores, _paired(question, rows, fields["pairs"]), divided)


class _Rows(NamedTuple):
    """The numbers of rows and classes, in which all sums of a part agree."""

    n_samples: int
    n_scored: int
    n_classes: int

    @classmethod
    def of(cls, state: State) -> "_Rows":
        return cls(state.n_samples, state.n_scored, state.n_classes)


def _paired(question: CompareQuestion, rows: _Rows, node: Node) -> Part:
    """The sums of paired losses."""
    clusters = ("clusters",) if "cluster_id" in question.shared.columns else ()
    fields = node.fields(("whole", *clusters), ("slices",))
    sums = SumsReader(empty_state(question.task, question.options, rows.n_classes, question.needs))
    state = sums.whole(fields["whole"])
    if _Rows.of(state) != rows:
        fields["whole"].refuse("sums of the rows of the candidates")
    summary = Summary(question.task, question.options, state, NO_FINDING, False, slices=sums.slices(fields))
    form = question.candidates[question.baseline][0]
    return sums.with_clusters(fields, Part(form, summary))
