"""Real predictions on real data, posted to the real application, beside what scikit-learn says of them."""

from __future__ import annotations

import asyncio
import math
import re
from collections import Counter
from itertools import pairwise
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_linnerud,
    load_wine,
)
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from app.main import create_app

# What scikit-learn clips float64 probabilities to.
EPS = float(np.finfo(np.float64).eps)

DATASETS = {"digits": load_digits, "breast_cancer": load_breast_cancer, "wine": load_wine}
MODELS = {
    "logistic_regression": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
    "random_forest": lambda: RandomForestClassifier(n_estimators=10, random_state=0),
    "gradient_boosting": lambda: GradientBoostingClassifier(n_estimators=15, random_state=0),
}
CASES = [(dataset, model) for dataset in DATASETS for model in MODELS]


def post(task: str, body: dict[str, Any]) -> dict[str, Any]:
    async def exchange() -> httpx.Response:
        app = create_app()
        transport = httpx.ASGITransport(app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://surprisal.test") as client,
        ):
            return await client.post(f"/v1/score/{task}", json=body)

    response = asyncio.run(exchange())
    assert response.status_code == 200, response.text
    answer = response.json()
    assert isinstance(answer, dict)
    return answer


class HeldOut:
    """A trained model's probabilities for rows it has not seen, and what those rows were."""

    def __init__(self, dataset: str, model: str) -> None:
        features, labels = DATASETS[dataset](return_X_y=True)
        seen, unseen, known, self.labels = train_test_split(
            features, labels, test_size=0.4, random_state=0, stratify=labels
        )
        self.probabilities: NDArray[np.float64] = MODELS[model]().fit(seen, known).predict_proba(unseen)
        self.n_classes = self.probabilities.shape[1]
        of_truth = self.probabilities[np.arange(len(self.labels)), self.labels]
        self.surprised: list[int] = np.flatnonzero(of_truth == 0.0).tolist()

    def body(self, **options: Any) -> dict[str, Any]:
        return {"labels": self.labels.tolist(), "probabilities": self.probabilities.tolist(), **options}

    def log_loss(self) -> float:
        return float(log_loss(self.labels, self.probabilities, labels=range(self.n_classes)))

    def log_loss_of_the_others(self) -> float:
        others = np.delete(np.arange(len(self.labels)), self.surprised)
        return float(log_loss(self.labels[others], self.probabilities[others], labels=range(self.n_classes)))


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def held_out(request: pytest.FixtureRequest) -> HeldOut:
    return HeldOut(*request.param)


def near(expected: float) -> Any:
    return pytest.approx(expected, rel=1e-12, abs=0.0)


def test_clipped_like_scikit_learn_the_loss_is_log_loss(held_out: HeldOut) -> None:
    answer = post("multiclass", held_out.body(epsilon=EPS))
    assert answer["n_scored"] == len(held_out.labels)
    assert answer["metrics"]["cross_entropy"]["value"] == near(held_out.log_loss())


def test_unclipped_the_loss_is_log_loss_or_says_which_rows_make_it_infinite(held_out: HeldOut) -> None:
    answer = post("multiclass", held_out.body())
    loss, warnings = answer["metrics"]["cross_entropy"], {w["code"]: w for w in answer["warnings"]}
    assert "not_normalized" not in warnings
    if not held_out.surprised:
        assert "zero_probability" not in warnings
        assert loss["value"] == near(held_out.log_loss())
        return
    assert (loss["status"], loss["value"]) == ("infinite", None)
    warning = warnings["zero_probability"]
    assert warning["count"] == len(held_out.surprised)
    assert warning["rows"] == held_out.surprised[: len(warning["rows"])] != []
    assert warning["mean_of_other_rows"] == near(held_out.log_loss_of_the_others())


def test_brier_score_and_accuracy_stay_whatever_the_loss(held_out: HeldOut) -> None:
    metrics = post("multiclass", held_out.body())["metrics"]
    brier = brier_score_loss(
        held_out.labels, held_out.probabilities, labels=range(held_out.n_classes), scale_by_half=False
    )
    assert metrics["brier_score"]["value"] == near(brier)
    right = accuracy_score(held_out.labels, held_out.probabilities.argmax(axis=1))
    assert metrics["accuracy"]["value"] == near(right)


