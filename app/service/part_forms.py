"""Parts of a body as JSON, and back: exact sums, findings, worst rows, and a sample in which mistakes are sought."""

from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.batch.batches import Batch
from app.core.batch.findings import MAX_LISTED_ROWS, NO_FINDING, Finding
from app.core.batch.inspected import MAX_INSPECTED_ROWS, InspectedRows, Sample
from app.core.batch.sentinels import Sentinels, is_sentinel
from app.core.options import MAX_WEIGHT
from app.core.sums.summary import Summary, empty_state
from app.core.tasks import TASKS, Task
from app.errors import InvalidInput
from app.service.nodes import Node
from app.service.questions import Question
from app.service.sections import Include, Part, Worst, check_sizes
from app.service.sum_forms import Form, SumsReader, sums_form

MAX_STATE_CLASSES = 100_000
"""The most classes of a state; the width of a table is bounded in every request, and this is far beyond."""
_BOUNDS = {"probabilities": (0.0, 1.0), "log_probabilities": (-np.inf, 0.0), "logits": (-np.inf, np.finfo(float).max)}
_FINDINGS = ("not_normalized", "zero_probability", "clipped")


def part_form(part: Part, include: frozenset[Include]) -> Form:
    """The form of all that an answer with some sections is made of."""
    summary, sample = part.summary, part.summary.inspected.sample()
    form: Form = {"n_classes": summary.state.n_classes, **sums_form(part)}
    found = {name: getattr(summary, name) for name in _FINDINGS}
    form["findings"] = {name: _finding_form(finding) for name, finding in found.items() if finding.count}
    form["rounded"] = {name: _finding_form(finding) for name, finding in summary.rounded.items()}
    form["sentinels"] = _sentinels_form(summary.sentinels)
    form["looks_like_probabilities"] = summary.looks_like_probabilities
    common = summary.inspected.common
    form["common"] = None if common is None else _packed(common, "<f8")
    form["sample"] = None if sample is None else _sample_form(sample)
    if "worst" in include:
        form["worst"] = [[row.index, _finite(row.loss), *row.facts.values()] for row in part.worst]
    return form


def _finite(number: float) -> float | None:
    return number if np.isfinite(number) else None


def _finding_form(finding: Finding) -> list[Any]:
    return [finding.count, list(finding.rows), _finite(finding.max_deviation)]


def _sentinels_form(found: Sentinels) -> Form:
    values = [[value, found.times[value], *_finding_form(rows)] for value, rows in found.rows.items()]
    return {
        "values": values,
        "largest": found.largest,
        "has_others": found.has_others,
        "has_fractions": found.has_fractions,
    }


def _sample_form(sample: Sample) -> Form:
    rows = sample.rows
    form: Form = {"numbers": sample.numbers.tolist(), "prediction": _packed(rows.prediction, "<f8")}
    if rows.labels is not None:
        form["labels"] = _packed(rows.labels, "<u1")  # a sample has at most 100 classes
    if rows.targets is not None:
        form["targets"] = _packed(rows.targets, "<f8")
    if rows.sample_weight is not None:
        form["sample_weight"] = _packed(rows.sample_weight, "<f8")
    return form


def _packed(values: Any, dtype: str) -> str:
    return b64encode(np.ascontiguousarray(values).astype(dtype).tobytes()).decode()


def read_part(question: Question, node: Node) -> Part:
    """The part that a form tells of.

    Raises:
        InvalidState: The form is none, or no rows have such sums and findings; the pointer names the place.
    """
    return _Reader(question).part(node)


