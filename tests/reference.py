"""The contract once more, slow and plain: what the fast core is compared with.

One pass of ordinary Python for each metric, `math.fsum` for every sum, no arrays. Read it beside the
formulas of the documentation.

A scored row is a `Sample`: its weight and its elements. An element is one probability distribution against
one target distribution over the same columns. Binary, multiclass and distributions have one element a row;
multilabel has one for each scored label. A binary element has the two columns [negative, positive], so that
one formula serves all.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import compress
from statistics import NormalDist
from typing import Any

from scipy.special import stdtrit

Body = Mapping[str, Any]
Metric = dict[str, Any]

NATS_PER_UNIT = {"nats": 1.0, "bits": math.log(2.0), "hartleys": math.log(10.0)}
DEFAULTS: Body = {
    "unit": "nats",
    "epsilon": 0.0,
    "normalization": "warn",
    "denominator": "weights",
    "label_smoothing": 0.0,
    "threshold": 0.5,
    "top_k": (),
    "n_bins": 15,
    "bin_edges": "left",
    "confidence_level": 0.95,
    "include": (),
    "places": 0,
}


@dataclass(frozen=True)
class Element:
    """One distribution against one target: every list has an entry for each column."""

    column: int
    """The number of the label in a multilabel row, else 0."""
    target: list[float]
    smoothed: list[float]
    class_weight: list[float]
    positive_weight: list[float]
    weight: float
    """The weight of the element in a mean of losses: the target's class weight, 1 without class weights."""
    sent: list[float]
    """The prediction as it came, which ranks the columns."""
    probability: list[float]
    clipped: list[float]
    log_clipped: list[float]


@dataclass(frozen=True)
class Sample:
    """A scored row: its number in the body, its weight, its cluster and its elements."""

    row: int
    weight: float
    cluster: object
    elements: list[Element]


@dataclass(frozen=True)
class Part:
    """The summands of a row in the numerator and denominator of a mean; without weight it is no evidence."""

    numerator: float
    denominator: float
    cluster: object
    weight: float = 1.0


def score(task: str, body: Body) -> dict[str, Any]:
    """The answer to `POST /v1/score/{task}` for a valid body, without warnings and echoed options."""
    options = _scaled({**DEFAULTS, **body})
    return _score_tokens(options) if task == "tokens" else _score_rows(task, options)


def _scaled(body: dict[str, Any]) -> dict[str, Any]:
    """The same request with weights near 1: a power of two scales them exactly, and cancels in most means.

    Numbers in which it does not cancel are multiplied with the power of two that `places` tells.
    """
    weights = body.get("sample_weight") or [1.0]
    places = math.frexp(max(weights))[1] if 0.0 < max(weights) < 1e-100 else 0
    return {**body, "sample_weight": [math.ldexp(w, -places) for w in weights], "places": places} if places else body


def confidences(task: str, body: Body) -> list[float]:
    """The probabilities that decide the calibration bins of scored rows, for binary and multiclass."""
    return [_confidence(sample.elements[0], task)[0] for sample in _samples(task, {**DEFAULTS, **body})]


def loss_parts(task: str, body: Body) -> list[Part]:
    """The summands of each scored row, or document, in the mean cross-entropy; tiny weights are scaled."""
    options = _scaled({**DEFAULTS, **body})
    if task == "tokens":
        documents, per = _documents(options), options.get("per", "token")
        if per == "token" or not any(d.weight for d in documents):
            return _token_parts(documents, options)
        ones = [1] * len(options["log_probabilities"])
        return _loss_by_size(documents, ones if per == "document" else options[f"n_{per}s"])
    return _loss_parts(_samples(task, options), _cross_entropy, options)


def _score_rows(task: str, body: Body) -> dict[str, Any]:
    samples = _samples(task, body)
    n_samples = len(_prediction(body)[1])
    answer: dict[str, Any] = {
        "n_samples": n_samples,
        "n_scored": len(samples),
        "n_ignored": n_samples - len(samples),
        "weight_sum": math.ldexp(math.fsum(sample.weight for sample in samples), body["places"]),
        "metrics": _metrics(task, samples, body),
    }
    if "per_sample" in body["include"]:
        answer["per_sample"] = {"cross_entropy": _per_sample(samples, n_samples, body)}
    if "per_class" in body["include"]:
        answer["per_class"] = _per_class(task, samples, body)
    if "calibration" in body["include"]:
        bins = _bins(task, samples, body)
        answer["calibration"] = {"bins": [b | {"weight": math.ldexp(b["weight"], body["places"])} for b in bins]}
    return answer


