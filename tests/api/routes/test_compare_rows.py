"""`POST /v1/compare/{task}/rows`: every format, split and name gives the bits of the request in JSON."""

from typing import Any

import httpx
import numpy as np
import orjson
import pytest

from app.api.problems import MEDIA_TYPE
from app.core.tasks import COLUMN_NAMES, TaskName, candidate_column
from app.service import row_parts
from app.settings import Settings
from tests.api.clients import client_of
from tests.api.routes.test_compare import BODIES
from tests.bodies import Body
from tests.comparisons import n_rows, random_comparison
from tests.encoded import ENCODERS, MEDIA_TYPES, compressed, encoded

pytestmark = pytest.mark.anyio

RECTANGULAR = ("csv", "npz")


def columns_of(body: Body) -> dict[str, Any]:
    """The columns of a body, those of candidates and slices under names as tables have them."""
    columns = {name: values for name, values in body.items() if name in COLUMN_NAMES and values is not None}
    for name, sent in body["candidates"].items():
        columns |= {candidate_column(name, field): values for field, values in sent.items()}
    return columns | {f"slices.{name}": values for name, values in body.get("slices", {}).items()}


def options_of(body: Body) -> dict[str, Any]:
    """The options of a body as a query has them."""
    options = {name: v for name, v in body.items() if name not in (*COLUMN_NAMES, "candidates", "slices")}
    return {
        name: value if isinstance(value, str) else ",".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in options.items()
    }


async def compared(  # noqa: PLR0913 what a request is made of
    client: httpx.AsyncClient,
    task: str,
    format_: str,
    columns: dict[str, Any],
    params: dict[str, Any],
    *,
    encoding: str = "",
    rows_at_once: int = 7,
) -> httpx.Response:
    body = compressed(encoding, encoded(format_, columns, rows_at_once=rows_at_once))
    headers = {"content-type": MEDIA_TYPES[format_]} | ({"content-encoding": encoding} if encoding else {})
    return await client.post(f"/v1/compare/{task}/rows", content=body, params=params, headers=headers)


async def in_json(client: httpx.AsyncClient, task: str, body: Body) -> dict[str, Any]:
    response = await client.post(f"/v1/compare/{task}", content=orjson.dumps(body))
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def is_ragged(values: Any) -> bool:
    return isinstance(values[0], list) and len(set(map(len, values))) > 1


def writable(body: Body) -> bool:
    """Tell if JSON can hold the body: it has no infinities."""
    return b"null" not in orjson.dumps(columns_of(body))


@pytest.mark.parametrize("format_", ENCODERS)
@pytest.mark.parametrize("task", BODIES)
async def test_an_answer_has_the_bits_of_json(task: TaskName, format_: str, client: httpx.AsyncClient) -> None:
    n_compared = 0
    for seed in range(8):
        body = random_comparison(task, np.random.default_rng(seed))
        columns = columns_of(body) | {"slices.part": [f"v{i % 3}" for i in range(n_rows(body))]}
        if not writable(body) or (format_ in RECTANGULAR and any(map(is_ragged, columns.values()))):
            continue
        body = body | {"slices": {"part": columns["slices.part"]}}
        expected = await in_json(client, task, body)
        for encoding, rows_at_once in (("", 1), ("gzip", 3), ("zstd", 100)):
            answer = await compared(
                client, task, format_, columns, options_of(body), encoding=encoding, rows_at_once=rows_at_once
            )
            assert answer.json() == expected, seed
            n_compared += 1
    assert n_compared or format_ in RECTANGULAR


@pytest.mark.parametrize("format_", ["arrow", "csv", "ndjson"])
async def test_small_parts_have_the_bits_of_json(
    format_: str, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_parts, "MIN_PART_BYTES", 1)
    monkeypatch.setattr(row_parts, "MIN_SLICED_BYTES", 1)
    rng = np.random.default_rng(3)
    n = 60_000 if format_ != "arrow" else 300
    labels = rng.integers(0, 2, n)
    rows = {name: (0.3 + 0.4 * rng.random((n, 1))) * [[1, -1]] + [[0, 1]] for name in ("old", "new", "off")}
    rows["off"][-5:] *= 1.01
    rows["new"][-7], labels[-7] = [0.0, 1.0], 0
    body: Body = {
        "labels": labels.tolist(),
        "candidates": {name: {"probabilities": values.tolist()} for name, values in rows.items()},
        "sample_weight": np.where(np.arange(n) % 7, 1.5, 1e80).tolist(),
        "slices": {"late": ["yes" if i > n - 50 else "no" for i in range(n)]},
        "baseline": "off",
        "include": ["state"],
    }
    answer = await compared(client, "multiclass", format_, columns_of(body), options_of(body))
    assert answer.json() == await in_json(client, "multiclass", body)
    codes = {(entry["code"], entry.get("candidate")) for entry in answer.json()["warnings"]}
    assert {("not_normalized", "off"), ("zero_probability", "new")} <= codes


