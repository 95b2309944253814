"""The quantities of rows over classes that one call writes are those of `ClassRows`, in the same bits."""

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from app.core.batch.checked import batch_of
from app.core.columns import FloatArray, IntArray
from app.core.kernels import compiled
from app.core.kernels.quantities import CLASS_QUANTITIES, FORMS, Into, class_rows
from app.core.kernels.verdicts import class_verdict, judged_class_rows, merged
from app.core.options import Options
from app.core.rows.classes import ClassRows
from tests.core.kernels.predictions import scores

ALL = tuple(range(len(CLASS_QUANTITIES)))
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def truth(n: int, k: int) -> IntArray:
    return np.random.default_rng([n, k]).integers(0, k, n)


def expected(x: FloatArray, labels: IntArray, form: str) -> dict[str, FloatArray]:
    batch = batch_of("multiclass", {form: x, "labels": labels}, Options())
    rows = ClassRows(batch, slice(0, len(x)))
    return {name: getattr(rows, name).astype(np.float64) for name in CLASS_QUANTITIES}


def written(x: FloatArray, labels: IntArray, form: str, places: tuple[int, ...] = ALL) -> FloatArray:
    out = np.full((len(CLASS_QUANTITIES) + 1, len(x) + 5), np.nan)
    class_rows(x, labels, form, Into(out, 3, places))
    return out


def check(x: FloatArray, labels: IntArray, form: str) -> None:
    out, right = written(x, labels, form), expected(x, labels, form)
    for place, name in enumerate(CLASS_QUANTITIES):
        assert out[place, 3:-2].tobytes() == right[name].tobytes(), name
    out[: len(ALL), 3:-2] = np.nan
    assert np.isnan(out).all()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("k", [*range(2, 41), 100, 1023, 1025, 2048, 2049, 5000])
def test_one_call_writes_the_bits_of_the_rows(form: str, k: int) -> None:
    sizes = np.random.default_rng(k).integers(1, 701, 3) if k <= 100 else [1, 2, 5]
    for n in map(int, sizes):
        check(scores(form, n, k), truth(n, k), form)


@pytest.mark.parametrize("form", FORMS)
def test_rows_are_the_same_whatever_is_asked_for(form: str) -> None:
    n, k = 700, 3
    x, labels = scores(form, n, k), truth(n, k)
    whole = written(x, labels, form)
    rng = np.random.default_rng(5)
    for _ in range(100):
        rows = rng.permutation(len(ALL) + 1)[: len(ALL)]
        places = np.where(rng.random(len(ALL)) < 0.5, -1, rows).tolist()
        out = written(x, labels, form, tuple(places))
        for quantity, place in enumerate(places):
            if place >= 0:
                assert out[place].tobytes() == whole[quantity].tobytes()
        others = [row for row in range(len(out)) if row not in places]
        assert np.isnan(out[others]).all()


@pytest.mark.parametrize(
    ("form", "row"),
    [
        ("probabilities", [0.0, -0.0, 0.0]),
        ("probabilities", [-0.0, 0.0, 0.0]),
        ("probabilities", [1.0, 0.0, 0.0]),
        ("probabilities", [5e-324, 1.0, 5e-324]),
        ("logits", [-np.inf, 0.0, -0.0]),
        ("logits", [-np.inf, -np.inf, -1e308]),
        ("logits", [1e308, 1e308, -1.7e308]),
        ("logits", [5e-324, -5e-324, 0.0]),
        ("log_probabilities", [-np.inf, -np.inf, -np.inf]),
        ("log_probabilities", [0.0, -0.0, -745.2]),
    ],
)
def test_rows_at_the_ends(form: str, row: list[float]) -> None:
    check(np.array([row] * 3), np.arange(3), form)


def test_threads_may_write_to_one_matrix() -> None:
    n, k, step = 40_000, 10, 7_001
    x, labels = scores("logits", n, k), truth(n, k)
    whole, parts = np.empty((2, len(ALL), n))
    class_rows(x, labels, "logits", Into(whole, 0, ALL))

    def write(start: int) -> None:
        part = slice(start, start + step)
        class_rows(x[part], labels[part], "logits", Into(parts, start, ALL))

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, range(0, n, step)))
    assert whole.tobytes() == parts.tobytes()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("k", [2, 3, 10, 100, 2049])