# From the body to rows: forms of prediction, kinds of truth, what is ignored.


def _prediction(body: Body) -> tuple[str, Sequence[Any]]:
    form = next(name for name in ("probabilities", "log_probabilities", "logits") if body.get(name) is not None)
    return form, body[form]


def _samples(task: str, body: Body) -> list[Sample]:
    form, column = _prediction(body)
    weights = body.get("sample_weight")
    clusters = body.get("cluster_id")
    samples = []
    for row, sent in enumerate(column):
        elements = _elements(task, form, sent, row, body)
        if elements:
            weight = 1.0 if weights is None else float(weights[row])
            samples.append(Sample(row, weight, row if clusters is None else clusters[row], elements))
    return samples


def _elements(task: str, form: str, sent: Any, row: int, body: Body) -> list[Element]:
    """The scored elements of a row, none where the row is ignored."""
    if _is_ignored(row, body):
        return []
    if task == "binary":
        return [_binary_element(form, sent, _binary_target(_truth(row, body), body), body.get("pos_weight"), body)]
    if task == "multilabel":
        mask = body.get("mask")
        scored = mask[row] if mask is not None and isinstance(mask[row], list) else [True] * len(sent)
        return [_label_element(form, sent[j], row, j, body) for j in range(len(sent)) if scored[j]]
    return [_multiclass_element(form, sent, _multiclass_target(_truth(row, body), len(sent), body), body)]


def _label_element(form: str, sent: float, row: int, j: int, body: Body) -> Element:
    pos_weight = body.get("pos_weight")
    q = pos_weight[j] if isinstance(pos_weight, list) else pos_weight
    return replace(_binary_element(form, sent, float(_truth(row, body)[j]), q, body), column=j)


def _is_ignored(row: int, body: Body) -> bool:
    mask, ignored, labels = body.get("mask"), body.get("ignore_index"), body.get("labels")
    if mask is not None and mask[row] is False:
        return True
    return ignored is not None and labels is not None and bool(labels[row] == ignored)


def _truth(row: int, body: Body) -> Any:
    return (body["targets"] if body.get("targets") is not None else body["labels"])[row]


def _binary_target(truth: Any, body: Body) -> float:
    return float(body["classes"].index(truth)) if isinstance(truth, str) else float(truth)


def _multiclass_target(truth: Any, n_classes: int, body: Body) -> list[float]:
    if isinstance(truth, list):
        return [float(t) for t in truth]
    label = body["classes"].index(truth) if isinstance(truth, str) else truth
    return [1.0 if c == label else 0.0 for c in range(n_classes)]


def _binary_element(form: str, sent: float, y: float, pos_weight: float | None, body: Body) -> Element:
    if form == "probabilities":
        p, log_p = [1.0 - sent, sent], [_log1p(-sent), _log(sent)]
    else:
        p, log_p = _softmax([0.0, sent]), _log_softmax([0.0, sent])
    positive_weight = [1.0, 1.0 if pos_weight is None else pos_weight]
    return _element([1.0 - y, y], None, positive_weight, ([-sent, sent], p, log_p), body)


def _multiclass_element(form: str, sent: list[float], target: list[float], body: Body) -> Element:
    renormalize = body["normalization"] == "renormalize"
    if form == "probabilities":
        p = [x / math.fsum(sent) for x in sent] if renormalize else [float(x) for x in sent]
        log_p = [_log(x) for x in p]
    elif form == "logits" or renormalize:
        p, log_p = _softmax(sent), _log_softmax(sent)
    else:
        p, log_p = [math.exp(x) for x in sent], [float(x) for x in sent]
    return _element(target, body.get("class_weight"), [1.0] * len(sent), (sent, p, log_p), body)


def _element(
    target: list[float],
    class_weight: Sequence[float] | None,
    positive_weight: list[float],
    prediction: tuple[list[float], list[float], list[float]],
    body: Body,
) -> Element:
    sent, p, log_p = prediction
    smoothing, epsilon = body["label_smoothing"], body["epsilon"]
    weights = [1.0] * len(target) if class_weight is None else [float(w) for w in class_weight]
    return Element(
        column=0,
        target=target,
        smoothed=[(1.0 - smoothing) * t + smoothing / len(target) for t in target] if smoothing else target,
        class_weight=weights,
        positive_weight=positive_weight,
        weight=1.0 if class_weight is None else _dot(weights, target),
        sent=sent,
        probability=p,
        clipped=[_between(epsilon, x, 1.0 - epsilon) for x in p],
        log_clipped=[_between(_log(epsilon), x, _log1p(-epsilon)) for x in log_p],
    )


