"""One suite for all formats: the same rows give the same answer, and the same fault the same refusal, in each."""

import gzip
import math
from typing import Any

import httpx
import pyarrow as pa
import pytest

from app.api.negotiation.formats import FORMATS
from tests.api.written import ROWS_PATH, Columns, sent, written

pytestmark = pytest.mark.anyio

NAN, INF = math.nan, math.inf
P = [[0.25, 0.75], [0.5, 0.5], [0.875, 0.125]]
MASK = [True, False, True]
FIRST = [False, True, True]
L = [[1, 0], [0, 1], [1, 1]]

# A name: the task, the rows as they are sent, the rows that they are as good as, options, and the ways to write them.
SAME: dict[str, tuple[str, Columns, Columns, dict[str, Any], int]] = {
    "a row is null": (
        "multiclass",
        {"labels": [0, 1, 0], "probabilities": [P[0], None, P[2]], "mask": MASK},
        {"labels": [0, 1, 0], "probabilities": P, "mask": MASK},
        {},
        8,
    ),
    "the first row is null": (
        "multiclass",
        {"labels": [0, 1, 0], "logits": [None, P[1], P[2]], "mask": FIRST},
        {"labels": [0, 1, 0], "logits": P, "mask": FIRST},
        {},
        8,
    ),
    "numbers are null and NaN": (
        "binary",
        {"labels": [0, 1, 0, 1], "probabilities": [None, 0.5, NAN, 0.25], "mask": [False, True, False, True]},
        {"labels": [0, 1, 0, 1], "probabilities": [0.5, 0.5, 0.5, 0.25], "mask": [False, True, False, True]},
        {},
        8,
    ),
    "numbers of a row are null": (
        "multiclass",
        {"labels": [0, 1, 0], "probabilities": [P[0], [None, NAN], P[2]], "mask": MASK},
        {"labels": [0, 1, 0], "probabilities": P, "mask": MASK},
        {},
        8,
    ),
    "values break every rule": (
        "multiclass",
        {"labels": [0, 99, 0], "probabilities": [P[0], [-3.0, INF], P[2]], "sample_weight": [1, -1, 2], "mask": MASK},
        {"labels": [0, 1, 0], "probabilities": P, "sample_weight": [1, 1, 2], "mask": MASK},
        {},
        6,
    ),
    "a row has another length": (
        "multiclass",
        {"labels": [0, 1, 0], "probabilities": [P[0], [0.5], P[2]], "mask": MASK},
        {"labels": [0, 1, 0], "probabilities": P, "mask": MASK},
        {},
        5,
    ),
    "a row is empty": (
        "distributions",
        {"targets": [[], P[1], P[2]], "logits": [P[0], P[1], P[2]], "mask": FIRST},
        {"targets": P, "logits": P, "mask": FIRST},
        {},
        5,
    ),
    "a label is null": (
        "multiclass",
        {"labels": [0, None, 1], "probabilities": P, "mask": MASK},
        {"labels": [0, 0, 1], "probabilities": P, "mask": MASK},
        {},
        7,
    ),
    "the first label is null, and a name": (
        "multiclass",
        {"labels": [None, "a", "b"], "probabilities": P, "mask": FIRST},
        {"labels": ["b", "a", "b"], "probabilities": P, "mask": FIRST},
        {"classes": ["a", "b"]},
        7,
    ),
    "a boolean label is null": (
        "binary",
        {"labels": [True, None, False], "logits": [0.5, 1.0, -0.5], "mask": MASK},
        {"labels": [True, True, False], "logits": [0.5, 1.0, -0.5], "mask": MASK},
        {},
        7,
    ),
    "clusters, slices and weights are null": (
        "binary",
        {
            "labels": [1, 0, 1, 1],
            "probabilities": [0.5, 0.5, 0.25, 0.75],
            "cluster_id": ["a", None, "b", "c"],
            "slices.site": [3, None, 4, 4],
            "sample_weight": [1.0, None, 2.0, 0.5],
            "mask": [True, False, True, True],
        },
        {
            "labels": [1, 0, 1, 1],
            "probabilities": [0.5, 0.5, 0.25, 0.75],
            "cluster_id": ["a", "a", "b", "c"],
            "slices.site": [3, 3, 4, 4],
            "sample_weight": [1.0, 1.0, 2.0, 0.5],
            "mask": [True, False, True, True],
        },
        {},
        6,
    ),
    "rows of labels are null": (
        "multilabel",
        {"labels": [L[0], None, L[2]], "probabilities": [P[0], None, P[2]], "mask": MASK},
        {"labels": L, "probabilities": P, "mask": MASK},
        {},
        7,
    ),
    "elements of labels are null": (
        "multilabel",
        {
            "labels": [[1, None], [0, 1], [None, 1]],
            "logits": [[0.5, None], [0.25, 1.0], [NAN, -1.0]],
            "mask": [[True, False], [True, True], [False, True]],
        },
        {
            "labels": [[1, 0], [0, 1], [1, 1]],
            "logits": [[0.5, 0.5], [0.25, 1.0], [0.5, -1.0]],
            "mask": [[True, False], [True, True], [False, True]],
        },
        {},
        7,
    ),
    "nothing is scored": (
        "binary",
        {"labels": [0, 1], "probabilities": [NAN, 7.0], "mask": [False, False]},
        {"labels": [0, 1], "probabilities": [0.5, 0.5], "mask": [False, False]},
        {},
        8,
    ),
    "logits are minus infinity": (
        "multiclass",
        {"labels": [0, 1], "logits": [[0.5, -INF], [-INF, 1.0]]},
        {"labels": [0, 1], "probabilities": [[1.0, 0.0], [0.0, 1.0]]},
        {},
        8,
    ),
    "log-probabilities are minus infinity": (
        "distributions",
        {"targets": [[1.0, 0.0], [0.0, 1.0]], "log_probabilities": [[0.0, -INF], [-INF, 0.0]]},
        {"targets": [[1.0, 0.0], [0.0, 1.0]], "log_probabilities": [[0.0, -1e300], [-1e300, 0.0]]},
        {},
        8,
    ),
    "tokens are impossible": (
        "tokens",
        {"log_probabilities": [[-INF, -1.0], [-0.5]]},
        {"log_probabilities": [[-INF, -1.0], [-0.5]]},
        {"include": "per_sample"},
        5,
    ),
    "tokens are left out": (
        "tokens",
        {"log_probabilities": [[None, -1.0, -0.5], [-9.0, -2.0]], "mask": [[False, True, True], [False, True]]},
        {"log_probabilities": [[-1.0, -0.5], [-2.0]]},
        {"include": "per_sample"},
        5,
    ),
    "a document is left out": (
        "tokens",
        {"log_probabilities": [None, [-1.0]], "mask": [[False, False], [True]], "n_bytes": [None, 4]},
        {"log_probabilities": [[], [-1.0]], "n_bytes": [1, 4]},
        {},
        5,
    ),
    "all tokens are left out": (
        "tokens",
        {"log_probabilities": [[None, 1.0], [None]], "mask": [[False, False], [False]]},
        {"log_probabilities": [[], []]},
        {},
        5,
    ),
    "sums are single values": (
        "tokens",
        {"log_probabilities": [-3.0, -1.5], "n_tokens": [4, 2], "n_bytes": [9, 5]},
        {"log_probabilities": [[-3.0], [-1.5]], "n_tokens": [4, 2], "n_bytes": [9, 5]},
        {"include": "per_sample"},
        8,
    ),
    "columns are not set": (
        "binary",
        {"labels": [1, 0], "probabilities": [0.5, 0.25], "sample_weight": [None, None], "cluster_id": [None, None]},
        {"labels": [1, 0], "probabilities": [0.5, 0.25]},
        {},
        6,
    ),
}


