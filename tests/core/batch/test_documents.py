"""Documents of which a mask keeps some tokens, and documents that come as one sum."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidInput
from app.service import score
from tests.bodies import Body, bodies
from tests.core.parts import state
from tests.requests import request_of

SENT: Body = {"log_probabilities": [[-1.0, -2.0, -0.5], [-3.0], [-0.25, -0.75]]}
MASK = [[False, True, True], [True], [False, True]]


def asked(body: Body) -> dict[str, Any]:
    return score(request_of("tokens", body))


def refusal(body: Body) -> tuple[str, str]:
    with pytest.raises(InvalidInput) as refused:
        asked(body)
    error, *_ = refused.value.errors
    return error.pointer, error.detail


@given(data=st.data())
def test_tokens_that_a_mask_leaves_out_are_as_if_absent(data: st.DataObject) -> None:
    body = data.draw(bodies("tokens").filter(lambda body: "n_tokens" not in body))
    documents = body["log_probabilities"]
    mask = [data.draw(st.lists(st.booleans(), min_size=len(d), max_size=len(d))) for d in documents]
    spoiler = data.draw(st.sampled_from([math.nan, 7.0, math.inf, -9999.0]))
    pairs = [list(zip(*pair, strict=True)) for pair in zip(documents, mask, strict=True)]
    spoilt = [[x if is_kept else spoiler for x, is_kept in pair] for pair in pairs]
    kept = [[x for x, is_kept in pair if is_kept] for pair in pairs]
    without = {name: values for name, values in body.items() if name != "mask"}
    masked = state("tokens", {**body, "mask": mask, "log_probabilities": spoilt})
    assert masked == state("tokens", {**without, "log_probabilities": kept})


def test_a_completion_alone() -> None:
    answer = asked(SENT | {"mask": MASK, "include": ["per_sample"], "n_bytes": [2, 3, 5]})
    assert answer["metrics"]["cross_entropy"]["value"] == 6.25 / 4
    assert answer["metrics"]["bits_per_byte"]["value"] == pytest.approx(6.25 / np.log(2) / 10, rel=1e-15)
    assert answer["per_sample"]["cross_entropy"].tolist() == [1.25, 3.0, 0.75]


def test_a_document_of_which_nothing_is_scored_may_be_anything() -> None:
    mask: list[list[bool]] = [[False], [True], []]
    answer = asked(SENT | {"mask": mask, "sample_weight": [-1.0, 2.0, np.nan], "n_words": [0, 1, -5]})
    assert (answer["n_samples"], answer["n_scored"], answer["weight_sum"]) == (3, 1, 2.0)
    assert answer["metrics"]["cross_entropy"]["value"] == 3.0


def test_the_gradient_has_the_shape_of_what_was_sent() -> None:
    parts = asked(SENT | {"mask": MASK, "include": ["gradient"]})["gradient"]["log_probabilities"]
    assert [part.tolist() for part in parts] == [[0.0, -0.25, -0.25], [-0.25], [0.0, -0.25]]


def test_rounding_above_zero_is_noted_of_scored_tokens_alone() -> None:
    mask = [[False, True], [True, True], [True]]
    body: Body = {"log_probabilities": [[1e-9, -1.0], [-1.0, 1e-9], [1e-9]], "mask": mask}
    (warning,) = [entry for entry in asked(body)["warnings"] if entry["code"] == "rounded_to_bounds"]
    assert warning["rows"] == [1, 2]
    assert asked(body)["metrics"]["cross_entropy"]["value"] == 0.5


@pytest.mark.parametrize(
    ("body", "pointer", "words"),
    [
        ({"mask": [[True], [True], [True, True]]}, "/mask/0", "a value for each token of its document, 3, found 1"),
        ({"mask": [[True] * 3, [True]]}, "/mask", "as many samples as log_probabilities, 3, found 2"),
        ({"mask": [True, True, False]}, "/mask", "must hold one list a document, found single values"),
        (
            {"log_probabilities": [[5.0, -2.0, 0.5], [-3.0], [9.0, -1.0]], "mask": MASK},
            "/log_probabilities/0/2",
            "must be at most 0, found 0.5",
        ),
        (
            {"log_probabilities": [[5.0, -2.0, np.nan], [-3.0], [9.0, -1.0]], "mask": MASK},
            "/log_probabilities/0/2",
            "leave a token without one out, or mask it",
        ),
        ({"n_tokens": [3, 1, 2]}, "/log_probabilities/0", "must hold one value with n_tokens"),
        ({"log_probabilities": [[-1.0], [], [-2.0]], "n_tokens": [3, 1, 2]}, "/log_probabilities/1", "found 0"),
        ({"log_probabilities": [-1.0, -2.0, -3.0]}, "/log_probabilities", "single values; sums over documents go with"),
        ({"log_probabilities": [[-1.0]] * 3, "n_tokens": [3, 0, 2]}, "/n_tokens/1", "must be a positive integer"),
        ({"log_probabilities": [[-1.0]] * 3, "n_tokens": [3, 2]}, "/n_tokens", "found 2"),
        ({"log_probabilities": [[-1.0]] * 3, "n_tokens": [3, 1, 2], "epsilon": 0.1}, "/epsilon", "found 0.1"),
    ],
)
def test_what_does_not_fit_is_refused(body: Body, pointer: str, words: str) -> None:
    place, detail = refusal(SENT | body)
    assert place == pointer
    assert words in detail


def test_sums_count_as_the_tokens_that_they_are_of() -> None:
    rng = np.random.default_rng(4)
    documents = [(-rng.exponential(2.0, int(n))).tolist() for n in rng.integers(1, 30, 40)]
    rest: Body = {"sample_weight": rng.uniform(0.5, 2.0, 40).tolist(), "n_bytes": rng.integers(20, 90, 40).tolist()}
    whole = asked({"log_probabilities": documents, **rest})["metrics"]
    sums = {"log_probabilities": [[sum(document)] for document in documents], "n_tokens": list(map(len, documents))}
    for body in (sums, sums | {"log_probabilities": list(map(sum, documents))}):
        found = asked({**body, **rest})["metrics"]
        assert found.keys() == whole.keys()
        for name, entry in whole.items():
            for part in ("value", "standard_error"):
                if part in entry:
                    assert found[name][part] == pytest.approx(entry[part], rel=1e-12), name


def test_a_mask_leaves_out_sums() -> None:
    body: Body = {"log_probabilities": [-4.0, np.nan, -3.0], "n_tokens": [4, 0, 3], "mask": [True, False, True]}
    answer = asked(body | {"include": ["gradient"]})
    assert (answer["n_scored"], answer["metrics"]["perplexity"]["value"]) == (2, pytest.approx(np.e))
    assert [part.tolist() for part in answer["gradient"]["log_probabilities"]] == [[-1 / 7], [0.0], [-1 / 7]]