def _log(x: float) -> float:
    return math.log(x) if x > 0.0 else -math.inf


def _log1p(x: float) -> float:
    return math.log1p(x) if x > -1.0 else -math.inf


def _between(low: float, x: float, high: float) -> float:
    return min(max(x, low), high)


def _softmax(row: Sequence[float]) -> list[float]:
    top = max(row)
    total = math.fsum(math.exp(x - top) for x in row)
    return [math.exp(x - top) / total for x in row]


def _log_softmax(row: Sequence[float]) -> list[float]:
    # log1p keeps the small losses of sure predictions; over [0, x] this is the softplus form.
    top = _first_largest(row)
    rest = math.fsum(math.exp(x - row[top]) for c, x in enumerate(row) if c != top)
    return [(x - row[top]) - math.log1p(rest) for x in row]


def _times(weight: float, x: float) -> float:
    """The product in which nothing times infinity is nothing."""
    return weight * x if weight else 0.0


def _dot(weights: Iterable[float], values: Iterable[float]) -> float:
    return math.fsum(_times(w, x) for w, x in zip(weights, values, strict=True))


# What one element loses.


def _loss_weights(element: Element) -> list[float]:
    columns = zip(element.class_weight, element.positive_weight, element.smoothed, strict=True)
    return [w * q * t for w, q, t in columns]


def _cross_entropy(element: Element) -> float:
    return _dot(_loss_weights(element), [-x for x in element.log_clipped])


def _target_entropy(element: Element) -> float:
    return _dot(_loss_weights(element), [-_log(t) for t in element.smoothed])


def _kl_divergence(element: Element) -> float:
    # Subtracted only where the target is positive: elsewhere both logarithms may be infinite.
    logs = zip(element.smoothed, element.log_clipped, strict=True)
    return _dot(_loss_weights(element), [_log(t) - x if t else 0.0 for t, x in logs])


def _predictive_entropy(element: Element) -> float:
    return element.weight * _dot(element.clipped, [-x for x in element.log_clipped])


def _plain_cross_entropy(element: Element) -> float:
    """The loss without smoothing and without the weight of the positive class."""
    weights = [w * t for w, t in zip(element.class_weight, element.target, strict=True)]
    return _dot(weights, [-x for x in element.log_clipped])


def _entropy_gap(element: Element) -> float:
    return _plain_cross_entropy(element) - _predictive_entropy(element)


def _focal_loss(gamma: float, alpha: Sequence[float]) -> Callable[[Element], float]:
    def loss(element: Element) -> float:
        columns = zip(alpha, _loss_weights(element), element.log_clipped, strict=True)
        weights = [a * w * (-math.expm1(x)) ** gamma for a, w, x in columns]
        return _dot(weights, [-x for x in element.log_clipped])

    return loss


def _reverse_kl_divergence(element: Element) -> float:
    logs = zip(element.clipped, element.log_clipped, element.target, strict=True)
    return _dot(element.clipped, [x - _log(t) if p else 0.0 for p, x, t in logs])


def _js_divergence(element: Element) -> float:
    # In decimals of 60 digits: nearly equal distributions cancel in doubles.
    with localcontext(prec=60):
        pairs = [(Decimal(t), Decimal(p)) for t, p in zip(element.target, element.clipped, strict=True)]
        halves = [x * (2 * x / (t + p)).ln() for t, p in pairs for x in (t, p) if x]
        return _between(0.0, float(sum(halves) / 2), math.log(2.0))


def _brier_score(element: Element, task: str) -> float:
    columns = slice(1, 2) if task in ("binary", "multilabel") else slice(None)
    pairs = zip(element.probability[columns], element.target[columns], strict=True)
    return math.fsum((p - t) ** 2 for p, t in pairs)


def _spherical_score(element: Element) -> float:
    top = max(element.probability)
    row = [p / top for p in element.probability] if top else []
    return _dot(element.target, row) / math.hypot(*row) if top else math.nan


def _ranked_probability_score(element: Element) -> float:
    pairs = [p - t for p, t in zip(element.probability, element.target, strict=True)]
    return math.fsum(math.fsum(pairs[: c + 1]) ** 2 for c in range(len(pairs) - 1))