def test_rows_that_are_judged_have_the_same_quantities(form: str, k: int) -> None:
    n = 600
    x, labels = scores(form, n, k), truth(n, k)
    if form != "logits":  # sums of rows with special numbers in them are not 1
        x = np.full((n, k), 1.0 / k if form == "probabilities" else -np.log(k))
        x[1::2] = (
            np.eye(k)[labels[1::2]] if form == "probabilities" else np.where(np.eye(k)[labels[1::2]], 0.0, -np.inf)
        )
    plain, judged = np.ones((2, len(ALL), n + 2))
    class_rows(x, labels, form, Into(plain, 1, ALL))
    verdict = judged_class_rows(x, labels, form, 1e-9, Into(judged, 1, ALL))
    assert verdict == class_verdict(x, labels, form, 1e-9)
    assert (verdict.row, plain.tobytes()) == (n, judged.tobytes())
    parts = [
        judged_class_rows(x[i : i + 99], labels[i : i + 99], form, 1e-9, Into(judged, i, ALL)) for i in range(0, n, 99)
    ]
    assert merged(parts, n) == verdict


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("row", [0, 4, 599])
def test_a_row_at_fault_ends_the_writing(form: str, row: int) -> None:
    n, k = 600, 10
    x, labels = np.full((n, k), 0.1 if form == "probabilities" else -np.log(10)), truth(n, k)
    for wrong, own in ((np.nan, labels), (x[0, 0], np.where(np.arange(n) < row, labels, k))):
        one = x.copy()
        one[row:, 3] = wrong
        out = np.full((len(ALL), n), -1.0)
        assert judged_class_rows(one, own, form, 1e-9, Into(out, 0, ALL)).row == row
        assert (out[:, row:] == -1.0).all()


@pytest.mark.parametrize("label", [-(2**63), -1, 3, 2**63 - 1])
@pytest.mark.parametrize("row", [0, 999])
def test_a_label_that_is_no_class_is_refused(label: int, row: int) -> None:
    labels = np.zeros(1000, np.int64)
    labels[row] = label
    for places in (ALL, (-1,) * len(ALL)):
        with pytest.raises(ValueError, match="labels must be numbers of classes"):
            class_rows(np.ones((1000, 3)), labels, "logits", Into(np.empty((6, 1000)), 0, places))


def test_there_may_be_no_rows() -> None:
    out = np.ones((6, 2))
    class_rows(np.empty((0, 3)), np.empty(0, np.int64), "logits", Into(out, 2, ALL))
    assert out.tolist() == [[1.0, 1.0]] * 6


x, labels, out = np.full((2, 3), 0.5), np.zeros(2, np.int64), np.zeros((6, 4))
read_only = np.zeros((6, 4))
read_only.flags.writeable = False


@pytest.mark.parametrize(
    ("arguments", "error", "rule"),
    [
        ((x, labels, 0, None, out, 0), TypeError, "takes scores, labels"),
        ((x.astype(np.float32), labels, 0, None, out, 0, ALL), TypeError, "argument 0 holds another type"),
        ((x, labels.astype(np.int32), 0, None, out, 0, ALL), TypeError, "argument 1 holds another type"),
        ((x[:, ::2], labels, 0, None, out, 0, ALL), ValueError, "not C-contiguous"),
        ((x, labels, 0, None, out.astype(np.float32), 0, ALL), TypeError, "holds another type"),
        ((x, labels, 0, None, read_only, 0, ALL), ValueError, "read-only"),
        ((x, labels, 0, None, out.ravel(), 0, ALL), ValueError, "quantities go into a matrix"),
        ((x.ravel(), labels, 0, None, out, 0, ALL), ValueError, "must fit each other"),
        ((x, labels[:1], 0, None, out, 0, ALL), ValueError, "must fit each other"),
        ((np.ones((2, 0)), labels, 0, None, out, 0, ALL), ValueError, "must fit each other"),
        ((x, labels, 3, None, out, 0, ALL), ValueError, "must fit each other"),
        ((x, labels, -1, None, out, 0, ALL), ValueError, "must fit each other"),
        ((x, labels, "logits", None, out, 0, ALL), ValueError, "must fit each other"),
        ((x, labels, 0, "1e-9", out, 0, ALL), ValueError, "must fit each other"),
        ((x, labels, 0, None, out, 3, ALL), ValueError, "a column for each row"),
        ((x, labels, 0, None, out, -1, ALL), ValueError, "a column for each row"),
        ((x, labels, 0, None, out, 1 << 70, ALL), ValueError, "a column for each row"),
        ((x, labels, 0, None, out, 0, ALL[:5]), ValueError, "places must be"),
        ((x, labels, 0, None, out, 0, [*ALL]), ValueError, "places must be"),
        ((x, labels, 0, None, out, 0, (0, 1, 2, 3, 4, 6)), ValueError, "places must be"),
        ((x, labels, 0, None, out, 0, (0, 1, 2, 3, 4, -2)), ValueError, "places must be"),
        ((x, labels, 0, None, out, 0, (0, 1, 2, 3, 4, 1 << 70)), ValueError, "places must be"),
        ((x, labels, 0, None, out, 0, (0, 1, 2, 3, 4, None)), ValueError, "places must be"),
    ],
)
def test_what_does_not_fit_is_refused(arguments: tuple[Any, ...], error: type[Exception], rule: str) -> None:
    held = [sys.getrefcount(array) for array in (x, labels, out)]
    with pytest.raises(error, match=rule):
        compiled.class_rows(*arguments)
    assert held == [sys.getrefcount(array) for array in (x, labels, out)]
