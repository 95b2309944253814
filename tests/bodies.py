"""Random valid bodies of `POST /v1/score/{task}`: plain lists, as they come out of JSON.

Each body is drawn from one seed. Rare things are frequent here on purpose: exact zeros and ones, ties, logits
that overflow a naive exponential, weights of zero, rows that are ignored, one row only, one class only.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from hypothesis import strategies as st

Body = dict[str, Any]
Rng = np.random.Generator

TASKS = ("binary", "multiclass", "multilabel", "distributions", "tokens")
NAMES = ("ant", "bee", "cat", "dog", "eel", "fox", "gnu", "hen", "ibis", "jay", "koi", "lynx")
EPSILONS = (1e-15, 1e-12, 1e-7, 1e-3, 0.05)


def random_body(task: str, rng: Rng) -> Body:
    """A valid body for the task."""
    draw = {
        "binary": _binary,
        "multiclass": _multiclass,
        "multilabel": _multilabel,
        "distributions": _distributions,
        "tokens": _tokens,
    }[task]
    n = int(rng.choice([1, 2, 3, 5, 8, 20]))
    body = draw(rng, n) | _common_options(rng, n)
    if "n_tokens" in body:
        body.pop("epsilon", None)  # sums cannot be clipped
    return body


def bodies(task: str) -> st.SearchStrategy[Body]:
    """Bodies of the task, for hypothesis."""
    return st.integers(0, 2**32 - 1).map(lambda seed: random_body(task, np.random.default_rng(seed)))


def _common_options(rng: Rng, n: int) -> Body:
    options: Body = {}
    if _chance(rng, 0.4):
        options["unit"] = str(rng.choice(["nats", "bits", "hartleys"]))
    if _chance(rng, 0.3):
        options["epsilon"] = float(rng.choice(EPSILONS))
    if _chance(rng, 0.4):
        options["sample_weight"] = _sample_weight(rng, n)
    if _chance(rng, 0.3):
        options["denominator"] = str(rng.choice(["weights", "count"]))
    if _chance(rng, 0.2):
        options["confidence_level"] = float(rng.choice([0.5, 0.8, 0.9, 0.99]))
    return options


def _chance(rng: Rng, probability: float) -> bool:
    return bool(rng.random() < probability)


def _sample_weight(rng: Rng, n: int) -> list[float]:
    kind = rng.integers(0, 4)
    if kind == 0:
        return [float(w) for w in rng.integers(0, 3, n)]
    if kind == 1:
        return [float(w) for w in np.exp(rng.normal(0.0, 3.0, n))]
    if kind == 2 and _chance(rng, 0.2):
        return [0.0] * n
    size = 2.0**-1060 if _chance(rng, 0.2) else 1.0  # so small that few digits are left
    return [float(w) * size for w in rng.uniform(0.1, 2.0, n)]


def _mask(rng: Rng, n: int) -> list[bool]:
    share = 0.0 if _chance(rng, 0.1) else 0.7
    return [_chance(rng, share) for _ in range(n)]


# Predictions.


def _probability(rng: Rng) -> float:
    kind = rng.integers(0, 6)
    if kind == 0:
        return float(rng.choice([0.0, 1.0]))
    if kind == 1:
        return float(rng.choice([0.1, 0.2, 0.25, 0.3, 0.5, 0.6, 0.7, 0.9]))
    if kind == 2:
        return float(10.0 ** rng.uniform(-300.0, -1.0))
    return float(rng.random())


def _logit(rng: Rng) -> float:
    kind = rng.integers(0, 12)
    if kind == 0:
        return float(rng.choice([-math.inf, -1e4, -800.0, 0.0, 0.0, 800.0, 1e4]))
    return float(rng.normal(0.0, 1e-8 if kind == 1 else 3.0))


def _logit_row(rng: Rng, k: int) -> list[float]:
    kind = rng.integers(0, 8)
    if kind == 0:
        return [float(rng.choice([-2.0, 0.0, 3.0]))] * k
    scale = {1: 1e-9, 2: 300.0}.get(int(kind), 2.0)
    row = [float(x) for x in rng.normal(0.0, scale, k)]
    if kind == 3:
        row[int(rng.integers(k))] = -math.inf
    if kind == 4:
        row = [x + 1e5 for x in row]
    return [round(x) + 0.0 for x in row] if kind == 5 else row


def _probability_row(rng: Rng, k: int) -> list[float]:
    """A row that sums to 1 to the last digits; one in three has exact zeros."""
    kind = rng.integers(0, 9)
    if kind == 0:
        return [1.0 / k] * k
    if kind == 1:
        return [float(x) for x in np.eye(k)[rng.integers(k)]]
    if kind == 5 and _chance(rng, 0.3):
        return [5e-324] * (k - 1) + [1.0]
    row = rng.dirichlet(np.full(k, 0.05 if kind == 2 else 1.0))
    if kind in (3, 4):
        row[rng.random(k) < 0.5] = 0.0
    if row.sum() == 0.0:
        row[0] = 1.0
    return [float(x) for x in row / row.sum()]


def _unnormalized(rng: Rng, row: list[float], *, as_sent: bool) -> list[float]:
    """The same row as somebody else's software sends it: too small, with few decimals, or nothing in particular."""
    if _chance(rng, 0.5):
        return [x * float(rng.uniform(0.5, 1.0)) for x in row]
    if as_sent and _chance(rng, 0.2):
        return [float(rng.choice([0.0, 5e-324, 0.5]))] * len(row)  # all zeros, next to nothing, all equal
    rounded = [round(x, 2) for x in row]
    return rounded if sum(rounded) else row