def _is_right(element: Element, task: str, threshold: float) -> bool:
    if task in ("binary", "multilabel"):
        return (element.probability[1] >= threshold) == (element.target[1] >= 0.5)
    return _rank(element.sent, _first_largest(element.target)) == 0


def _first_largest(values: Sequence[float]) -> int:
    return max(range(len(values)), key=lambda c: values[c])


def _rank(values: Sequence[float], column: int) -> int:
    """The number of columns that come before this one; among equals the lower index comes first."""
    ahead = [c for c, x in enumerate(values) if x > values[column] or (x == values[column] and c < column)]
    return len(ahead)


# Means with their standard errors.


def mean(parts: Sequence[Part], level: float, nats: float = 1.0) -> Metric:
    """The ratio of the two sums, with the linearised standard error and the Student interval."""
    total = math.fsum(part.denominator for part in parts)
    if total == 0.0:
        return _undefined("nothing scored")
    if any(math.isnan(part.numerator) for part in parts):
        return _undefined("no number in a row")
    if any(math.isinf(part.numerator) for part in parts):
        return {"value": None, "status": "infinite"}
    value = math.fsum(part.numerator for part in parts) / total
    metric: Metric = {"value": value / nats, "status": "ok"}
    n = len({part.cluster for part in parts if part.weight and part.denominator})
    if n >= 2:
        residuals = _cluster_residuals(parts, value)
        error = math.sqrt(n / (n - 1) * math.fsum(r * r for r in residuals)) / total
        reach = float(stdtrit(n - 1, (1.0 + level) / 2.0)) * error
        if math.isfinite(reach):
            metric["standard_error"] = error / nats
            metric["confidence_interval"] = [(value - reach) / nats, (value + reach) / nats]
    return metric


def _cluster_residuals(parts: Sequence[Part], value: float) -> list[float]:
    """The sums within each cluster of numerator less value times denominator."""
    clusters: dict[object, list[float]] = {}
    for part in parts:
        clusters.setdefault(part.cluster, []).append(part.numerator - value * part.denominator)
    return [math.fsum(members) for members in clusters.values()]


def _part(row: Sample | Document, numerator: float, denominator: float) -> Part:
    return Part(numerator, denominator, row.cluster, row.weight)


def _undefined(reason: str) -> Metric:
    return {"value": None, "status": "undefined", "reason": reason}


def _exponential(metric: Metric) -> Metric:
    """The exponential of a mean in nats and of the ends of its interval."""
    if metric["status"] != "ok":
        return {name: metric[name] for name in ("value", "status", "reason") if name in metric}
    value = _exp(metric["value"])
    if value is None:
        return _undefined("overflow")
    ends = [_exp(x) for x in metric.get("confidence_interval", ())]
    interval = {"confidence_interval": ends} if ends and None not in ends else {}
    return {"value": value, "status": "ok", **interval}


def _exp(x: float) -> float | None:
    try:
        return math.exp(x)
    except OverflowError:
        return None


def _loss_mean(samples: Sequence[Sample], loss: Callable[[Element], float], body: Body) -> Metric:
    return _sized(mean(_loss_parts(samples, loss, body), body["confidence_level"], NATS_PER_UNIT[body["unit"]]), body)


def _sized(metric: Metric, body: Body) -> Metric:
    """A mean over the number of rows, of weights that were scaled: what they would have given as sent."""
    if not body["places"] or body["denominator"] != "count" or metric["status"] != "ok":
        return metric
    sized = dict(metric)
    for name in {"value", "standard_error"} & sized.keys():
        sized[name] = math.ldexp(sized[name], body["places"])
    if "confidence_interval" in sized:
        sized["confidence_interval"] = [math.ldexp(end, body["places"]) for end in sized["confidence_interval"]]
    return sized


def _loss_parts(samples: Sequence[Sample], loss: Callable[[Element], float], body: Body) -> list[Part]:
    if not any(sample.weight for sample in samples):
        return []
    by_count = body["denominator"] == "count"
    return [
        _part(
            sample,
            _times(sample.weight, math.fsum(map(loss, sample.elements))),
            len(sample.elements) if by_count else sample.weight * _element_weight(sample),
        )
        for sample in samples
    ]


def _element_weight(sample: Sample) -> float:
    return math.fsum(element.weight for element in sample.elements)


