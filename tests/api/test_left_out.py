"""Long runs of rows that the mask leaves out: they decide nothing about the rows that are scored."""

from typing import Any

import httpx
import pytest

from tests.api.written import WRITERS, Columns, sent

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

N = 80_000
"""A number of rows that no part of a body has, in text or in memory."""

WAYS = ("ndjson", "csv", "arrow")
P = [[0.25, 0.75], [0.5, 0.5]]
BLANK: dict[str, Any] = {"labels": None, "probabilities": None}
STRANGE: dict[str, Any] = {"labels": 7, "probabilities": 0.5}
GROUPS: dict[str, Any] = {"cluster_id": None, "slices.s": None}

# A name: the task, a row that is left out, two that are scored, options, and the ways to write them.
RUNS: dict[str, tuple[str, dict[str, Any], Columns, dict[str, Any], tuple[str, ...]]] = {
    "rows of classes": ("multiclass", BLANK, {"labels": [1, 0], "probabilities": P}, {}, WAYS),
    "numbers in place of rows": (
        "multiclass",
        STRANGE,
        {"labels": [1, 0], "probabilities": P},
        {},
        ("ndjson",),
    ),
    "rows of labels": ("multilabel", BLANK, {"labels": [[1, 0], [0, 1]], "probabilities": P}, {}, WAYS),
    "booleans": ("binary", BLANK, {"labels": [True, False], "probabilities": [0.5, 0.25]}, {}, WAYS),
    "names": (
        "binary",
        BLANK,
        {"labels": ["b", "a"], "probabilities": [0.5, 0.25]},
        {"classes": ["a", "b"]},
        WAYS,
    ),
    "groups": (
        "binary",
        BLANK | GROUPS,
        {"labels": [1, 0], "probabilities": [0.5, 0.25], "cluster_id": ["x", "y"], "slices.s": ["u", "v"]},
        {},
        WAYS,
    ),
    "weights that are not set": (
        "binary",
        BLANK | {"sample_weight": None},
        {"labels": [1, 0], "probabilities": [0.5, 0.25], "sample_weight": [None, None]},
        {},
        ("ndjson", "csv"),
    ),
}


def with_run(out: dict[str, Any], scored: Columns, start: int) -> Columns:
    """The scored rows with a run of rows that are left out before the first or before the second."""
    columns = {name: [*values[:start], *[out[name]] * N, *values[start:]] for name, values in scored.items()}
    return columns | {"mask": [True] * start + [False] * N + [True] * (2 - start)}


@pytest.mark.parametrize("start", [0, 1])
@pytest.mark.parametrize("name", RUNS)
async def test_a_long_run_decides_nothing(name: str, start: int, client: httpx.AsyncClient) -> None:
    task, out, scored, options, expected_ways = RUNS[name]
    alone = WRITERS["json"]([(column, v) for column, v in scored.items() if v != [None, None]])
    expected = (await sent(client, task, "json", alone, options)).json()
    pairs = list(with_run(out, scored, start).items())
    for way in expected_ways:
        found = (await sent(client, task, way, WRITERS[way](pairs), options)).json()
        assert found.get("metrics") == expected["metrics"], (way, found)
        assert (found["n_samples"], found["n_scored"]) == (N + 2, 2)
        assert found.get("slices") == expected.get("slices")


@pytest.mark.parametrize("start", [0, 2])
async def test_slices_of_rows_that_are_left_out_are_told(start: int, client: httpx.AsyncClient) -> None:
    out = {"labels": 1, "probabilities": 0.5, "slices.s": "w"}
    scored: Columns = {"labels": [1, 0], "probabilities": [0.5, 0.25], "slices.s": ["u", "v"]}
    pairs = list(with_run(out, scored, start).items())
    answers = [(await sent(client, "binary", way, WRITERS[way](pairs), {})).json() for way in ("json", *WAYS)]
    assert {value: part["n_scored"] for value, part in answers[0]["slices"]["s"].items()} == {"u": 1, "v": 1, "w": 0}
    for found in answers[1:]:
        assert found["slices"] == answers[0]["slices"]


@pytest.mark.parametrize("way", WAYS)
async def test_a_body_of_which_nothing_is_scored(way: str, client: httpx.AsyncClient) -> None:
    body = WRITERS[way]([("labels", [1] * N), ("probabilities", [0.5] * N), ("mask", [False] * N)])
    found = (await sent(client, "binary", way, body, {})).json()
    assert (found["n_samples"], found["n_scored"]) == (N, 0)
    assert "all_ignored" in [warning["code"] for warning in found["warnings"]]


@pytest.mark.parametrize("marks", [[False, False, True], [False, False, False]])
async def test_columns_of_several_lengths_are_refused(marks: list[bool], client: httpx.AsyncClient) -> None:
    body = WRITERS["npz"]([("labels", [1, 0]), ("probabilities", [0.5]), ("mask", marks)])
    (error,) = (await sent(client, "binary", "npz", body, {})).json()["errors"]
    assert error["code"] == "wrong_length"


@pytest.mark.parametrize("way", ["ndjson", "csv"])
async def test_a_mask_that_ends_is_refused(way: str, client: httpx.AsyncClient) -> None:
    marks = [False] * N + [None] * N
    body = WRITERS[way]([("labels", [1] * 2 * N), ("probabilities", [0.5] * 2 * N), ("mask", marks)])
    (error, *_) = (await sent(client, "binary", way, body, {})).json()["errors"]
    assert error["pointer"].startswith("/mask")