def _predictions(rng: Rng, n: int, k: int) -> Body:
    """A prediction in one of the three forms, as the normalization option allows it."""
    form = str(rng.choice(["probabilities", "log_probabilities", "logits"]))
    if form == "logits":
        return {"logits": [_logit_row(rng, k) for _ in range(n)]}
    normalization = str(rng.choice(["warn", "error", "renormalize"]))
    rows = [_probability_row(rng, k) for _ in range(n)]
    options: Body = {"normalization": normalization}
    if _chance(rng, 0.4):
        rows = [_unnormalized(rng, row, as_sent=normalization == "warn") for row in rows]
        # All of them pass: a factor of at least 1/2 is at most .7 in logarithms.
        options |= {"tolerance": 0.8} if normalization == "error" else {}
    if form == "log_probabilities":
        rows = [[min(math.log(x), 0.0) if x else -math.inf for x in row] for row in rows]
    return {form: rows} | options


# Truth.


def _labels(rng: Rng, n: int, k: int) -> list[int]:
    return [int(c) for c in (np.full(n, rng.integers(k)) if _chance(rng, 0.1) else rng.integers(0, k, n))]


def _likely_labels(rng: Rng, body: Body, n: int, k: int) -> list[int]:
    """Draw labels that mostly have a positive probability, lest every loss be infinite."""
    rows = next(body[form] for form in ("probabilities", "log_probabilities", "logits") if form in body)
    return [
        int(np.argmax(row)) if _chance(rng, 0.6) else label for row, label in zip(rows, _labels(rng, n, k), strict=True)
    ]


def _target_row(rng: Rng, k: int) -> list[float]:
    row = _probability_row(rng, k)
    return [round(x, 12) for x in row] if _chance(rng, 0.2) else row


def _soft_label(rng: Rng) -> float:
    return float(rng.choice([0.0, 0.5, 1.0])) if _chance(rng, 0.3) else float(rng.random())


# Tasks.


def _binary(rng: Rng, n: int) -> Body:
    logits = _chance(rng, 0.5)
    body: Body = {
        "logits" if logits else "probabilities": [(_logit if logits else _probability)(rng) for _ in range(n)]
    }
    body |= _binary_truth(rng, body, n) | _calibration_options(rng) | _focal_options(rng)
    if _chance(rng, 0.3):
        body["pos_weight"] = float(rng.choice([0.0, 0.5, 3.0, 10.0]))
    if _chance(rng, 0.3):
        body["label_smoothing"] = float(rng.choice([0.0, 0.05, 0.1, 1.0]))
    if _chance(rng, 0.3):
        body["threshold"] = float(rng.choice([0.2, 0.5, 0.9]))
    if _chance(rng, 0.3):
        body["mask"] = _mask(rng, n)
    return body


def _binary_truth(rng: Rng, body: Body, n: int) -> Body:
    kind = rng.integers(0, 5)
    if kind == 0:
        return {"targets": [_soft_label(rng) for _ in range(n)]}
    middle = 0.0 if "logits" in body else 0.5
    sent = body["logits"] if "logits" in body else body["probabilities"]
    labels = [int(x > middle) if _chance(rng, 0.7) else int(rng.integers(2)) for x in sent]
    if kind == 1:
        return {"labels": [bool(y) for y in labels]}
    if kind == 2:
        return {"labels": [("ham", "spam")[y] for y in labels], "classes": ["ham", "spam"]}
    if kind == 3:
        ignored = int(rng.choice([-100, -1, 1]))
        return {"labels": [ignored if _chance(rng, 0.2) else y for y in labels], "ignore_index": ignored}
    return {"labels": labels}


def _multiclass(rng: Rng, n: int) -> Body:
    k = int(rng.integers(2, 13))
    body = _predictions(rng, n, k)
    body |= _multiclass_truth(rng, body, n, k) | _calibration_options(rng) | _focal_options(rng)
    if _chance(rng, 0.3):
        body["class_weight"] = [float(w) for w in rng.choice([0.0, 0.5, 1.0, 2.0, 3.7], k)]
    if _chance(rng, 0.3):
        body["label_smoothing"] = float(rng.choice([0.0, 0.05, 0.1, 1.0]))
    if _chance(rng, 0.4):
        body["top_k"] = sorted({int(c) for c in rng.integers(1, k + 1, 2)})
    if _chance(rng, 0.3):
        body["mask"] = _mask(rng, n)
    return body