def _plain_mean(samples: Sequence[Sample], of_element: Callable[[Element], float], body: Body) -> Metric:
    """A mean that knows sample weights only: no class weights, no unit, no denominator by count."""
    parts = [
        _part(
            sample,
            _times(sample.weight, math.fsum(map(of_element, sample.elements))),
            sample.weight * len(sample.elements),
        )
        for sample in samples
    ]
    return mean(parts, body["confidence_level"])


# The metrics of a task.


def _metrics(task: str, samples: Sequence[Sample], body: Body) -> dict[str, Metric]:
    metrics = {
        "cross_entropy": _loss_mean(samples, _cross_entropy, body),
        "target_entropy": _loss_mean(samples, _target_entropy, body),
        "kl_divergence": _loss_mean(samples, _kl_divergence, body),
    }
    if task != "multilabel":
        in_nats = _loss_mean(samples, _cross_entropy, {**body, "unit": "nats"})
        metrics["perplexity"] = _exponential(in_nats)
    if task == "distributions":
        return metrics | _divergences(samples, body)
    metrics |= _prediction_metrics(task, samples, body)
    metrics |= _decision_scores(task, samples, body)
    if task == "multilabel":
        return metrics | {"subset_accuracy": _subset_accuracy(samples, body)}
    return metrics | _class_metrics(task, samples, body)


def _divergences(samples: Sequence[Sample], body: Body) -> dict[str, Metric]:
    js = _loss_mean(samples, _js_divergence, body)
    distance = {"value": math.sqrt(js["value"]), "status": "ok"} if js["status"] == "ok" else js
    return {
        "reverse_kl_divergence": _loss_mean(samples, _reverse_kl_divergence, body),
        "js_divergence": js,
        "js_distance": distance,
    }


def _prediction_metrics(task: str, samples: Sequence[Sample], body: Body) -> dict[str, Metric]:
    gap = _loss_mean(samples, _entropy_gap, {**body, "denominator": "weights"})
    if gap.get("standard_error"):
        gap["z"] = gap["value"] / gap["standard_error"]
    return {
        "predictive_entropy": _loss_mean(samples, _predictive_entropy, body),
        "entropy_gap": gap,
        "brier_score": _plain_mean(samples, lambda element: _brier_score(element, task), body),
        "spherical_score": _plain_mean(samples, _spherical_score, body),
        "accuracy": _plain_mean(samples, lambda element: _is_right(element, task, body["threshold"]), body),
    }


def _subset_accuracy(samples: Sequence[Sample], body: Body) -> Metric:
    def all_right(sample: Sample) -> bool:
        return all(_is_right(element, "multilabel", body["threshold"]) for element in sample.elements)

    parts = [_part(sample, sample.weight * all_right(sample), sample.weight) for sample in samples]
    return mean(parts, body["confidence_level"])


def _class_metrics(task: str, samples: Sequence[Sample], body: Body) -> dict[str, Metric]:
    """The metrics that only binary and multiclass have: the baseline, calibration, top-k, focal loss."""
    metrics = _baseline(samples, body) | _calibration_errors(_bins(task, samples, body))
    if task == "multiclass":
        metrics["ranked_probability_score"] = _plain_mean(samples, _ranked_probability_score, body)
    for k in body["top_k"]:
        metrics[f"top_{k}_accuracy"] = _top_k_accuracy(samples, k, body)
    gamma, alpha = body.get("focal_gamma"), body.get("focal_alpha")
    if gamma is not None or alpha is not None:
        n_columns = len(samples[0].elements[0].target) if samples else 0
        factors = [1.0 if alpha is None else alpha] * n_columns
        if task == "binary" and alpha is not None:
            factors = [1.0 - alpha, alpha]
        metrics["focal_loss"] = _loss_mean(samples, _focal_loss(gamma or 0.0, factors), body)
    return metrics


def _top_k_accuracy(samples: Sequence[Sample], k: int, body: Body) -> Metric:
    def is_among(element: Element) -> bool:
        return _rank(element.sent, _first_largest(element.target)) < k

    return _plain_mean(samples, is_among, body)