NAMED: Body = {
    "labels": ["cat", "dog", "eel", "dog"] * 6,
    "classes": ["cat", "dog", "eel"],
    "baseline": "old",
    "candidates": {
        "old": {"probabilities": [[0.5, 0.25, 0.25], [0.25, 0.5, 0.25]] * 12},
        "new": {"logits": [[2.0, 0.5, -1.0], [0.25, 1.5, 0.0]] * 12},
    },
}


@pytest.mark.parametrize("format_", ENCODERS)
async def test_columns_of_candidates_go_by_any_name(format_: str, client: httpx.AsyncClient) -> None:
    expected = await in_json(client, "multiclass", NAMED | {"slices": {"site": ["a", "b"] * 12}})
    sent = [NAMED["candidates"][name][form] for name, form in (("old", "probabilities"), ("new", "logits"))]
    columns: dict[str, Any] = {"outcome": NAMED["labels"], "site": ["a", "b"] * 12, "note": [1.5] * 24}
    for place, name in ((2, "eel"), (0, "cat"), (1, "dog")):
        columns |= {f"p_{name}": [row[place] for row in sent[0]], f"z_{name}": [row[place] for row in sent[1]]}
    params = {"labels": "outcome", "candidates.old": "p_*", "candidates.new.logits": "z_*", "slices": "site"}
    answer = await compared(
        client, "multiclass", format_, columns, params | {"baseline": "old", "classes": "cat,dog,eel"}
    )
    assert answer.json() == expected
    by_columns = await compared(client, "multiclass", format_, columns, params | {"baseline": "old", "classes": "auto"})
    assert by_columns.json()["candidates"].keys() == expected["candidates"].keys()
    assert by_columns.json()["n_scored"] == 24


@pytest.mark.parametrize("format_", ENCODERS)
async def test_names_of_candidates_may_hold_points(format_: str, client: httpx.AsyncClient) -> None:
    body = BODIES["binary"] | {"baseline": "v1.2"}
    both = list(body["candidates"].values())
    body["candidates"] = {"v1.2": both[0], "v1.3/~": both[1]}
    answer = await compared(client, "binary", format_, columns_of(body), options_of(body))
    assert answer.json() == await in_json(client, "binary", body)


async def test_ndjson_takes_candidates_as_objects(client: httpx.AsyncClient) -> None:
    body = BODIES["multilabel"]
    rows = [
        {
            "labels": labels,
            "candidates": {
                name: {field: values[i] for field, values in sent.items()} for name, sent in body["candidates"].items()
            },
            "slices": {"even": body["slices"]["even"][i]},
        }
        for i, labels in enumerate(body["labels"])
    ]
    answer = await lines(client, "multilabel", rows, {"baseline": "a", "pos_weight": "1,2"})
    assert answer.json() == await in_json(client, "multilabel", body)


async def lines(client: httpx.AsyncClient, task: str, rows: list[Any], params: dict[str, Any]) -> httpx.Response:
    body = b"\n".join(map(orjson.dumps, rows))
    return await client.post(
        f"/v1/compare/{task}/rows", content=body, params=params, headers={"content-type": MEDIA_TYPES["ndjson"]}
    )


ROW: Body = {"labels": 1, "candidates": {"a": {"logits": 0.5}, "b": {"logits": 1}}}


@pytest.mark.parametrize(
    ("row", "pointer", "code"),
    [
        (ROW | {"candidates": None}, "/candidates/1", "wrong_type"),
        (ROW | {"candidates": [1]}, "/candidates/1", "wrong_type"),
        (ROW | {"candidates": {"a": {"logits": 1}, "b": 3}}, "/candidates/1", "wrong_type"),
        ({"labels": 1}, "/candidates/a/logits/1", "missing"),
        (ROW | {"candidates": {"a": {"logits": 1}}}, "/candidates/b/logits/1", "missing"),
        (ROW | {"candidates": {**ROW["candidates"], "c": {"logits": 1}}}, "/candidates/c/logits/1", "unknown_field"),
        (ROW | {"candidates": {"a": {"logits": 1}, "b": {"logits": "x"}}}, "/candidates/b/logits/1", "wrong_type"),
        (ROW | {"candidates": {"a": {"logits": 1}, "b": {"logits": [1]}}}, "/candidates/b/logits/1", "wrong_type"),
        (ROW | {"labels": 7}, "/labels/1", "out_of_range"),
    ],
)
async def test_a_line_that_does_not_fit_is_named(row: Body, pointer: str, code: str, client: httpx.AsyncClient) -> None:
    response = await lines(client, "binary", [ROW, row, ROW], {"baseline": "a"})
    error = response.json()["errors"][0]
    assert (response.status_code, error["pointer"], error["code"]) == (422, pointer, code)


