"""Rows of classes: the same bits whatever else is asked for, and however the array lies in memory."""

from typing import Any

import numpy as np
import pytest

from app.core.batch.checked import batch_of
from app.core.columns import Column
from app.core.formulas.bins import bin_index
from app.core.metrics.entropies import CROSS_ENTROPY, KL_DIVERGENCE
from app.core.options import Options
from app.core.sums.layout import Needs
from app.core.sums.state import State
from app.core.sums.summary import summarize
from app.core.tasks import TaskName
from app.service import INCLUDES, CalibrateRequest, calibrate, score
from tests.core.parts import state_of
from tests.requests import scoring

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
    alone = summarize(whole, Needs((CROSS_ENTROPY, KL_DIVERGENCE))).state.moments
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


@pytest.mark.parametrize("task", ["multiclass", "binary", "multilabel"])
def test_columns_of_a_table_are_as_good_as_arrays_of_their_own(task: TaskName) -> None:
    rng = np.random.default_rng(3)
    width = () if task == "binary" else (3,)
    columns: dict[str, Any] = {"logits": rng.normal(size=(50, *width)), "labels": rng.integers(0, 2, 50)}
    if task == "multilabel":
        columns |= {"labels": rng.integers(0, 2, (50, 3)), "mask": rng.random((50, 3)) < 0.8}
    tables = {name: np.repeat(column, 2, axis=-1)[..., ::2] for name, column in columns.items()}
    assert state_of(batch_of(task, tables, Options())) == state_of(batch_of(task, columns, Options()))


@pytest.mark.parametrize("task", ["multiclass", "binary", "multilabel", "distributions"])
@pytest.mark.parametrize("form", ["probabilities", "logits"])
def test_nothing_writes_into_what_is_sent(task: TaskName, form: str) -> None:
    rng = np.random.default_rng(0)
    prediction = rng.dirichlet(np.ones(4), 60)
    truths: dict[TaskName, Column] = {
        "multiclass": rng.integers(0, 4, 60),
        "binary": rng.integers(0, 2, 60),
        "multilabel": rng.integers(0, 2, (60, 4)),
        "distributions": rng.dirichlet(np.ones(4), 60),
    }
    columns: dict[str, Column] = {
        form: np.ascontiguousarray(prediction[:, 0]) if task == "binary" else prediction,
        "targets" if task == "distributions" else "labels": truths[task],
    }
    for column in columns.values():
        column.setflags(write=False)  # type: ignore[union-attr]
    for options in (Options(), Options(epsilon=1e-3), Options(normalization="renormalize")):
        score(scoring(task, columns, options, frozenset(INCLUDES[task]) - {"slices"}))
    if task in ("binary", "multiclass"):
        calibrate(CalibrateRequest(task, columns, Options(), "temperature"))


def test_a_clipped_loss_is_the_same_bits_in_every_form() -> None:
    p = np.array([[0.001, 0.999], [0.002, 0.998]])
    found = {
        form: state_of(batch_of("multiclass", {form: sent, "labels": np.array([0, 0])}, Options(epsilon=0.01)))
        for form, sent in {"probabilities": p, "log_probabilities": np.log(p), "logits": np.log(p)}.items()
    }
    sums = {form: state.moments["cross_entropy"].z for form, state in found.items()}
    assert len(set(sums.values())) == 1, sums


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