def _baseline(samples: Sequence[Sample], body: Body) -> dict[str, Metric]:
    masses = [_class_masses(sample) for sample in samples]
    total = math.fsum(mass for row in masses for mass in row)
    if total == 0.0:
        nothing = _undefined("nothing scored")
        return {"baseline_cross_entropy": nothing, "d2_log_loss": nothing}
    frequencies = [math.fsum(column) / total for column in zip(*masses, strict=True)]
    one_class = sum(f > 0.0 for f in frequencies) == 1
    entropy = 0.0 if one_class else _dot(frequencies, [-_log(f) for f in frequencies])
    loss = _loss_mean(samples, _plain_cross_entropy, {**body, "unit": "nats", "denominator": "weights"})
    return {
        "baseline_cross_entropy": {"value": entropy / NATS_PER_UNIT[body["unit"]], "status": "ok"},
        "d2_log_loss": _undefined("one class only") if one_class else _d2(loss, entropy),
    }


def _class_masses(sample: Sample) -> list[float]:
    """The weight that the truth of a row puts on each class."""
    [element] = sample.elements
    columns = zip(element.class_weight, element.target, strict=True)
    return [sample.weight * w * t for w, t in columns]


def _d2(loss: Metric, baseline: float) -> Metric:
    return {"value": 1.0 - loss["value"] / baseline, "status": "ok"} if loss["status"] == "ok" else loss


# Decisions. Weights are added as fractions, which round nothing.


def _decision_scores(task: str, samples: Sequence[Sample], body: Body) -> dict[str, Metric]:
    tables = [_cells(side) for side in _sides(task, samples, body)]
    if not any(sum(cells.values()) for cells in tables):
        tables = []
    positive = [cells for cells in tables[task == "binary" :] if sum(cells.values())]
    if task == "multiclass":
        positive = [cells for cells in positive if cells["tp"] + cells["fp"] + cells["fn"]]
    scores = {
        "f1_score": _macro([(2 * c["tp"], 2 * c["tp"] + c["fp"] + c["fn"]) for c in positive]),
        "precision": _macro([(c["tp"], c["tp"] + c["fp"]) for c in positive]),
        "recall": _macro([(c["tp"], c["tp"] + c["fn"]) for c in positive]),
    }
    if task == "multilabel":
        return scores
    recalls = [(c["tp"], c["tp"] + c["fn"]) for c in tables if c["tp"] + c["fn"]]
    return scores | {"balanced_accuracy": _macro(recalls), "matthews_correlation": _correlation(tables)}


def _sides(task: str, samples: Sequence[Sample], body: Body) -> list[list[tuple[Fraction, bool, bool]]]:
    """The decisions about each class or label: weight, whether it is so, and whether it is predicted to be."""
    sides: list[list[tuple[Fraction, bool, bool]]] = [[] for _ in range(_n_sides(task, samples))]
    for sample in samples:
        weight = Fraction(sample.weight)
        for element in sample.elements:
            true = _first_largest(element.target)
            predicted = _first_largest(element.sent)
            if task != "multiclass":
                true, predicted = element.target[1] >= 0.5, element.probability[1] >= body["threshold"]
            if task == "multilabel":
                sides[element.column].append((weight, bool(true), bool(predicted)))
                continue
            for c, side in enumerate(sides):
                side.append((weight, c == true, c == predicted))
    return sides


def _n_sides(task: str, samples: Sequence[Sample]) -> int:
    if task == "multilabel":
        return 1 + max((element.column for sample in samples for element in sample.elements), default=0)
    return len(samples[0].elements[0].target) if samples else 0


def _cells(side: Sequence[tuple[Fraction, bool, bool]]) -> dict[str, Fraction]:
    names = {(True, True): "tp", (False, True): "fp", (True, False): "fn", (False, False): "tn"}
    cells = dict.fromkeys(names.values(), Fraction())
    for weight, true, predicted in side:
        cells[names[true, predicted]] += weight
    return cells


def _macro(shares: Sequence[tuple[Fraction, Fraction]]) -> Metric:
    if not shares or not all(divisor for _, divisor in shares):
        return _undefined("0/0")
    return {"value": float(sum(hits / divisor for hits, divisor in shares) / len(shares)), "status": "ok"}


def _correlation(tables: Sequence[Mapping[str, Fraction]]) -> Metric:
    """The covariances of the indicators of truth and prediction, summed over the classes."""

    def covariance(one: Sequence[str], other: Sequence[str]) -> Fraction:
        total = Fraction()
        for cells in tables:
            weight, both = Fraction(sum(cells.values())), set(one) & set(other)
            means = [Fraction(sum(cells[name] for name in names)) / weight for names in (one, other)]
            total += Fraction(sum(cells[name] for name in both)) / weight - means[0] * means[1]
        return total

    true, predicted = ("tp", "fn"), ("tp", "fp")
    scale = covariance(true, true) * covariance(predicted, predicted)
    if not scale:
        return _undefined("one class only")
    together = covariance(true, predicted)
    return {"value": math.copysign(math.sqrt(together**2 / scale), together), "status": "ok"}


