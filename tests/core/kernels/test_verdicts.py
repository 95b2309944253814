"""Verdicts of the compiled core on whole batches are those of the checks of a batch."""

import math
import sys
from typing import Any, Literal

import numpy as np
import pytest

from app.core.batch.checked import batch_of
from app.core.batch.predictions import is_lookalike
from app.core.batch.sentinels import Sentinels, sentinels_among
from app.core.columns import FloatArray, IntArray
from app.core.kernels import compiled
from app.core.kernels.quantities import FORMS
from app.core.kernels.verdicts import Verdict, are_sound, class_verdict, element_verdict
from app.core.options import Options
from app.core.tasks import TaskName
from app.errors import InvalidInput
from tests.core.kernels.predictions import scores

Form = Literal["probabilities", "logits", "log_probabilities"]
JUDGED: tuple[Form, ...] = ("probabilities", "logits")
WRONG = {
    "probabilities": [-5e-324, 1.0 + 2**-52, math.nan, math.inf, -math.inf, 0.9],
    "logits": [math.nan, math.inf],
    "log_probabilities": [5e-324, math.nan, math.inf, -math.inf, -0.01],
}


@pytest.mark.parametrize("k", [*range(1, 10), 100, 2049])
@pytest.mark.parametrize(("form", "wrong"), [(form, wrong) for form in FORMS for wrong in WRONG[form]])
def test_the_first_row_at_fault_is_found(k: int, form: Form, wrong: float) -> None:
    n = 600
    x = np.full((n, k), 1.0 / k if form == "probabilities" else -math.log(k))
    assert class_verdict(x, None, form, 1e-9).row == n
    for column in {0, k // 2, k - 1}:
        for row in (0, 4, n - 1):
            one = x.copy()
            one[row:, column] = wrong
            assert class_verdict(one, None, form, 1e-9).row == row


def test_a_tolerance_is_kept_to_the_last_bit() -> None:
    x = np.array([[0.5, 0.5 + 2**-40], [0.5, 0.5 - 2**-40]])
    for tolerance, row in ((2**-40, 2), (float(np.nextafter(2**-40, 0.0)), 0), (math.nan, 0)):
        assert class_verdict(x, None, "probabilities", tolerance).row == row
    assert are_sound(x, "probabilities", 2**-40)
    assert not are_sound(x[:, ::-1], "probabilities", 2**-40)  # not in the order of C: no answer is no


@pytest.mark.parametrize("k", [*range(1, 10), 100])
def test_a_row_of_logits_has_something_above_minus_infinity(k: int) -> None:
    x = np.full((5, k), -math.inf)
    x[:, k - 1] = -3.0
    assert class_verdict(x, None, "logits", 0.0).row == 5
    x[1:, k - 1] = -math.inf
    assert class_verdict(x, None, "logits", 0.0).row == 1
    assert not are_sound(x, "logits", 0.0)
    assert element_verdict(x, None, "logits", 0.0).row == 5


@pytest.mark.parametrize("label", [-(2**63), -1, 3, 2**63 - 1])
@pytest.mark.parametrize("row", [0, 1, 699, 999])
@pytest.mark.parametrize("form", JUDGED)
def test_a_label_is_a_class(label: int, row: int, form: Form) -> None:
    x, labels = np.full((1000, 3), 1.0 / 3), np.ones(1000, np.int64)
    assert class_verdict(x, labels, form, 1e-9).row == 1000
    labels[row:] = label
    assert class_verdict(x, labels, form, 1e-9).row == row
    x[700:] = math.nan
    assert class_verdict(x, labels, form, 1e-9).row == min(row, 700)


@pytest.mark.parametrize("width", [None, 1, 3, 7])
@pytest.mark.parametrize("form", JUDGED)
def test_elements_keep_their_rules(width: int | None, form: Form) -> None:
    n = 3000
    shape = (n,) if width is None else (n, width)
    x, labels = np.full(shape, 0.25), np.ones(shape, np.int64)
    for row in (0, 5, 1500, n - 1):
        for wrong in WRONG[form][:-1] if form == "probabilities" else WRONG[form]:
            one = x.copy()
            one[row:] = wrong
            assert element_verdict(one, None, form, 0.0).row == row
            assert element_verdict(one, labels, form, 0.0).row == row
        for label in (-1, 2, 2**63 - 1):
            one_label = labels.copy()
            one_label[row:] = label
            assert element_verdict(x, one_label, form, 0.0).row == row
    assert element_verdict(x, labels, form, 0.0).row == n


def accepted(task: TaskName, form: Form, x: FloatArray, labels: IntArray, options: Options) -> bool:
    """Tell if the checks of a batch find nothing to refuse and nothing to tell of.

    A row more, which is not scored, has NumPy check the others.
    """
    columns = {form: np.concatenate([x, x[:1]]), "labels": np.concatenate([labels, labels[:1]])}
    try:
        batch = batch_of(task, {**columns, "mask": np.arange(len(x) + 1) < len(x)}, options)
    except InvalidInput:
        return False
    return not batch.rounded and not batch.not_normalized.count


def numbers(form: Form, rng: np.random.Generator, n: int, k: int) -> FloatArray:
    kind = rng.integers(4)
    if kind == 0:
        return scores(form, n, k, int(rng.integers(1 << 30)))
    if kind == 1:
        return rng.integers(-50, 50, (n, k)).astype(np.float64)
    x = rng.dirichlet(np.ones(k), n)
    if form == "log_probabilities":
        x = np.log(x)
    found: FloatArray = x + np.where(
        rng.random((n, k)) < 0.5 / n / k, rng.choice([-1e-3, 1e-7, 2.0**52 + 0.5, -98.5, -3e15], (n, k)), 0.0
    )
    return found


@pytest.mark.parametrize("form", FORMS)
def test_verdicts_are_those_of_the_checks(form: Form) -> None:
    rng, n_sound = np.random.default_rng(3), 0
    for _ in range(600):
        n, k = int(rng.integers(1, 60)), int(rng.integers(2, 12))
        x, labels = numbers(form, rng, n, k), rng.integers(0, k + (rng.random() < 0.1), n)
        options = Options(tolerance=float(rng.choice([0.0, 1e-9, 1e-6, 1e-2])))
        verdict = class_verdict(x, labels, form, options.tolerance)
        assert (verdict.row == n) == accepted("multiclass", form, x, labels, options)
        if verdict.row == n:
            n_sound += 1
            check_told(verdict, form, x, labels, options)
    assert n_sound > 100


@pytest.mark.parametrize("form", JUDGED)
def test_verdicts_on_elements_are_those_of_the_checks(form: Form) -> None:
    rng, n_sound = np.random.default_rng(4), 0
    for _ in range(600):
        n, k = int(rng.integers(1, 60)), int(rng.integers(1, 6))
        task: TaskName = "multilabel" if rng.random() < 0.5 else "binary"
        x = numbers(form, rng, n, k) if task == "multilabel" else numbers(form, rng, n, k)[:, 0].copy()
        labels = rng.integers(0, 2 + (rng.random() < 0.1), x.shape)
        options = Options(tolerance=float(rng.choice([0.0, 1e-9, 1e-6, 1e-2])))
        verdict = element_verdict(x, labels, form, options.tolerance)
        assert (verdict.row == n) == accepted(task, form, x, labels, options)
        if verdict.row == n:
            n_sound += 1
            check_told(verdict, form, x, None, options)
    assert n_sound > 100


def check_told(verdict: Verdict, form: Form, x: FloatArray, labels: IntArray | None, options: Options) -> None:
    if form == "probabilities":
        assert verdict[1:] == (math.inf, -math.inf, False, False)
        return
    task: TaskName = "binary" if labels is None else "multiclass"
    rows = np.tile(x, (20,) + (1,) * (x.ndim - 1))  # so few elements as there are would not be looked at
    assert verdict.is_lookalike == (form == "logits" and is_lookalike(task, rows, None, options))
    of_losses = x.ravel() if labels is None else x[np.arange(len(x)), labels]
    assert (verdict.least, verdict.largest) == (of_losses.min(), of_losses.max())
    if verdict.least > -99.0:
        told = Sentinels({}, {}, max(verdict.largest, -verdict.least), True, verdict.has_fractions)
        assert told == sentinels_among(x, labels, None)


@pytest.mark.parametrize("value", [0.0, -0.0, 0.5, -0.5, 2.0**51 + 0.5, -(2.0**51) - 0.5, 2.0**52 + 1.0, 1e300, 5e-324])
def test_a_number_is_whole_or_has_a_fraction(value: float) -> None:
    for n in range(1, 10):
        for place in range(n):
            x = np.ones(n)
            x[place] = value
            assert element_verdict(x, None, "logits", 0.0).has_fractions == (not value.is_integer())


def test_nothing_is_told_of_no_numbers() -> None:
    none, labels = np.empty((0, 3)), np.empty(0, np.int64)
    nothing = (0, math.inf, -math.inf, False, False)
    assert class_verdict(none, labels, "logits", 0.0) == class_verdict(none, None, "logits", 0.0) == nothing
    assert (
        element_verdict(none, labels, "logits", 0.0)
        == element_verdict(none[:, 0].copy(), None, "logits", 0.0)
        == nothing
    )
    assert class_verdict(np.ones((1, 1)), None, "logits", 0.0) == (1, math.inf, -math.inf, False, True)


x, labels = np.full((2, 3), 0.5), np.zeros(2, np.int64)


@pytest.mark.parametrize("name", ["class_verdict", "element_verdict"])
@pytest.mark.parametrize(
    ("arguments", "error", "rule"),
    [
        ((x, None, 0), TypeError, "takes scores, labels"),
        ((x, [0, 0], 0, 0.0), TypeError, "bytes-like"),
        ((x.astype(np.float32), None, 0, 0.0), TypeError, "argument 0 holds another type"),
        ((x, labels.astype(np.uint8), 0, 0.0), TypeError, "argument 1 holds another type"),
        ((x.T, None, 0, 0.0), ValueError, "not C-contiguous"),
        ((x, labels[:1], 0, 0.0), ValueError, "must fit each other"),
        ((x, None, 3, 0.0), ValueError, "must fit each other"),
        ((x, None, 0, "0"), ValueError, "must fit each other"),
        ((x[None], None, 0, 0.0), ValueError, "must fit each other"),
        ((np.ones(()), None, 0, 0.0), ValueError, "must fit each other"),
        ((np.ones((2, 0)), None, 0, 0.0), ValueError, "must fit each other"),
    ],
)
def test_what_does_not_fit_is_refused(name: str, arguments: tuple[Any, ...], error: type[Exception], rule: str) -> None:
    held = sys.getrefcount(x), sys.getrefcount(labels)
    with pytest.raises(error, match=rule):
        getattr(compiled, name)(*arguments)
    assert held == (sys.getrefcount(x), sys.getrefcount(labels))
