"""Comparing of documents whose candidates have tokens of their own: masks and numbers of tokens, in JSON and rows."""

from typing import Any

import httpx
import numpy as np
import pytest

from tests.api.routes.test_compare import cut_differently, problem_of
from tests.api.routes.test_compare_rows import columns_of, compared, in_json, options_of
from tests.bodies import Body
from tests.encoded import ENCODERS

pytestmark = pytest.mark.anyio

N = 30
RAGGED = [format_ for format_ in ENCODERS if format_ not in ("csv", "npz")]


def completions(n: int = N) -> tuple[Body, Body]:
    """Documents with the prompt before the completion, masked for each model, and the same without the prompt."""
    plain = cut_differently(n) | {"per": "byte", "unit": "bits"}
    rng = np.random.default_rng(1)
    candidates: Body = {}
    for name, sent in plain["candidates"].items():
        prompts = [int(m) for m in rng.integers(0, 4, n)]
        documents = list(zip(prompts, sent["log_probabilities"], strict=True))
        candidates[name] = {
            "log_probabilities": [[-7.5] * m + document for m, document in documents],
            "mask": [[False] * m + [True] * len(document) for m, document in documents],
        }
    return plain | {"candidates": candidates}, plain


async def test_a_mask_of_each_candidate_scores_its_own_tokens(client: httpx.AsyncClient) -> None:
    masked, plain = completions()
    assert await in_json(client, "tokens", masked) == await in_json(client, "tokens", plain)


async def test_one_candidate_alone_may_have_a_mask(client: httpx.AsyncClient) -> None:
    masked, plain = completions()
    for one, other in (("old", "new"), ("new", "old")):
        mixed = {one: masked["candidates"][one], other: plain["candidates"][other]}
        body = masked | {"candidates": {name: mixed[name] for name in ("old", "new")}}
        assert await in_json(client, "tokens", body) == await in_json(client, "tokens", plain)


@pytest.mark.parametrize("format_", RAGGED)
async def test_masks_of_candidates_are_read_in_rows(format_: str, client: httpx.AsyncClient) -> None:
    masked, _ = completions()
    expected = await in_json(client, "tokens", masked)
    answer = await compared(client, "tokens", format_, columns_of(masked), options_of(masked))
    assert answer.json() == expected
    columns = columns_of(masked)
    renamed = {name.replace("candidates.", "x_").replace(".", "_"): values for name, values in columns.items()}
    params = {
        f"candidates.{name}.{field}": f"x_{name}_{field}"
        for name in ("old", "new")
        for field in ("log_probabilities", "mask")
    }
    answer = await compared(client, "tokens", format_, renamed, options_of(masked) | params)
    assert answer.json() == expected


@pytest.mark.parametrize("format_", RAGGED)
async def test_null_may_stand_where_the_mask_of_its_candidate_leaves_out(
    format_: str, client: httpx.AsyncClient
) -> None:
    masked, plain = completions()
    for sent in masked["candidates"].values():
        sent["log_probabilities"] = [
            [value if is_kept else None for value, is_kept in zip(*row, strict=True)]
            for row in zip(sent["log_probabilities"], sent["mask"], strict=True)
        ]
    expected = await in_json(client, "tokens", plain)
    assert await in_json(client, "tokens", masked) == expected
    answer = await compared(client, "tokens", format_, columns_of(masked), options_of(masked))
    assert answer.json() == expected


def sums(n: int = N) -> tuple[Body, Body]:
    """Documents as sums over the tokens of each model, and token by token."""
    plain = cut_differently(n) | {"per": "document"}
    candidates = {
        name: {
            "log_probabilities": [[sum(document)] for document in sent["log_probabilities"]],
            "n_tokens": [len(document) for document in sent["log_probabilities"]],
        }
        for name, sent in plain["candidates"].items()
    }
    return plain | {"candidates": candidates}, plain