# Calibration.


def _bins(task: str, samples: Sequence[Sample], body: Body) -> list[dict[str, Any]]:
    n_bins = body["n_bins"]
    members: list[list[tuple[float, float, float]]] = [[] for _ in range(n_bins)]
    for sample in samples:
        confidence, truth = _confidence(sample.elements[0], task)
        members[_bin(confidence, n_bins, body["bin_edges"])].append((sample.weight, confidence, truth))
    bins = [_described_bin(k, n_bins, members[k], body["confidence_level"]) for k in range(n_bins)]
    if body.get("cluster_id") is not None:  # a Wilson interval takes rows as independent
        bins = [{name: value for name, value in b.items() if name != "confidence_interval"} for b in bins]
    return bins


def _confidence(element: Element, task: str) -> tuple[float, float]:
    column = 1 if task == "binary" else _first_largest(element.sent)
    return element.probability[column], element.target[column]


def _bin(confidence: float, n_bins: int, edges: str) -> int:
    inner = [k / n_bins for k in range(1, n_bins)]
    return sum(edge <= confidence if edges == "left" else edge < confidence for edge in inner)


def _described_bin(k: int, n_bins: int, members: Sequence[tuple[float, float, float]], level: float) -> dict[str, Any]:
    weight, n = math.fsum(w for w, _, _ in members), sum(w > 0.0 for w, _, _ in members)
    described: dict[str, Any] = {
        "lower": k / n_bins,
        "upper": (k + 1) / n_bins,
        "n": n,
        "weight": weight,
    }
    if weight > 0.0:
        described["confidence"] = math.fsum(w * p for w, p, _ in members) / weight
        described["accuracy"] = math.fsum(w * y for w, _, y in members) / weight
        described["confidence_interval"] = _wilson(described["accuracy"], n, level)
    return described


def _wilson(share: float, n: int, level: float) -> list[float]:
    z = NormalDist().inv_cdf((1.0 + level) / 2.0)
    middle = share + z * z / (2 * n)
    reach = z * math.sqrt(share * (1.0 - share) / n + (z / (2 * n)) ** 2)
    scale = 1.0 + z * z / n
    return [max(0.0, (middle - reach) / scale), min(1.0, (middle + reach) / scale)]


def _calibration_errors(bins: Sequence[Mapping[str, Any]]) -> dict[str, Metric]:
    total = math.fsum(b["weight"] for b in bins)
    if total == 0.0:
        nothing = _undefined("nothing scored")
        return {"expected_calibration_error": nothing, "maximum_calibration_error": nothing}
    gaps = [(b["weight"], abs(b["accuracy"] - b["confidence"])) for b in bins if b["weight"] > 0.0]
    return {
        "expected_calibration_error": {
            "value": math.fsum(w * gap for w, gap in gaps) / total,
            "status": "ok",
        },
        "maximum_calibration_error": {"value": max(gap for _, gap in gaps), "status": "ok"},
    }


# What `include` adds.


def _per_sample(samples: Sequence[Sample], n_samples: int, body: Body) -> list[float | None]:
    losses: list[float | None] = [None] * n_samples
    for sample in samples:
        loss = math.fsum(map(_cross_entropy, sample.elements)) / len(sample.elements)
        losses[sample.row] = None if math.isinf(loss) else loss / NATS_PER_UNIT[body["unit"]]
    return losses


def _per_class(task: str, samples: Sequence[Sample], body: Body) -> list[dict[str, Any]]:
    """The rows by their true class; for multilabel each label is a column of its own."""
    n_columns = 2 if task == "binary" else len(_prediction(body)[1][0])
    names = body.get("classes") or list(range(n_columns))
    return [{"class": names[c], **_class_summary(task, _members(task, samples, c), body)} for c in range(n_columns)]


def _members(task: str, samples: Sequence[Sample], c: int) -> list[Sample]:
    if task == "multilabel":
        columns = [replace(sample, elements=[e for e in sample.elements if e.column == c]) for sample in samples]
        return [sample for sample in columns if sample.elements]
    if task == "binary":
        return [sample for sample in samples if (sample.elements[0].target[1] >= 0.5) == (c == 1)]
    return [sample for sample in samples if _first_largest(sample.elements[0].target) == c]