async def test_a_line_that_the_mask_leaves_out_needs_no_candidates(client: httpx.AsyncClient) -> None:
    kept, left_out = ROW | {"mask": True}, {"labels": None, "mask": False, "candidates": None}
    answer = await lines(client, "binary", [kept, left_out, {"mask": False}, kept], {"baseline": "a"})
    assert answer.json()["n_scored"] == 2


COLUMNS: dict[str, Any] = {"labels": [1, 0], "candidates.a.logits": [0.5, 1.0], "candidates.b.logits": [0.25, -1.0]}


@pytest.mark.parametrize("format_", ENCODERS)
@pytest.mark.parametrize(
    ("change", "params", "error"),
    [
        ({"probabilities": [0.5, 0.5]}, {}, ("/probabilities", "unknown_field", "stands in a candidate")),
        ({"candidates.c.probs": [0.5, 0.5]}, {}, ("/candidates/c/probs", "unknown_field", "")),
        ({"candidates.b.probabilities": [0.5, 0.5]}, {}, ("/candidates/b", "exclusive", "probabilities and logits")),
        ({"candidates.b.logits": None}, {}, ("/candidates", "out_of_range", "2 to 50 candidates, found 1")),
        ({}, {"baseline": "c"}, ("/baseline", "out_of_range", 'found the string "c"')),
        (
            {"candidates.a.logits": None, "candidates.b.logits": None},
            {},
            ("/candidates", "missing", "candidates.old=p_old"),
        ),
        ({"labels": None}, {}, ("", "missing", "exactly one of labels, targets, found none")),
        ({}, {"candidates.a": "x", "candidates.b": "x"}, ("/candidates.a", "missing", "found none called")),
        (
            {"p": [0.5, 1.5]},
            {"candidates.a": "p", "candidates.b.logits": "candidates.b.logits"},
            ("/candidates/a/probabilities/1", "out_of_range", "[0, 1], found 1.5; if these are scores"),
        ),
    ],
)
async def test_what_is_wrong_in_rows_is_named(
    format_: str, change: Body, params: dict[str, str], error: Any, client: httpx.AsyncClient
) -> None:
    columns = {name: values for name, values in (COLUMNS | change).items() if values is not None}
    response = await compared(client, "binary", format_, columns, {"baseline": "a"} | params)
    found = response.json()["errors"][0]
    assert (response.status_code, found["pointer"], found["code"]) == (422, *error[:2])
    assert error[2] in found["detail"]


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({}, ("/baseline", "missing", "must be the name of a candidate, found none")),
        ({"baseline": "a", "candidates.a": "p"}, ("/candidates", "out_of_range", "2 to 50 candidates, found 1")),
        (
            {"baseline": "c", "candidates.a": "p", "candidates.b": "q"},
            ("/baseline", "out_of_range", "found the string"),
        ),
        (
            {"baseline": "a", "candidates.a": "p", "candidates.b": "q", "candidates.b.logits": "r"},
            ("/candidates/b", "exclusive", "found probabilities and logits"),
        ),
        (
            {"baseline": "a", "candidates.a": "p", "candidates.a.probabilities": "q"},
            ("/candidates.a.probabilities", "duplicate", "must be sent once"),
        ),
        (
            {"baseline": "a", "candidates.": "p", "candidates.b": "q"},
            ("/candidates/", "out_of_range", "1 to 80 characters"),
        ),
        ({"baseline": "a", "margin": "-1"}, ("/margin", "out_of_range", "must be at least 0")),
        ({"baseline": "a", "metric": "f1"}, ("/metric", "out_of_range", "")),
        (
            {"baseline": "a", "probabilities": "p"},
            ("/probabilities", "unknown_field", "candidates.old.probabilities names"),
        ),
        ({"baseline": "a", "n_worst": "3"}, ("/n_worst", "unknown_field", "")),
        ({"baseline": "a", "bootstrap": "{}"}, ("/bootstrap", "unknown_field", "")),
        ({"baseline": "a", "include": "worst"}, ("/include/0", "out_of_range", "must be 'state'")),
        (
            {"baseline": "a", "candidates.a": "p", "candidates.b": "q", "require": '{"c": {"verdict": ["better"]}}'},
            ("/require/c", "unknown_field", ""),
        ),
    ],
)
async def test_a_query_is_refused_before_the_body_is_read(
    params: dict[str, str], error: tuple[str, str, str], client: httpx.AsyncClient
) -> None:
    headers = {"content-type": MEDIA_TYPES["arrow"]}
    response = await client.post("/v1/compare/binary/rows", content=b"no stream", params=params, headers=headers)
    found = response.json()["errors"][0]
    assert response.headers["content-type"] == MEDIA_TYPE
    assert (response.status_code, found["pointer"], found["code"]) == (422, *error[:2])
    assert error[2] in found["detail"]