@pytest.mark.parametrize("format_", ["json", *ENCODERS])
async def test_sums_have_numbers_of_tokens_of_their_own(format_: str, client: httpx.AsyncClient) -> None:
    summed, plain = sums()
    expected = await in_json(client, "tokens", plain)
    if format_ == "json":
        found = await in_json(client, "tokens", summed)
    else:
        columns = columns_of(summed)
        for name in ("old", "new"):
            field = f"candidates.{name}.log_probabilities"
            columns[field] = [value for (value,) in columns[field]]
        found = (await compared(client, "tokens", format_, columns, options_of(summed))).json()
    for name in ("old", "new"):
        mean = found["candidates"][name]["metrics"]["cross_entropy"]
        assert mean["value"] == pytest.approx(expected["candidates"][name]["metrics"]["cross_entropy"]["value"])
    (pair,), (told,) = found["comparisons"], expected["comparisons"]
    assert pair["difference"]["value"] == pytest.approx(told["difference"]["value"])


async def test_by_token_as_many_tokens_must_be_scored(client: httpx.AsyncClient) -> None:
    body = sums()[0] | {"per": "token"}
    error = (await problem_of(client, "tokens", body))["errors"][0]
    assert error["pointer"].startswith("/candidates/new/log_probabilities/")
    assert "by `per`: byte, word or document" in error["detail"]
    for name, start in (("old", 1), ("new", 2)):
        body["candidates"][name] = {
            "log_probabilities": [[-0.5, -1.0, -1.5 - 0.01 * i][:: 3 - 2 * start] for i in range(N)],
            "mask": [[place != start for place in range(3)]] * N,
        }
    found = await in_json(client, "tokens", body)
    assert found["candidates"]["old"]["metrics"]["cross_entropy"]["value"] is not None
    assert found["comparisons"][0]["difference"]["status"] == "ok"


@pytest.mark.parametrize(
    ("change", "pointer", "words"),
    [
        ({"n_tokens": [3] * N}, "/candidates/old/n_tokens", "in a candidate or beside `candidates`"),
        ({"candidates": {"n_tokens": [3] * (N - 1)}}, "/candidates/new/n_tokens", "as many samples as"),
        ({"candidates": {"n_tokens": [0] * N}}, "/candidates/new/n_tokens/0", "must be a positive integer"),
        ({"candidates": {"n_tokens": [0.5] * N}}, "/candidates/new/n_tokens/0", "must be an integer"),
        ({"candidates": {"mask": [[True, False]] * N}}, "/candidates/new/mask/0", "a value for each token"),
        ({"candidates": {"mask": [[1]] * N}}, "/candidates/new/mask/0/0", "must be a boolean"),
        (
            {"candidates": {"mask": [[False]] * N}},
            "/candidates/new/log_probabilities/0",
            "in the same documents as old",
        ),
        ({"candidates": {"n_bytes": [1] * N}}, "/candidates/new/n_bytes", "one of log_probabilities, mask, n_tokens"),
    ],
)
async def test_what_is_wrong_with_tokens_of_a_candidate_is_named(
    change: dict[str, Any], pointer: str, words: str, client: httpx.AsyncClient
) -> None:
    body, own = sums()[0], change.pop("candidates", {})
    body = body | change
    body["candidates"] = body["candidates"] | {"new": body["candidates"]["new"] | own}
    error = (await problem_of(client, "tokens", body))["errors"][0]
    assert error["pointer"] == pointer
    assert words in error["detail"]


async def test_a_slice_may_be_called_mask(client: httpx.AsyncClient) -> None:
    candidates = {name: {"probabilities": [0.5, None, 0.25]} for name in "ab"}
    body = {"labels": [1, 0, 1], "candidates": candidates, "baseline": "a", "slices": {"mask": [True, False, True]}}
    error = (await problem_of(client, "binary", body))["errors"][0]
    assert error["pointer"] == "/candidates/a/probabilities/1"
