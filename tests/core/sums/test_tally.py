"""Tallies by one call, against the sums of a chunk, whose quantities stand in a matrix."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.core.batch.batches import Batch
from app.core.columns import FloatArray
from app.core.compare.pairing import paired, paired_needs
from app.core.kernels import compiled
from app.core.metrics.plan import plan_of
from app.core.sums.chunk import Chunk
from app.core.sums.layout import Layout, layout_of
from app.core.sums.tally import tally
from app.core.tasks import TaskName
from tests.core.parts import batch

RNG = np.random.default_rng(5)
SHARES = RNG.dirichlet(np.ones(4), 30)
BITS = RNG.integers(0, 2, (30, 4))
BODIES: dict[str, tuple[TaskName, dict[str, Any]]] = {
    "classes": ("multiclass", {"probabilities": SHARES.tolist(), "labels": RNG.integers(0, 4, 30).tolist()}),
    "logits": ("multiclass", {"logits": np.log(SHARES).tolist(), "labels": RNG.integers(0, 4, 30).tolist()}),
    "logarithms": (
        "multiclass",
        {"log_probabilities": np.log(SHARES).tolist(), "labels": RNG.integers(0, 4, 30).tolist()},
    ),
    "binary": ("binary", {"probabilities": SHARES[:, 0].tolist(), "labels": BITS[:, 0].tolist()}),
    "labels": ("multilabel", {"logits": np.log(SHARES).tolist(), "labels": BITS.tolist()}),
    "documents": ("tokens", {"log_probabilities": [np.log(row[: 1 + i % 4]).tolist() for i, row in enumerate(SHARES)]}),
}


def laid_out(name: str) -> tuple[Batch, Layout]:
    task, body = BODIES[name]
    whole = batch(task, body)
    return whole, layout_of(whole, plan_of(task, whole.options).needs)


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("rows", [slice(0, 30), slice(7, 23), slice(29, 30)])
def test_a_tally_has_the_sums_of_a_chunk(name: str, rows: slice) -> None:
    whole, layout = laid_out(name)
    kept = {"cross_entropy": np.zeros(30), "size": np.zeros(30)}
    found, chunk = tally(whole, rows, layout, kept), Chunk(whole, rows, layout)
    assert found is not None
    for column, values in kept.items():
        own = chunk.column(column)
        assert np.array_equal(values[rows], np.ones(chunk.n_rows) if own is None else own)
        assert not np.delete(values, rows).any()
    assert (found.n_scored, found.weight_sum) == (chunk.n_rows, chunk.weight_sum)
    assert found.moments == chunk.moments
    tables = {name: (sums.columns, sums.place) for name, sums in chunk.tables.items()}
    assert {name: (sums.columns, sums.place) for name, sums in found.groups.items()} == tables


@pytest.mark.parametrize("name", ["classes", "binary", "labels"])
def test_what_a_kernel_does_not_take_is_no_tally(name: str) -> None:
    whole, layout = laid_out(name)
    for prediction in (whole.prediction.astype(np.float32), np.repeat(whole.prediction, 2, axis=0)[::2]):  # type: ignore[union-attr, arg-type]
        assert tally(replace(whole, prediction=prediction), slice(0, 30), layout, {}) is None


def test_an_infinite_loss_is_no_tally_for_its_row_is_looked_for() -> None:
    whole = batch("binary", {"probabilities": [0.0, 0.5], "labels": [1, 0]})
    layout = layout_of(whole, plan_of("binary", whole.options).needs)
    assert tally(whole, slice(0, 2), layout, {}) is None
    assert tally(whole, slice(1, 2), layout, {}) is not None


@pytest.mark.parametrize("name", BODIES)
def test_a_kernel_refuses_what_does_not_fit(name: str) -> None:
    whole, layout = laid_out(name)
    asked = layout.asked
    assert asked is not None
    wrong = [
        (0, 31, asked),
        (-1, 3, asked),
        (3, 2, asked),
        (0, 3, asked[:5]),
        (0, 3, asked._replace(n_rows=0)),
        (0, 3, asked._replace(n_rows=1)),
        (0, 3, asked._replace(places=asked.places[1:])),
        (0, 3, asked._replace(zeros=(asked.n_rows,))),
        (0, 3, asked._replace(pairs=((asked.n_rows, -1),))),
        (0, 3, asked._replace(zeros=[0])),  # type: ignore[arg-type]
        (0, 3, asked._replace(pairs=[(0, -1)])),  # type: ignore[arg-type]
    ]
    for arguments in wrong:
        with pytest.raises((ValueError, TypeError)):
            call(name, whole)(*arguments, ())
    for kept in (None, (0,), ((0,),), ((-2, np.zeros(30)),), ((asked.n_rows, np.zeros(30)),), ((0, np.zeros(2)),)):
        with pytest.raises((ValueError, TypeError)):
            call(name, whole)(0, 3, asked, kept)
    assert call(name, whole)(0, 3, asked, ((0, np.zeros(3)),))
    with pytest.raises(TypeError):
        call(name, whole)(0, 3)


def test_kernels_refuse_labels_that_are_none_and_documents_that_are_empty() -> None:
    whole, layout = laid_out("classes")
    with pytest.raises(ValueError, match="labels must be numbers of classes"):
        compiled.class_tally(whole.prediction, whole.labels + 4, 0, 0, 30, layout.asked, ())  # type: ignore[operator, arg-type]
    with pytest.raises(ValueError, match="must fit each other"):
        compiled.class_tally(whole.prediction, whole.labels[1:], 0, 0, 3, layout.asked, ())  # type: ignore[index, arg-type]
    whole, layout = laid_out("binary")
    with pytest.raises(ValueError, match="labels must be 0 or 1"):
        compiled.element_tally(whole.prediction, whole.labels + 1, 0, 0.5, 0, 30, layout.asked, ())  # type: ignore[operator, arg-type]
    with pytest.raises(ValueError, match="must fit each other"):
        compiled.element_tally(whole.prediction, whole.labels[1:], 0, 0.5, 0, 3, layout.asked, ())  # type: ignore[index, arg-type]
    _, layout = laid_out("documents")
    for offsets in ([0, 0], [0, 3], [1, 0]):
        with pytest.raises(ValueError, match="a token or more"):
            compiled.token_tally(np.zeros(2), np.array(offsets), 0, 1, layout.asked, ())  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="an offset"):
        compiled.token_tally(np.zeros(2), np.array([], np.int64), 0, 0, layout.asked, ())  # type: ignore[arg-type]


def test_sums_by_label_need_one_label_a_row() -> None:
    whole, layout = laid_out("labels")
    assert layout.asked is not None
    asked = layout.asked._replace(by_label=(-1,))
    with pytest.raises(ValueError, match="where there is one a row"):
        compiled.element_tally(whole.prediction, whole.labels, 1, 0.5, 0, 30, asked, ())  # type: ignore[arg-type]


def of_pairs(losses: FloatArray) -> tuple[Batch, Layout]:
    whole = paired(laid_out("classes")[0], losses)
    return whole, layout_of(whole, paired_needs(len(losses) - 1, "loss"))


@pytest.mark.parametrize("n_candidates", [2, 3, 7])
@pytest.mark.parametrize("rows", [slice(0, 30), slice(7, 23), slice(29, 30)])
def test_a_tally_of_pairs_has_the_sums_of_a_chunk(n_candidates: int, rows: slice) -> None:
    losses = RNG.exponential(size=(n_candidates, 30))
    losses[1, ::3] = losses[0, ::3]
    whole, layout = of_pairs(losses)
    found, chunk = tally(whole, rows, layout, {}), Chunk(whole, rows, layout)
    assert found is not None
    assert found.moments == chunk.moments
    assert found.groups["outcomes"].columns == chunk.tables["outcomes"].columns
    losses[-1, rows.start] = np.inf
    assert tally(whole, rows, layout, {}) is None


def test_a_kernel_refuses_losses_that_do_not_fit() -> None:
    losses = np.ones((2, 30))
    _, layout = of_pairs(losses)
    asked = layout.asked
    assert asked is not None
    for wrong in (losses[0], losses[:0], losses.astype(np.float32), losses.T, np.ones((3, 30)), None):
        with pytest.raises((ValueError, TypeError)):
            compiled.pair_tally(wrong, 0, 30, asked)  # type: ignore[arg-type]
    for arguments in ((0, 31, asked), (2, 1, asked), (0, 30, asked._replace(places=(0,))), (0, 30)):
        with pytest.raises((ValueError, TypeError)):
            compiled.pair_tally(losses, *arguments)


def call(name: str, whole: Batch) -> Any:
    """The kernel of a batch with its arrays, to be called with rows and with what is asked."""
    if name == "documents":
        documents: Any = whole.prediction
        return lambda *rest: compiled.token_tally(documents.values, documents.offsets, *rest)
    form = ("probabilities", "logits", "log_probabilities").index(whole.form)
    scores: Any = whole.prediction
    labels: Any = whole.labels
    if whole.task == "multiclass":
        return lambda *rest: compiled.class_tally(scores, labels, form, *rest)
    return lambda *rest: compiled.element_tally(scores, labels, form, 0.5, *rest)