UNLIKE = {
    ("columns are not set", "json"),  # there null itself stands for a column that is not set, not a list of null
    ("clusters, slices and weights are null", "arrow, a row a batch"),  # no slice to take in place of a batch of nulls
}


def alike(answer: dict[str, Any]) -> dict[str, Any]:
    """The parts of an answer that must be equal: the metrics, and which rows were scored."""
    kept = {
        name: answer.get(name) for name in ("n_samples", "n_scored", "n_classes", "weight_sum", "metrics", "slices")
    }
    return kept | {"warnings": [w for w in answer["warnings"] if w["code"] != "zero_probability"]}


@pytest.mark.parametrize("name", SAME)
async def test_what_is_left_out_or_not_set_makes_no_difference(name: str, client: httpx.AsyncClient) -> None:
    task, columns, clean, options, n_ways = SAME[name]
    ((_, body),) = [(way, body) for way, body in written(clean) if way == "json"]
    json_options = options | ({"include": [options["include"]]} if "include" in options else {})
    expected = (await sent(client, task, "json", body, json_options)).json()
    assert "metrics" in expected, expected
    ways = [(way, body) for way, body in written(columns) if (name, way) not in UNLIKE]
    for way, body in ways:
        response = await sent(client, task, way, body, json_options if way == "json" else options)
        assert response.status_code == 200, (way, response.text)
        if "infinity" in name:
            found = response.json()["metrics"]["cross_entropy"]
            assert (found["status"], found["value"]) == ("ok", 0.0), way
        else:
            assert alike(response.json()) == alike(expected), way
    assert len(ways) == n_ways, [way for way, _ in ways]