class _Reader:
    """Reads the form of a part that answers a question."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self._task: Task = TASKS[question.task]
        self._form = next(name for name in self._task.predictions if name in question.columns)
        self._n_samples = 0

    def part(self, node: Node) -> Part:
        """The part."""
        question, needed = self._question, ["n_classes", "whole", "findings", "rounded", "sentinels"]
        needed += ["looks_like_probabilities", "common", "sample"]
        needed += ["worst"] if "worst" in question.include else []
        needed += ["clusters"] if "cluster_id" in question.columns else []
        optional = ("slices",)
        fields = node.fields(needed, optional)
        self._n_classes = fields["n_classes"].count(MAX_STATE_CLASSES)
        if (self._n_classes == 0) != (question.task == "tokens") or (
            question.task == "binary" and self._n_classes != 2
        ):
            fields["n_classes"].refuse("the number of classes of the task")
        self._check_sizes(node)
        sums = SumsReader(empty_state(question.task, question.options, self._n_classes, question.plan.needs))
        state = sums.whole(fields["whole"])
        self._n_samples, self._n_scored = state.n_samples, state.n_scored
        found = {name: self._finding(own) for name, own in fields["findings"].fields((), _FINDINGS).items()}
        summary = Summary(
            question.task,
            question.options,
            state,
            found.get("not_normalized", NO_FINDING),
            fields["looks_like_probabilities"].flag(),
            self._inspected(fields["common"], fields["sample"]),
            found.get("zero_probability", NO_FINDING),
            found.get("clipped", NO_FINDING),
            self._rounded(fields["rounded"]),
            self._sentinels(fields["sentinels"]),
            sums.slices(fields),
        )
        part = Part(self._form, summary, self._worst(fields["worst"]) if "worst" in fields else [])
        return sums.with_clusters(fields, part)

    def _check_sizes(self, node: Node) -> None:
        try:
            check_sizes(self._question.include, self._question.options, self._n_classes, 0)
        except InvalidInput as refusal:
            node.refuse(f"a state of an answer: {refusal.detail}")

    def _finding(self, node: Node) -> Finding:
        count, rows, deviation = node.items(3, 3)
        return self._found(count, rows, deviation)

    def _found(self, count: Node, rows: Node, deviation: Node) -> Finding:
        n_rows = count.count(self._n_scored)
        numbers = [row.count(self._n_samples - 1) for row in rows.items(min(n_rows, MAX_LISTED_ROWS), MAX_LISTED_ROWS)]
        if numbers != sorted(set(numbers)) or len(numbers) > n_rows:
            rows.refuse("rising row numbers")
        return Finding(n_rows, numbers, deviation.number(0.0))

    def _rounded(self, node: Node) -> dict[str, Finding]:
        fields = node.fields((), (*self._task.truths, self._form))
        return {name: self._finding(own) for name, own in sorted(fields.items())}

    def _sentinels(self, node: Node) -> Sentinels:
        fields = node.fields(("values", "largest", "has_others", "has_fractions"))
        found = Sentinels(
            {},
            {},
            fields["largest"].number(-1e308, 1.8e308),
            fields["has_others"].flag(),
            fields["has_fractions"].flag(),
        )
        for entry in fields["values"].items(0, 1000):
            value, times, count, rows, deviation = entry.items(5, 5)
            if not is_sentinel(value.number(most=0.0)):
                value.refuse("a number that stands for none")
            found.rows[value.number()] = self._found(count, rows, deviation)
            found.times[value.number()] = times.count()
        return found

    def _inspected(self, common: Node, sample: Node) -> InspectedRows:
        rows = None if sample.value is None else self._sample(sample)
        value: Any = None
        if common.value is not None:
            shape = () if self._question.task == "binary" else (self._n_classes,)
            value = _unpacked(common, "<f8", shape, _BOUNDS[self._form])
        return InspectedRows(self._n_scored, value, sample=rows)

    def _sample(self, node: Node) -> Sample:
        columns, n_classes = self._question.columns, self._n_classes
        truth = next((name for name in self._task.truths if name in columns), None)
        if truth is None:
            node.refuse("null")
        weight = ("sample_weight",) if "sample_weight" in columns else ()
        fields = node.fields(("numbers", "prediction", truth, *weight))
        numbers = [row.count(self._n_samples - 1) for row in fields["numbers"].items(0, 2 * MAX_INSPECTED_ROWS)]
        if numbers != sorted(set(numbers)):
            fields["numbers"].refuse("rising row numbers")
        is_flat, n = self._question.task == "binary", len(numbers)
        shape = (n,) if is_flat else (n, n_classes)
        batch = Batch(
            self._question.task,
            self._question.options,
            self._form,
            _unpacked(fields["prediction"], "<f8", shape, _BOUNDS[self._form]),
            n_classes,
        )
        if truth == "targets":
            batch = replace(batch, targets=_unpacked(fields["targets"], "<f8", shape, (0.0, 1.0)))
        else:
            own, most = (shape, 1) if self._question.task == "multilabel" else ((n,), n_classes - 1)
            labels = _unpacked(fields["labels"], "<u1", own, (0, most))
            batch = replace(batch, labels=labels.astype(np.int64))
        if weight:
            values = _unpacked(fields["sample_weight"], "<f8", (n,), (0.0, MAX_WEIGHT))
            batch = replace(batch, sample_weight=values)
        return Sample(np.array(numbers, np.int64), batch)

    def _worst(self, node: Node) -> list[Worst]:
        rows = [self._worst_row(row) for row in node.items(0, self._question.options.n_worst)]
        if rows != sorted(rows, key=lambda row: (-row.loss, row.index)):
            node.refuse("rows in order, the largest loss first")
        return rows

    def _worst_row(self, node: Node) -> Worst:
        has_label = self._question.task not in ("distributions", "tokens")
        parts = node.items(2 + 2 * has_label, 2 + 2 * has_label)
        facts = {"label": self._label(parts[2]), "probability": self._probability(parts[3])} if has_label else {}
        return Worst(parts[1].number(0.0), parts[0].count(self._n_samples - 1), facts)

    def _label(self, node: Node) -> Any:
        if self._question.task == "multilabel":
            return [None if own.value is None else own.count(1) for own in node.items(self._n_classes, self._n_classes)]
        if self._question.options.classes:
            return node.choice(self._question.options.classes)
        return node.count(self._n_classes - 1)

    def _probability(self, node: Node) -> Any:
        if self._question.task == "multilabel":
            entries = node.items(self._n_classes, self._n_classes)
            return [None if own.value is None else own.number(0.0, 1.0) for own in entries]
        return node.number(0.0, 1.0)


def _unpacked(node: Node, dtype: str, shape: tuple[int, ...], bounds: tuple[float, float]) -> NDArray[Any]:
    try:
        values: NDArray[Any] = np.frombuffer(b64decode(node.text(), validate=True), dtype).reshape(shape)
    except (NotBase64, ValueError):
        node.refuse(f"base64 of {dtype} of shape {shape}")
    if not ((values >= bounds[0]) & (values <= bounds[1])).all():
        node.refuse(f"numbers from {bounds[0]:g} to {bounds[1]:g}")
    return values.astype(values.dtype.newbyteorder("="))