def _multiclass_truth(rng: Rng, body: Body, n: int, k: int) -> Body:
    kind = rng.integers(0, 5)
    if kind == 0:
        return {"targets": [_target_row(rng, k) for _ in range(n)]}
    labels = _likely_labels(rng, body, n, k)
    if kind == 1:
        return {"targets": [[float(c == label) for c in range(k)] for label in labels]}
    if kind == 2:
        return {"labels": [NAMES[c] for c in labels], "classes": list(NAMES[:k])}
    if kind == 3:
        ignored = int(rng.choice([-100, -1, 0]))
        return {"labels": [ignored if _chance(rng, 0.2) else c for c in labels], "ignore_index": ignored}
    return {"labels": labels}


def _calibration_options(rng: Rng) -> Body:
    options: Body = {}
    if _chance(rng, 0.5):
        options["n_bins"] = int(rng.choice([1, 2, 10, 100]))
    if _chance(rng, 0.3):
        options["bin_edges"] = str(rng.choice(["left", "right"]))
    return options


def _focal_options(rng: Rng) -> Body:
    options: Body = {}
    if _chance(rng, 0.3):
        options["focal_gamma"] = float(rng.choice([0.0, 0.5, 2.0, 5.0]))
    if _chance(rng, 0.2):
        options["focal_alpha"] = float(rng.choice([0.25, 0.5, 0.9]))
    return options


def _multilabel(rng: Rng, n: int) -> Body:
    n_labels = int(rng.integers(1, 7))
    logits, soft = _chance(rng, 0.5), _chance(rng, 0.3)
    draw = _logit if logits else _probability
    rows = [[draw(rng) for _ in range(n_labels)] for _ in range(n)]
    middle = 0.0 if logits else 0.5
    body: Body = {"logits" if logits else "probabilities": rows}
    if soft:
        body["targets"] = [[_soft_label(rng) for _ in row] for row in rows]
    else:
        likely = [[int(x > middle) if _chance(rng, 0.9) else int(rng.integers(2)) for x in row] for row in rows]
        body["labels"] = [[bool(y) for y in row] for row in likely] if _chance(rng, 0.3) else likely
    return body | _multilabel_options(rng, n, n_labels)


def _multilabel_options(rng: Rng, n: int, n_labels: int) -> Body:
    options: Body = {}
    if _chance(rng, 0.3):
        options["pos_weight"] = float(rng.uniform(0.1, 5.0))
    elif _chance(rng, 0.3):
        options["pos_weight"] = [float(q) for q in rng.uniform(0.1, 5.0, n_labels)]
    if _chance(rng, 0.3):
        options["label_smoothing"] = float(rng.choice([0.0, 0.1, 1.0]))
    if _chance(rng, 0.3):
        options["threshold"] = float(rng.choice([0.2, 0.5, 0.9]))
    if _chance(rng, 0.2):
        options["mask"] = _mask(rng, n)
    elif _chance(rng, 0.3):
        options["mask"] = [_mask(rng, n_labels) for _ in range(n)]
    return options


def _distributions(rng: Rng, n: int) -> Body:
    k = int(rng.integers(2, 13))
    body = _predictions(rng, n, k) | {"targets": [_target_row(rng, k) for _ in range(n)]}
    if "probabilities" in body and body["normalization"] == "warn" and _chance(rng, 0.2):
        body["targets"] = [list(row) for row in body["probabilities"]] if _sums_to_one(body) else body["targets"]
    if _chance(rng, 0.3):
        body["mask"] = _mask(rng, n)
    return body


def _sums_to_one(body: Body) -> bool:
    return all(abs(math.fsum(row) - 1.0) < 1e-9 for row in body["probabilities"])


def _tokens(rng: Rng, n: int) -> Body:
    lengths = [int(m) for m in rng.choice([0, 1, 2, 7, 30], n)]
    surprise = 400.0 if _chance(rng, 0.05) else 3.0
    body: Body = {"log_probabilities": [[_token(rng, surprise) for _ in range(m)] for m in lengths]}
    if _chance(rng, 0.1):
        body["log_probabilities"][0].append(-math.inf)
    if _chance(rng, 0.5):
        body["n_bytes"] = [int(b) for b in rng.integers(1, 200, n)]
    if _chance(rng, 0.5):
        body["n_words"] = [int(w) for w in rng.integers(1, 40, n)]
    if _chance(rng, 0.3):
        body["n_tokens"] = [max(1, len(document)) for document in body["log_probabilities"]]
        body["log_probabilities"] = [[0.0 + sum(document)] for document in body["log_probabilities"]]
    if _chance(rng, 0.3):
        body["mask"] = [_mask(rng, len(document)) for document in body["log_probabilities"]]
    return body


def _token(rng: Rng, surprise: float) -> float:
    return 0.0 if _chance(rng, 0.05) else -float(rng.exponential(surprise))