# A name: the task, the rows, the pointers of all errors, what the first one says, and the ways to write the rows.
REFUSED: dict[str, tuple[str, Columns, list[str], str, int]] = {
    "the first row is null": (
        "multiclass",
        {"labels": [0, 1, 0], "probabilities": [None, *P[1:]]},
        ["/probabilities/0"],
        "a list",
        5,
    ),
    "a row is null": (
        "multiclass",
        {"labels": [0, 1, 0], "probabilities": [P[0], None, P[2]]},
        ["/probabilities/1"],
        "a list",
        5,
    ),
    "the first row is empty": (
        "multiclass",
        {"labels": [0, 1, 0], "probabilities": [[], *P[1:]]},
        ["/probabilities/0"],
        "must have 2 values",
        5,
    ),
    "the first row is longer": (
        "multiclass",
        {"labels": [0, 1, 0], "probabilities": [[0.5, 0.25, 0.25], *P[1:]]},
        ["/probabilities/0"],
        "must have 2 values",
        5,
    ),
    "a number is null": (
        "binary",
        {"labels": [0, 1, 0], "probabilities": [0.5, None, 0.5]},
        ["/probabilities/1"],
        "no number",
        8,
    ),
    "a number of a row is NaN": (
        "multiclass",
        {"labels": [0, 1, 0], "logits": [P[0], [NAN, 1.0], P[2]]},
        ["/logits/1/0"],
        "no number",
        8,
    ),
    "the first label is null": (
        "binary",
        {"labels": [None, 1, 0], "probabilities": [0.5] * 3},
        ["/labels/0"],
        "found",
        7,
    ),
    "a label in a list is null": (
        "multilabel",
        {"labels": [[1, 0], [None, 1]], "logits": P[:2]},
        ["/labels/1/0"],
        "found",
        7,
    ),
    "a token is null": (
        "tokens",
        {"log_probabilities": [[-1.0], [-0.5, None]], "mask": [[True], [False, True]]},
        ["/log_probabilities/1/1"],
        "no number",
        5,
    ),
    "the marks are too few": (
        "tokens",
        {"log_probabilities": [[-1.0], [-0.5, -2.0]], "mask": [[True], [True]]},
        ["/mask/1"],
        "a value for each token of its document, 2, found 1",
        5,
    ),
    "a sum is two values": (
        "tokens",
        {"log_probabilities": [[-1.0], [-0.5, -2.0]], "n_tokens": [3, 2]},
        ["/log_probabilities/1"],
        "the sum over the document, found 2",
        5,
    ),
    "a name is null": ("binary", {"labels": ["a", None, "b"], "probabilities": [0.5] * 3}, ["/labels/1"], "found", 7),
    "the mask is null": (
        "binary",
        {"labels": [1, 0], "probabilities": [0.5] * 2, "mask": [True, None]},
        ["/mask/1"],
        "found",
        7,
    ),
    "a cluster is null": (
        "binary",
        {"labels": [1, 0], "probabilities": [0.5] * 2, "cluster_id": ["a", None]},
        ["/cluster_id/1"],
        "found",
        7,
    ),
    "a probability is minus infinity": (
        "binary",
        {"labels": [1, 0], "probabilities": [0.5, -INF]},
        ["/probabilities/1"],
        "must",
        8,
    ),
    "a weight is minus infinity": (
        "binary",
        {"labels": [1, 0], "logits": [0.5, -INF], "sample_weight": [1.0, -INF]},
        ["/sample_weight/1"],
        "must",
        8,
    ),
    "a logit is infinity": ("binary", {"labels": [1, 0], "logits": [0.5, INF]}, ["/logits/1"], "must", 6),
    "a cluster has 64 bits": (
        "binary",
        {"labels": [1, 0], "logits": [0.5, 0.25], "cluster_id": [1, 2**64 - 1]},
        ["/cluster_id/1"],
        "strings",
        8,
    ),
    "names that others use": (
        "binary",
        {"y_true": [1, 0], "y_prob": [0.5, 0.25]},
        ["/y_true", "/y_prob"],
        'did you mean "labels"?',
        8,
    ),
}


WITH_LISTS = {"json", "ndjson", "arrow", "arrow, a row a batch", "parquet"}
"""The ways in which a whole row can be null, and not only each of its numbers."""


