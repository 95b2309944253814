"""The quantities of rows of elements that one call writes are those of `ElementRows`, in the same bits."""

import sys
from operator import attrgetter
from typing import Any

import numpy as np
import pytest

from app.core.batch.checked import batch_of
from app.core.columns import BoolArray, FloatArray, IntArray
from app.core.kernels import compiled
from app.core.kernels.quantities import ELEMENT_QUANTITIES, Into, element_rows
from app.core.metrics.scores import SUBSET_ACCURACY
from app.core.options import Options
from app.core.rows.elements import ElementRows
from tests.core.kernels.predictions import scores

ALL = tuple(range(len(ELEMENT_QUANTITIES)))
FORMS = ("probabilities", "logits")
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def truth(x: FloatArray) -> IntArray:
    return np.random.default_rng(x.shape).integers(0, 2, x.shape)


def expected(
    x: FloatArray, labels: IntArray, mask: BoolArray | None, form: str, threshold: float
) -> dict[str, FloatArray]:
    task: Any = "binary" if x.ndim == 1 else "multilabel"
    columns = {form: x, "labels": labels} | ({} if mask is None else {"mask": mask})
    rows = ElementRows(batch_of(task, columns, Options(threshold=threshold)), slice(0, len(x)))
    found = {
        name: (SUBSET_ACCURACY.quantity(ElementRows) if name == SUBSET_ACCURACY.name else attrgetter(name))(rows)
        for name in ELEMENT_QUANTITIES
    }
    return {name: np.ones(len(x)) if of is None else of.astype(np.float64) for name, of in found.items()}


def written(  # noqa: PLR0913 what is passed on
    x: FloatArray,
    labels: IntArray,
    form: str,
    mask: BoolArray | None = None,
    threshold: float = 0.5,
    places: tuple[int, ...] = ALL,
) -> FloatArray:
    out = np.full((len(ALL) + 1, len(x) + 5), np.nan)
    element_rows(x, labels, mask, form, threshold, Into(out, 3, places))
    return out


def check(x: FloatArray, labels: IntArray, form: str, mask: BoolArray | None = None, threshold: float = 0.5) -> None:
    right = expected(x, labels, mask, form, threshold)
    out = written(x, labels, form, mask, threshold)
    for place, name in enumerate(ELEMENT_QUANTITIES):
        assert out[place, 3:-2].tobytes() == right[name].tobytes(), name
    out[: len(ALL), 3:-2] = np.nan
    assert np.isnan(out).all()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 1.0])
def test_one_call_writes_the_bits_of_binary_rows(form: str, threshold: float) -> None:
    for n in (1, 2, 3, 511, 512, 513, 2000):
        x = scores(form, n, 2)[:, 0].copy()
        check(x, truth(x), form, None, threshold)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("width", [*range(1, 41), 511, 512, 513, 1500])
def test_one_call_writes_the_bits_of_rows_of_elements(form: str, width: int) -> None:
    sizes = np.random.default_rng(width).integers(1, 701, 3) if width <= 40 else [1, 2, 5]
    for n in map(int, sizes):
        x = scores(form, n, width)
        check(x, truth(x), form)
        mask = np.random.default_rng(n).random(x.shape) < 0.7
        check(np.where(mask, x, np.nan), truth(x), form, mask)


