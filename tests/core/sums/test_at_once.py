"""Large batches that are checked as they are summed up: the same answers and errors as of checks that come first."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from app.api.negotiation.accept import dumps
from app.core.batch.checked import batch_of
from app.core.batch.unjudged import LEAST_ROWS, unjudged
from app.core.columns import Column, FloatArray, IntArray
from app.core.options import Options
from app.core.sums.at_once import summary_at_once
from app.errors import InvalidInput
from app.service import score
from app.service.scoring import answer_of, part_at_once, part_of
from app.service.streaming import score_parts
from tests.requests import scoring

FORMS = ("probabilities", "logits", "log_probabilities")
N_ROWS = LEAST_ROWS + 77
Change = Callable[[FloatArray, IntArray], None]


def columns(form: str, k: int, n: int = N_ROWS) -> dict[str, Any]:
    rng = np.random.default_rng([k, n])
    logits = rng.normal(0.0, 3.0, (n, k))
    logarithms = np.minimum(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True), 0.0)
    predictions = {"logits": logits, "log_probabilities": logarithms, "probabilities": np.exp(logarithms)}
    return {"labels": rng.integers(0, k, n), form: predictions[form]}


def checked_first(own: dict[str, Column], options: Options, slices: dict[str, Column] | None = None) -> bytes:
    request = scoring("multiclass", own, options, slices=slices)
    batch = batch_of("multiclass", own, options, slices)
    return dumps(answer_of(request.question, part_of(batch, request.question.plan, frozenset())))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("k", [2, 3, 10, 300])
def test_answers_are_the_same_bytes(form: str, k: int) -> None:
    own = columns(form, k)
    if form == "probabilities":
        own[form][17], own["labels"][17] = np.eye(k)[0], 1  # an infinite loss, which is a finding
    for options in (Options(), Options(unit="bits", n_bins=7, top_k=(1, 2))):
        request = scoring("multiclass", own, options)
        assert part_at_once(request, 0, 1) is not None
        assert dumps(score(request)) == checked_first(own, options)


def test_logits_that_look_like_probabilities_are_noticed() -> None:
    own = {"labels": (found := columns("probabilities", 3))["labels"], "logits": found["probabilities"]}
    assert part_at_once(scoring("multiclass", own), 0, 1) is not None
    answer = score(scoring("multiclass", own))
    assert "looks_like_probabilities" in {warning["code"] for warning in answer["warnings"]}
    assert dumps(answer) == checked_first(own, Options())


@pytest.mark.parametrize("form", FORMS)
def test_slices_are_the_same_bytes(form: str) -> None:
    own, n = columns(form, 3), np.arange(N_ROWS)
    slices: dict[str, Column] = {
        "text": np.array(["x", "y", "z"], object)[n % 3],
        "number": n // 1000,
        "flag": n % 2 == 0,
    }
    request = scoring("multiclass", own, slices=slices)
    assert part_at_once(request, 0, 1) is not None
    assert dumps(score(request)) == checked_first(own, Options(), slices)


def test_errors_of_rows_come_before_those_of_slices() -> None:
    own = columns("probabilities", 3)
    request = scoring("multiclass", own, slices={"many": np.arange(N_ROWS)})
    assert part_at_once(request, 0, 1) is None
    with pytest.raises(InvalidInput, match="different values"):
        score(request)
    own["labels"][7] = 9
    with pytest.raises(InvalidInput) as error:
        score(request)
    assert [found.pointer for found in error.value.errors] == ["/labels/7"]


def no_number(prediction: FloatArray, _: IntArray) -> None:
    prediction[N_ROWS - 1, 1] = prediction[70, 0] = np.nan


def too_large(prediction: FloatArray, _: IntArray) -> None:
    prediction[N_ROWS // 2] = np.inf


def no_class(_: FloatArray, labels: IntArray) -> None:
    labels[[5, 4000]] = 3, -1


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("change", [no_number, too_large, no_class])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_rows_at_fault_are_explained_by_the_checks(form: str, change: Change, n_threads: int) -> None:
    own = columns(form, 3, 300_000 if n_threads > 1 else N_ROWS)
    change(own[form], own["labels"])
    request = scoring("multiclass", own)
    assert part_at_once(request, 0, n_threads) is None
    with pytest.raises(InvalidInput) as at_once:
        score(request, n_threads)
    with pytest.raises(InvalidInput) as first:
        batch_of("multiclass", own, Options())
    assert (at_once.value.errors, at_once.value.n_errors) == (first.value.errors, first.value.n_errors)


@pytest.mark.parametrize("form", ["probabilities", "logits"])
def test_what_checks_only_note_is_noted(form: str) -> None:
    own = columns(form, 3)
    own[form][9] = [1.0 + 1e-9, 0.0, 0.0] if form == "probabilities" else [-999.0, 1.0, 2.0]
    own["labels"][9] = 0
    assert part_at_once(scoring("multiclass", own), 0, 1) is None
    answer = score(scoring("multiclass", own))
    assert {"rounded_to_bounds", "sentinel_value"} & {warning["code"] for warning in answer["warnings"]}
    assert dumps(answer) == checked_first(own, Options())


def test_parts_of_a_body_count_their_rows_from_its_start() -> None:
    own = columns("probabilities", 3, 3 * N_ROWS)
    own["probabilities"][2 * N_ROWS + 5], own["labels"][2 * N_ROWS + 5] = [1.0, 0.0, 0.0], 2
    parts = [{name: column[i : i + N_ROWS] for name, column in own.items()} for i in range(0, 3 * N_ROWS, N_ROWS)]
    answer = score_parts((scoring("multiclass", part) for part in parts), 0)
    assert {"code": "zero_probability", "rows": [2 * N_ROWS + 5]}.items() <= {
        key: value for key, value in answer["warnings"][0].items() if key in ("code", "rows")
    }.items()
    assert dumps(answer) == checked_first(own, Options())


def as_single(own: dict[str, Any]) -> dict[str, Any]:
    return own | {"probabilities": own["probabilities"].astype(np.float32)}


def in_other_order(own: dict[str, Any]) -> dict[str, Any]:
    return own | {"probabilities": np.asfortranarray(own["probabilities"])}


def as_documents(own: dict[str, Any]) -> dict[str, Any]:
    return own | {"labels": own["labels"].astype(object)}


def of_one_column(own: dict[str, Any]) -> dict[str, Any]:
    return own | {"probabilities": np.ones((len(own["labels"]), 1))}


def with_weights(own: dict[str, Any]) -> dict[str, Any]:
    return own | {"sample_weight": np.ones(len(own["labels"]))}


def in_one_dimension(own: dict[str, Any]) -> dict[str, Any]:
    return own | {"probabilities": own["probabilities"][:, 0].copy()}


def few(own: dict[str, Any]) -> dict[str, Any]:
    return {name: column[: LEAST_ROWS - 1] for name, column in own.items()}


@pytest.mark.parametrize(
    "other", [as_single, in_other_order, as_documents, of_one_column, with_weights, in_one_dimension, few]
)
def test_other_columns_are_checked_first(other: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    own = other(columns("probabilities", 3))
    assert part_at_once(scoring("multiclass", own), 0, 1) is None
    assert unjudged(own, Options()) is None


@pytest.mark.parametrize("options", [Options(epsilon=1e-3), Options(label_smoothing=0.1), Options(ignore_index=0)])
def test_options_beyond_the_kernel_are_checked_first(options: Options) -> None:
    request = scoring("multiclass", columns("probabilities", 3), options)
    batch = unjudged(request.columns, options)
    assert batch is None or summary_at_once(batch, request.question.plan.needs) is None
    assert part_at_once(request, 0, 1) is None