async def test_rules_and_options_are_those_of_json(client: httpx.AsyncClient) -> None:
    rules = {"new": {"cross_entropy": {"max": 0.1}}, "verdict": ["better"]}
    body = BODIES["binary"] | {"margin": 0.25, "family": "none", "min_samples": 3, "require": rules, "baseline": "old"}
    body["candidates"] = dict(zip(("old", "new"), body["candidates"].values(), strict=True))
    params = options_of(body) | {"require": orjson.dumps(rules).decode()}
    for format_ in ENCODERS:
        answer = (await compared(client, "binary", format_, columns_of(body), params)).json()
        assert answer == await in_json(client, "binary", body)
        assert (answer["passed"], len(answer["failures"])) == (False, 2)


async def test_each_path_names_the_other(client: httpx.AsyncClient) -> None:
    there = await client.post("/v1/compare/binary", content=b"", headers={"content-type": "text/csv"})
    back = await client.post("/v1/compare/binary/rows?baseline=a", json={})
    assert (there.status_code, back.status_code) == (415, 415)
    assert "go to /v1/compare/binary/rows" in there.json()["detail"]
    assert "application/json goes to /v1/compare/binary" in back.json()["detail"]
    packed = compressed("gzip", orjson.dumps(BODIES["binary"]))
    answer = await client.post("/v1/compare/binary", content=packed, headers={"content-encoding": "gzip"})
    assert answer.json() == await in_json(client, "binary", BODIES["binary"])


async def test_no_rows_are_refused(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/v1/compare/binary/rows?baseline=a",
        content=b"labels,candidates.a.logits,candidates.b.logits\n",
        headers={"content-type": "text/csv"},
    )
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "empty")


async def test_clusters_need_their_rows_at_once() -> None:
    rng = np.random.default_rng(0)
    columns: dict[str, Any] = {"labels": rng.integers(0, 2, 9_000), "cluster_id": np.arange(9_000) // 3}
    columns |= {f"candidates.{name}.logits": rng.normal(size=9_000) for name in "ab"}
    async with client_of(Settings(max_held_bytes=100_000)) as client:
        response = await compared(client, "binary", "arrow", columns, {"baseline": "a"}, rows_at_once=500)
    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    assert "cluster_id needs all rows at once" in response.json()["detail"]


@pytest.mark.parametrize("format_", ["arrow", "ndjson"])
async def test_slices_of_all_parts_have_a_bound(
    format_: str, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_parts, "MIN_SLICED_BYTES", 1)
    n = 20_000
    columns = {"labels": [1] * n, "slices.s": [f"{i // 10}" for i in range(n)]}
    columns |= {f"candidates.{name}.logits": [0.5] * n for name in "ab"}
    response = await compared(client, "binary", format_, columns, {"baseline": "a"}, rows_at_once=5_000)
    assert response.json()["errors"][0]["pointer"] == "/slices"


async def test_rows_of_another_width_are_refused_where_they_begin(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_parts, "MIN_PART_BYTES", 1)
    rows = [[0.5, 1.0]] * 300 + [[0.5, 1.0, 2.0]] * 300
    columns = {"labels": [0] * 600} | {f"candidates.{name}.logits": rows for name in "ab"}
    response = await compared(client, "multiclass", "arrow", columns, {"baseline": "b"}, rows_at_once=300)
    (error,) = response.json()["errors"]
    assert (error["pointer"], error["code"]) == ("/candidates/b/logits/300", "wrong_shape")
    assert error["detail"] == "must have 2 values like the rows before, found 3"


async def test_columns_of_candidates_are_of_one_type_throughout(client: httpx.AsyncClient) -> None:
    """A part is a mebibyte or so; what has no number in the first must not have one later."""
    first = {"labels": 1, "candidates": {"a": {"logits": 1}, "b": {"logits": 0.5}}}
    other = {"labels": 1, "candidates": {"a": {"logits": 1}, "b": {"logits": "-Infinity"}}}
    answer = await lines(client, "binary", [first] * 3 + [other], {"baseline": "a"})
    assert answer.json()["comparisons"][0]["difference"]["status"] == "infinite"