@pytest.mark.parametrize("name", REFUSED)
async def test_a_fault_is_the_same_in_every_format(name: str, client: httpx.AsyncClient) -> None:
    task, columns, pointers, words, n_ways = REFUSED[name]
    options = {"classes": ["a", "b"]} if "a" in columns.get("labels", ()) else {}
    ways = [(way, body) for way, body in written(columns) if way in WITH_LISTS or "row is null" not in name]
    for way, body in ways:
        problem = (await sent(client, task, way, body, options)).json()
        assert problem["status"] == 422, (way, problem)
        found = [error["pointer"] for error in problem["errors"] if error["pointer"]]
        assert found == pointers, (way, problem)
        assert words in problem["errors"][0]["detail"], (way, problem)
    assert len(ways) == n_ways, [way for way, _ in ways]


TWICE: list[tuple[str, list[Any]]] = [
    ("labels", [1, 0]),
    ("probabilities", [0.5, 0.25]),
    ("probabilities", [0.25, 0.5]),
]


async def test_a_name_may_stand_once_in_every_format(client: httpx.AsyncClient) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        ways = list(written(TWICE))
    for way, body in ways:
        problem = (await sent(client, "binary", way, body, {})).json()
        assert problem["status"] == 422, (way, problem)
        assert problem["errors"][0]["pointer"].startswith("/probabilities"), (way, problem)
        assert {error["code"] for error in problem["errors"]} == {"duplicate"}, (way, problem)
    assert len(ways) == 8


SOUND: Columns = {"labels": [1, 0], "probabilities": [0.5, 0.25]}
WORDS = {
    "csv": "", "json": "", "ndjson": "",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
    "npz": "application/x-npz",
    "gzip": "Content-Encoding: gzip",
    "zstd": "Content-Encoding: zstd",
    "utf-16": "UTF-16", "utf-16-le": "UTF-16", "utf-16-be": "UTF-16", "utf-32": "UTF-32", "utf-32-be": "UTF-32",
    "latin-1": "Latin-1",
}  # fmt: skip


def strange(kind: str, way: str) -> bytes:
    """A body of a format as a kind of bytes that are not what its media type says."""
    bodies = dict(written(SOUND))
    if kind in bodies:
        return bodies[kind]
    if kind == "gzip":
        return gzip.compress(bodies[way])
    if kind == "zstd":
        return bytes(pa.compress(bodies[way], "zstd", asbytes=True))
    return bodies[way].decode().replace("probabilities", "é").encode(kind)


STRANGE = [
    (way, kind)
    for way in FORMATS
    for kind, words in WORDS.items()
    if words and kind != way and (way in {"csv", "json", "ndjson"} or not kind.startswith(("utf", "latin")))
]


@pytest.mark.parametrize(("way", "kind"), STRANGE)
async def test_other_bytes_are_named(way: str, kind: str, client: httpx.AsyncClient) -> None:
    problem = (await sent(client, "binary", way, strange(kind, way), {})).json()
    assert problem["status"] == 400, problem
    assert WORDS[kind] in problem["detail"]


@pytest.mark.parametrize("way", ["csv", "json", "ndjson"])
async def test_a_byte_order_mark_is_skipped(way: str, client: httpx.AsyncClient) -> None:
    body = dict(written(SOUND))[way]
    answers = [(await sent(client, "binary", way, mark + body, {})).json() for mark in (b"", b"\xef\xbb\xbf")]
    assert "metrics" in answers[0]
    assert answers[0] == answers[1]


async def test_rows_as_a_json_list_or_lines_are_told_where_to_go(client: httpx.AsyncClient) -> None:
    rows = dict(written(SOUND))["ndjson"]
    for body in (rows, b"[" + rows.replace(b"\n", b", ") + b"]"):
        problem = (await client.post("/v1/score/binary", content=body)).json()
        assert problem["status"] == 400
        for words in ("application/x-ndjson", "/rows"):
            assert words in problem["detail"]
    assert ROWS_PATH.endswith("/rows")


@pytest.mark.parametrize("way", ["arrow", "parquet", "npz"])
async def test_a_mask_of_numbers_is_not_sent_to_integers(way: str, client: httpx.AsyncClient) -> None:
    body = dict(written({**SOUND, "mask": [1.0, 0.5]}))[way]
    (error,) = (await sent(client, "binary", way, body, {})).json()["errors"]
    assert error["pointer"] == "/mask"
    assert "must be booleans" in error["detail"]
    assert "integers" not in error["detail"]