def test_nothing_is_looked_at_where_elements_are_not_scored() -> None:
    mask = np.array([[True, False], [False, False]])
    x, labels = np.array([[0.25, np.nan], [np.inf, -1.0]]), np.array([[1, 7], [-1, 2]])
    out = written(x, labels, "probabilities", mask)
    assert (
        out[:-1, 3:-2].tobytes()
        == written(np.array([[0.25, 0.5], [0.5, 0.5]]), np.array([[1, 0], [0, 0]]), "probabilities", mask)[
            :-1, 3:-2
        ].tobytes()
    )
    assert dict(zip(ELEMENT_QUANTITIES, out[:, 4], strict=False)) == dict.fromkeys(ELEMENT_QUANTITIES, 0.0) | {
        "subset_accuracy": 1.0,
        "confidence": 0.5,
    }


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(700,), (300, 3)])
def test_rows_are_the_same_whatever_is_asked_for(form: str, shape: tuple[int, ...]) -> None:
    x = scores(form, shape[0], 3)[:, : 3 if len(shape) == 2 else 1].reshape(shape).copy()
    whole, rng = written(x, truth(x), form), np.random.default_rng(5)
    for _ in range(100):
        rows = rng.permutation(len(ALL) + 1)[: len(ALL)]
        places = np.where(rng.random(len(ALL)) < 0.6, -1, rows).tolist()
        out = written(x, truth(x), form, places=tuple(places))
        for quantity, place in enumerate(places):
            if place >= 0:
                assert out[place].tobytes() == whole[quantity].tobytes()
        assert np.isnan(out[[row for row in range(len(out)) if row not in places]]).all()


@pytest.mark.parametrize("label", [-(2**63), -1, 2, 3, 2**63 - 1])
@pytest.mark.parametrize("row", [0, 999])
def test_a_label_that_is_neither_0_nor_1_is_refused(label: int, row: int) -> None:
    labels = np.zeros(1000, np.int64)
    labels[row] = label
    with pytest.raises(ValueError, match="labels must be 0 or 1"):
        written(np.full(1000, 0.5), labels, "probabilities", np.ones(1000, bool))


def test_there_may_be_no_rows() -> None:
    out = np.ones((9, 2))
    element_rows(np.empty((0, 3)), np.empty((0, 3), np.int64), None, "logits", 0.5, Into(out, 2, ALL))
    assert out.tolist() == [[1.0, 1.0]] * 9


x, labels, mask, out = np.full((2, 3), 0.5), np.zeros((2, 3), np.int64), np.ones((2, 3), bool), np.zeros((9, 4))


@pytest.mark.parametrize(
    ("arguments", "error", "rule"),
    [
        ((x, labels, None, 0, 0.5, out, 0), TypeError, "takes scores, labels, mask"),
        ((x, labels.astype(np.uint64), None, 0, 0.5, out, 0, ALL), TypeError, "argument 1 holds another type"),
        ((x, labels, mask.astype(np.int8), 0, 0.5, out, 0, ALL), TypeError, "argument 2 holds another type"),
        ((x, labels, labels, 0, 0.5, out, 0, ALL), TypeError, "argument 2 holds another type"),
        ((x, labels, mask[:1], 0, 0.5, out, 0, ALL), ValueError, "must fit each other"),
        ((x, labels[:1], mask, 0, 0.5, out, 0, ALL), ValueError, "must fit each other"),
        ((x[None], labels, mask, 0, 0.5, out, 0, ALL), ValueError, "must fit each other"),
        ((np.ones(()), np.ones((), np.int64), None, 0, 0.5, out, 0, ALL), ValueError, "must fit each other"),
        ((np.ones((2, 0)), np.ones((2, 0), np.int64), None, 0, 0.5, out, 0, ALL), ValueError, "must fit each other"),
        ((x, labels, mask, 2, 0.5, out, 0, ALL), ValueError, "must fit each other"),
        ((x, labels, mask, 0, "0.5", out, 0, ALL), ValueError, "must fit each other"),
        ((x, labels, mask, 0, 0.5, out[:, :1].copy(), 0, ALL), ValueError, "a column for each row"),
        ((x, labels, mask, 0, 0.5, out, 0, ALL[:-1]), ValueError, "places must be"),
        ((x, labels, mask, 0, 0.5, out[:8], 0, ALL), ValueError, "places must be"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: tuple[Any, ...], error: type[Exception], rule: str) -> None:
    held = [sys.getrefcount(array) for array in (x, labels, mask, out)]
    with pytest.raises(error, match=rule):
        compiled.element_rows(*arguments)
    assert held == [sys.getrefcount(array) for array in (x, labels, mask, out)]