def _class_summary(task: str, members: Sequence[Sample], body: Body) -> dict[str, Any]:
    """Means by class; the status is that of the loss, and what is undefined is left out."""
    loss = _loss_mean(members, _cross_entropy, body)
    summary = {
        "n": len(members),
        "weight": math.ldexp(math.fsum(sample.weight for sample in members), body["places"]),
        "status": loss["status"],
        "cross_entropy": loss,
        "brier_score": _plain_mean(members, lambda element: _brier_score(element, task), body),
        "accuracy": _plain_mean(members, lambda element: _is_right(element, task, body["threshold"]), body),
    }
    return {
        name: found["value"] if isinstance(found, dict) else found
        for name, found in summary.items()
        if not (isinstance(found, dict) and found["status"] == "undefined")
    }


# Tokens.


@dataclass(frozen=True)
class Document:
    """A document that has tokens: its weight, its tokens, and the sum of their negative log-probabilities."""

    row: int
    weight: float
    cluster: object
    n_tokens: int
    loss: float


def _score_tokens(body: Body) -> dict[str, Any]:
    documents = _documents(body)
    n_samples = len(body["log_probabilities"])
    answer: dict[str, Any] = {
        "n_samples": n_samples,
        "n_scored": len(documents),
        "n_ignored": n_samples - len(documents),
        "weight_sum": math.ldexp(math.fsum(document.weight for document in documents), body["places"]),
        "metrics": _token_metrics(documents, body),
    }
    if "per_sample" in body["include"]:
        losses: list[float | None] = [None] * n_samples
        for document in documents:
            mean = document.loss / document.n_tokens / NATS_PER_UNIT[body["unit"]]
            losses[document.row] = None if math.isinf(mean) else mean
        answer["per_sample"] = {"cross_entropy": losses}
    return answer


def _documents(body: Body) -> list[Document]:
    weights, clusters, epsilon = body.get("sample_weight"), body.get("cluster_id"), body["epsilon"]
    marks, counts = body.get("mask"), body.get("n_tokens")
    documents = []
    for row, sent in enumerate(body["log_probabilities"]):
        tokens = sent if marks is None else list(compress(sent, marks[row]))
        if tokens:
            loss = math.fsum(-_between(_log(epsilon), float(x), _log1p(-epsilon)) for x in tokens)
            weight = 1.0 if weights is None else float(weights[row])
            n_tokens = len(tokens) if counts is None else counts[row]
            documents.append(Document(row, weight, row if clusters is None else clusters[row], n_tokens, loss))
    return documents


def _token_metrics(documents: Sequence[Document], body: Body) -> dict[str, Metric]:
    level, nats = body["confidence_level"], NATS_PER_UNIT[body["unit"]]
    parts = _token_parts(documents, body)
    metrics = {
        "cross_entropy": _sized(mean(parts, level, nats), body),
        "perplexity": _exponential(_sized(mean(parts, level), body)),
        "macro_perplexity": _macro_perplexity(documents, level),
    }
    if body.get("n_bytes") is not None:
        by_bytes = _loss_by_size(documents, body["n_bytes"])
        metrics["bits_per_byte"] = mean(by_bytes, level, math.log(2.0))
        metrics["byte_perplexity"] = _exponential(mean(by_bytes, level))
    if body.get("n_words") is not None:
        metrics["word_perplexity"] = _exponential(mean(_loss_by_size(documents, body["n_words"]), level))
    return metrics


def _token_parts(documents: Sequence[Document], body: Body) -> list[Part]:
    if not any(d.weight for d in documents):
        return []
    by_count = body["denominator"] == "count"
    return [_part(d, _times(d.weight, d.loss), d.n_tokens if by_count else d.weight * d.n_tokens) for d in documents]


def _loss_by_size(documents: Sequence[Document], sizes: Sequence[int]) -> list[Part]:
    return [_part(d, _times(d.weight, d.loss), d.weight * sizes[d.row]) for d in documents]


def _macro_perplexity(documents: Sequence[Document], level: float) -> Metric:
    weighty = [d for d in documents if d.weight]
    if any(math.isinf(d.loss) for d in weighty):
        return {"value": None, "status": "infinite"}
    parts = []
    for d in weighty:
        perplexity = _exp(d.loss / d.n_tokens)
        if perplexity is None:
            return _undefined("overflow")
        parts.append(_part(d, d.weight * perplexity, d.weight))
    return mean(parts, level)
