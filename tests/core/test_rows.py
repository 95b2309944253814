"""Rows of classes: the same bits whatever else is asked for, and however the array lies in memory."""

from typing import Any

import numpy as np
import pytest

from app.core.batches import batch_of
from app.core.calibration import bin_index
from app.core.options import Options
from app.core.registry import CROSS_ENTROPY, KL_DIVERGENCE
from app.core.state import State
from app.core.summary import summarize
from tests.core.parts import state_of

OPTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"epsilon": 1e-3},
    {"normalization": "renormalize"},
    {"label_smoothing": 0.1},
    {"normalization": "renormalize", "epsilon": 1e-3},
)


def columns_of(form: str, n_classes: int) -> dict[str, Any]:
    rng = np.random.default_rng(n_classes)
    n = 5_000 if n_classes < 100 else 300
    logits = rng.normal(size=(n, n_classes)) * 5
    logits[::7, 1] = -np.inf
    logits[::5] = np.round(logits[::5])
    logs = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    prediction = {"logits": logits, "log_probabilities": np.minimum(logs, 0.0), "probabilities": np.exp(logs)}[form]
    return {form: prediction, "labels": rng.integers(0, n_classes, n)}


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("n_classes", [3, 300])
@pytest.mark.parametrize("form", ["probabilities", "log_probabilities", "logits"])
def test_the_loss_alone_has_the_bits_of_the_loss_among_others(
    form: str, n_classes: int, options: dict[str, Any]
) -> None:
    whole = batch_of("multiclass", columns_of(form, n_classes), Options(**options))
    alone = summarize(whole, [CROSS_ENTROPY, KL_DIVERGENCE], []).state.moments
    among = state_of(whole).moments
    assert alone == {name: among[name] for name in alone}


@pytest.mark.parametrize("n_classes", [3, 300])
@pytest.mark.parametrize("form", ["probabilities", "logits"])
def test_the_order_in_memory_leaves_no_trace(form: str, n_classes: int) -> None:
    columns = columns_of(form, n_classes)
    wanted = state_of(batch_of("multiclass", columns, Options()))
    prediction = columns[form]
    wide = np.repeat(prediction, 2, axis=1)
    for other in (np.asfortranarray(prediction), wide[:, ::2], prediction.astype(">f8")):
        assert state_of(batch_of("multiclass", {**columns, form: other}, Options())) == wanted


@pytest.mark.parametrize("form", ["probabilities", "logits"])
def test_what_is_sent_stays_as_it_was(form: str) -> None:
    columns = columns_of(form, 300)
    before = columns[form].copy()
    state_of(batch_of("multiclass", columns, Options(epsilon=1e-3)))
    assert np.array_equal(columns[form], before)


@pytest.mark.parametrize("n_bins", [1, 2, 3, 7, 10, 15, 49, 100, 1_000])
def test_bins_are_what_comparing_with_their_edges_gives(n_bins: int) -> None:
    edges = np.arange(n_bins + 1) / n_bins
    near = np.concatenate([edges, np.nextafter(edges, 0.0), np.nextafter(edges, 1.0), np.arange(n_bins) * (1 / n_bins)])
    confidence = np.concatenate([near, np.random.default_rng(n_bins).random(1_000), [5e-324, 1.0 - 2.0**-53]])
    left = np.minimum(np.searchsorted(edges, confidence, side="right") - 1, n_bins - 1)
    right = np.maximum(np.searchsorted(edges, confidence, side="left") - 1, 0)
    assert np.array_equal(bin_index(confidence, n_bins, "left"), left)
    assert np.array_equal(bin_index(confidence, n_bins, "right"), right)


@pytest.mark.parametrize("n_classes", [50, 300])
def test_a_row_alone_has_the_bits_it_has_among_others(n_classes: int) -> None:
    rng = np.random.default_rng(0)
    targets, logits = rng.dirichlet(np.ones(n_classes), 40), rng.normal(size=(40, n_classes)) * 5

    def part(rows: slice) -> State:
        return state_of(batch_of("distributions", {"targets": targets[rows], "logits": logits[rows]}, Options()))

    total = part(slice(0, 1))
    for row in range(1, 40):
        total = total + part(slice(row, row + 1))
    assert total == part(slice(0, 40))
