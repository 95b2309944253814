"""The answers in docs/conventions.md are those of Surprisal, scikit-learn, PyTorch and Keras."""

import math
import re
from typing import Any

import numpy as np
import pytest
import sklearn
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from tests.asking import WORKED, Body, near, values
from tests.documents import Document

CONVENTIONS = Document("docs/conventions.md")
HEADING = "Beside scikit-learn, PyTorch and Keras"

MISS: Body = {"labels": [1], "probabilities": [[1.0, 0.0]]}
HIT: Body = {"labels": [0], "probabilities": [[1.0, 0.0]]}
ROWS = [
    "the worked example",
    "the same, rows divided by their sums",
    "the same, probabilities taken for logits",
    "p = 0 on what was observed",
    "p = 1 on what was observed",
]


def numbers(library: str) -> dict[str, list[float]]:
    """The numbers in the table for a library, row by row."""
    head = [cell.strip() for cell in CONVENTIONS.table(HEADING).split("\n")[0].split("|")]
    (column,) = [at - 1 for at, cell in enumerate(head) if cell.startswith(library)]
    found = {row[0]: row[column] for row in CONVENTIONS.rows(HEADING)}
    assert list(found)[: len(ROWS)] == ROWS
    return {name: [float(text) for text in re.findall(r"\d+\.\d+(?:e-\d+)?", found[name])] for name in ROWS}


def told_of(library: str, answered: list[list[float]]) -> None:
    assert numbers(library) == {name: list(map(near, row)) for name, row in zip(ROWS, answered, strict=True)}


def loss(body: Body) -> float:
    status, value = values("multiclass", body)["cross_entropy"]
    assert status == "ok"
    assert value is not None
    return value


def test_what_surprisal_answers() -> None:
    renormalized = loss(WORKED | {"normalization": "renormalize"})
    told_of("Surprisal", [[loss(WORKED)], [renormalized], [], [loss(MISS | {"epsilon": 1e-15})], [loss(HIT)]])
    assert values("multiclass", MISS)["cross_entropy"] == ("infinite", None)


@pytest.mark.filterwarnings("ignore:The y_prob values do not sum to one")
def test_what_scikit_learn_answers() -> None:
    assert f"| scikit-learn {'.'.join(sklearn.__version__.split('.')[:2])} |" in CONVENTIONS.text

    def theirs(body: Body) -> float:
        rows = np.array(body["probabilities"])
        return float(log_loss(body["labels"], rows, labels=range(rows.shape[1])))

    told_of("scikit-learn", [[theirs(WORKED)], [], [], [theirs(MISS)], [theirs(HIT)]])
    # Edges of bins: 0.5 belongs to the lower of two.
    frequencies, _ = calibration_curve([1, 0], [0.5, 0.4], n_bins=2)
    assert frequencies.tolist() == [0.5]


def test_what_torch_answers(torch: Any) -> None:
    assert f"| PyTorch {'.'.join(torch.__version__.split('.')[:2])} |" in CONVENTIONS.text
    functional = torch.nn.functional

    def theirs(function: Any, body: Body, of: Any = torch.log) -> float:
        rows = torch.tensor(body["probabilities"], dtype=torch.float64)
        return float(function(of(rows), torch.tensor(body["labels"])))

    capped = float(functional.binary_cross_entropy(torch.tensor([0.0]), torch.tensor([1.0])))
    told_of(
        "PyTorch",
        [
            [theirs(functional.nll_loss, WORKED)],
            [theirs(functional.cross_entropy, WORKED)],
            [theirs(functional.cross_entropy, WORKED, of=lambda rows: rows)],
            [capped],
            [theirs(functional.nll_loss, HIT)],
        ],
    )
    assert theirs(functional.nll_loss, MISS) == math.inf


def test_what_keras_would_answer() -> None:
    def theirs(body: Body) -> float:
        rows = np.array(body["probabilities"])
        rows = np.clip(rows / rows.sum(axis=1, keepdims=True), 1e-7, 1 - 1e-7)
        return float(-np.log(rows[np.arange(len(rows)), body["labels"]]).mean())

    as_logits = loss({"labels": WORKED["labels"], "logits": WORKED["probabilities"]})
    told_of("Keras", [[theirs(WORKED)], [theirs(WORKED)], [as_logits], [theirs(MISS)], [theirs(HIT)]])