@pytest.mark.parametrize("model", MODELS)
def test_two_classes_as_binary(model: str) -> None:
    held_out = HeldOut("breast_cancer", model)
    positive = held_out.probabilities[:, 1]
    body = held_out.body(epsilon=EPS) | {"probabilities": positive.tolist()}
    metrics = post("binary", body)["metrics"]
    assert metrics["cross_entropy"]["value"] == near(log_loss(held_out.labels, positive))
    assert metrics["brier_score"]["value"] == near(brier_score_loss(held_out.labels, positive))


def test_a_forest_did_promise_that_something_real_would_not_happen() -> None:
    assert HeldOut("digits", "random_forest").surprised


# A bigram model of English: the descriptions that scikit-learn ships with its data sets.

TRAINING = (load_breast_cancer, load_digits, load_iris, load_diabetes, load_linnerud)
START, UNKNOWN = "<start>", "<unknown>"


class Bigrams:
    """Next-token probabilities with one added to every count."""

    def __init__(self, documents: list[list[str]]) -> None:
        self.vocabulary = {UNKNOWN}.union(*documents)
        self.pairs = Counter(pair for document in documents for pair in pairwise([START, *document]))
        self.firsts = Counter(first for document in documents for first in [START, *document][:-1])

    def log_probabilities(self, document: list[str]) -> list[float]:
        known = [START, *(token if token in self.vocabulary else UNKNOWN for token in document)]
        size = len(self.vocabulary)
        return [math.log((self.pairs[a, b] + 1) / (self.firsts[a] + size)) for a, b in pairwise(known)]


def paragraphs(text: str) -> list[str]:
    return [paragraph for paragraph in re.split(r"\n\s*\n", text) if paragraph.strip()]


def tokens(text: str) -> list[str]:
    """Words, spaces and signs: together they are the text, so that bits per byte means what it says."""
    return re.findall(r"\w+|\s+|[^\w\s]", text)


def test_a_bigram_model_of_english() -> None:
    seen = [tokens(p) for load in TRAINING for p in paragraphs(load().DESCR)]
    unseen = paragraphs(load_wine().DESCR)
    model = Bigrams(seen)
    documents = [model.log_probabilities(tokens(p)) for p in unseen]
    n_bytes, n_words = [len(p.encode()) for p in unseen], [len(p.split()) for p in unseen]
    answer = post("tokens", {"log_probabilities": documents, "n_bytes": n_bytes, "n_words": n_words})

    loss, n_tokens = -math.fsum(x for document in documents for x in document), sum(map(len, documents))
    assert n_tokens > 500
    found = {name: metric["value"] for name, metric in answer["metrics"].items()}
    assert found == pytest.approx(
        {
            "cross_entropy": loss / n_tokens,
            "perplexity": math.exp(loss / n_tokens),
            "macro_perplexity": math.fsum(math.exp(-math.fsum(d) / len(d)) for d in documents) / len(documents),
            "bits_per_byte": loss / math.log(2) / sum(n_bytes),
            "byte_perplexity": math.exp(loss / sum(n_bytes)),
            "word_perplexity": math.exp(loss / sum(n_words)),
        },
        rel=1e-12,
    )
    assert 1.0 < found["bits_per_byte"] < 8.0


def test_a_bigram_model_knows_english_better_than_shuffled_english() -> None:
    model = Bigrams([tokens(p) for load in TRAINING for p in paragraphs(load().DESCR)])
    text = tokens(load_wine().DESCR)
    shuffled = [text[i] for i in np.random.default_rng(0).permutation(len(text))]
    in_order, out_of_order = (
        post("tokens", {"log_probabilities": [model.log_probabilities(t)]})["metrics"]["perplexity"]["value"]
        for t in (text, shuffled)
    )
    assert in_order < out_of_order / 2
