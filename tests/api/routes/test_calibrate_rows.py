"""`POST /v1/calibrate/{task}/rows`: the answer of JSON in every format, columns by name, and the bound on memory."""

import json
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest

from app.core.options import Options
from app.core.paying import Kind, paid_by
from app.errors import TooLarge
from app.service import CALIBRATED, CalibrateRequest, calibrate, calibrate_parts
from app.settings import Settings
from tests.api.clients import client_of
from tests.api.test_columns_by_name import arrow, ask, frame, parquet_file, written
from tests.encoded import ENCODERS, MEDIA_TYPES, compressed

pytestmark = pytest.mark.anyio

N = 40
RNG = np.random.default_rng(17)
LABELS = RNG.integers(0, 3, N)
LOGITS = RNG.normal(size=(N, 3)) * 4.0
COLUMNS: dict[str, dict[str, Any]] = {
    "binary": {"labels": (LABELS > 0).astype(int).tolist(), "logits": LOGITS[:, 0].tolist()},
    "multiclass": {"labels": LABELS.tolist(), "logits": LOGITS.tolist()},
}
FURTHER: dict[str, Any] = {
    "sample_weight": RNG.random(N).tolist(),
    "mask": (RNG.random(N) < 0.8).tolist(),
    "cluster_id": RNG.integers(0, 9, N).tolist(),
}
OPTIONS: dict[str, Any] = {
    "n_folds": 4,
    "seed": 3,
    "unit": "bits",
    "n_bins": 5,
    "label_smoothing": 0.125,
    "include": "probabilities",
}


async def in_json(client: httpx.AsyncClient, task: str, body: dict[str, Any]) -> bytes:
    response = await client.post(f"/v1/calibrate/{task}", json=body)
    assert response.status_code == 200, response.text
    return response.content


@pytest.mark.parametrize("task", CALIBRATED)
@pytest.mark.parametrize("more", [{}, FURTHER], ids=["plain", "every column"])
async def test_every_format_has_the_answer_of_json(task: str, more: dict[str, Any], client: httpx.AsyncClient) -> None:
    columns = COLUMNS[task] | more
    expected = await in_json(client, task, columns | OPTIONS | {"include": ["probabilities"]})
    for encoding in ("", "gzip", "zstd"):
        for name, encode in ENCODERS.items():
            head = {"content-type": MEDIA_TYPES[name]} | ({"content-encoding": encoding} if encoding else {})
            body = compressed(encoding, encode(columns, 7))
            found = await client.post(f"/v1/calibrate/{task}/rows", params=OPTIONS, content=body, headers=head)
            assert found.content == expected, (name, encoding, found.text[:500])


@pytest.mark.parametrize("method", CALIBRATED["binary"])
async def test_every_method_fits_rows(method: str, client: httpx.AsyncClient) -> None:
    columns = COLUMNS["binary"]
    head = {"content-type": MEDIA_TYPES["csv"]}
    body = ENCODERS["csv"](columns, 1)
    found = await client.post("/v1/calibrate/binary/rows", params={"method": method}, content=body, headers=head)
    assert found.content == await in_json(client, "binary", columns | {"method": method})


async def test_columns_are_found_by_name(client: httpx.AsyncClient) -> None:
    names = np.array(["ant", "bee", "cat"])
    rows = frame(names[np.arange(24) % 3].tolist(), ["p_ant", "p_bee", "p_cat"], w=[0.5] * 24, slices=["x"] * 24)
    body = {
        "labels": rows["y"],
        "classes": ["ant", "bee", "cat"],
        "probabilities": np.stack([rows[f"p_{name}"] for name in names], axis=1).tolist(),
        "sample_weight": rows["w"],
    }
    expected = await in_json(client, "multiclass", body)
    query = {"labels": "y", "probabilities": "p_*", "classes": "ant,bee,cat", "sample_weight": "w"}
    for sent in written(rows):
        assert (await ask(client, "multiclass", query, sent, "calibrate")).content == expected, sent[0]


async def test_rows_that_the_mask_leaves_out_may_hold_anything(client: httpx.AsyncClient) -> None:
    lines: list[dict[str, Any]] = [{"labels": None, "logits": None, "mask": False}] * 3
    lines += [{"labels": y, "logits": z, "mask": True} for y, z in [(1, 2.0), (0, 1.0), (1, -1.0), (0, -3.0)]]
    for rows in (lines, lines[::-1]):
        body = "\n".join(map(json.dumps, rows)).encode()
        found = (await ask(client, "binary", {}, ("ndjson", "", body), "calibrate")).json()
        assert (found["n_samples"], found["n_scored"]) == (7, 4)


REFUSED: list[tuple[dict[str, Any], tuple[str, str, str]]] = [
    ({"epsilon": 0.1}, ("/epsilon", "unknown_field", "scoring knows this one, but a fit does not use it")),
    ({"slices": "y"}, ("/slices", "unknown_field", "scoring knows this one, but a fit does not use it")),
    ({"methd": "platt"}, ("/methd", "unknown_field", 'did you mean "method"?')),
    ({"method": "beta"}, ("/method", "out_of_range", "'isotonic'")),
    ({"n_folds": "five"}, ("/n_folds", "wrong_type", "must be an integer")),
    ({"seed": ["1", "2"]}, ("/seed", "duplicate", "must be sent once")),
    ({"include": "state"}, ("/include/0", "out_of_range", "must be 'probabilities'")),
    ({"extra_columns": "drop"}, ("/extra_columns", "out_of_range", "must be ignore or error")),
]


@pytest.mark.parametrize(("query", "error"), REFUSED)
async def test_the_query_is_refused_before_the_body(
    query: dict[str, Any], error: tuple[str, str, str], client: httpx.AsyncClient
) -> None:
    problem = (await ask(client, "binary", query, ("csv", "", b"no,header"), "calibrate")).json()
    (found,) = problem["errors"]
    assert (found["pointer"], found["code"]) == error[:2]
    assert error[2] in found["detail"]


async def test_a_body_is_refused_by_place_and_column(client: httpx.AsyncClient) -> None:
    rows: dict[str, list[Any]] = {"y": [1, 0, 2], "z": [0.5, 1.0, 2.0]}
    for size in (1, 3):
        sent = [("arrow", "", arrow(rows, size)), ("parquet", "", parquet_file(rows, size))]
        for body in sent:
            problem = (await ask(client, "binary", {"labels": "y", "logits": "z"}, body, "calibrate")).json()
            (found,) = problem["errors"]
            assert found["pointer"] == "/labels/2"
            assert found["detail"] == 'must be 0 or 1, found 2 (column "y")'


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", ("", "empty", "must hold at least one sample")),
        (b"labels,logits\n", ("", "empty", "must hold at least one sample")),
        (b"labels\n1\n", ("", "missing", "must hold exactly one of probabilities, logits, found none")),
        (b"labels,logits,sample_weight\n1,2,0\n", ("", "empty", "a scored row of positive weight to fit")),
        (b"labels,logits,slices.a\n1,2,0\n", ("/slices", "unknown_field", "a fit does not use it")),
    ],
)
async def test_a_body_that_cannot_be_fitted(
    body: bytes, error: tuple[str, str, str], client: httpx.AsyncClient
) -> None:
    response = await ask(client, "binary", {}, ("csv", "", body), "calibrate")
    assert response.status_code == 422, response.text
    (found,) = response.json()["errors"]
    assert (found["pointer"], found["code"]) == error[:2]
    assert error[2] in found["detail"]


async def test_json_goes_to_the_other_path_and_may_be_compressed(client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/calibrate/binary/rows", json={})
    assert response.status_code == 415
    assert response.json()["detail"].endswith("application/json goes to /v1/calibrate/binary")
    body, head = json.dumps(COLUMNS["binary"]).encode(), {"content-type": "application/json"}
    expected = await in_json(client, "binary", COLUMNS["binary"])
    for encoding in ("gzip", "zstd"):
        sent = compressed(encoding, body)
        found = await client.post("/v1/calibrate/binary", content=sent, headers=head | {"content-encoding": encoding})
        assert found.content == expected


async def test_more_rows_than_fit_are_refused_with_the_number_that_does() -> None:
    columns: dict[str, list[Any]] = {"labels": [1, 0] * 50_000, "logits": [0.5, -0.25] * 50_000}
    async with client_of(Settings(max_held_bytes=2**20)) as client:
        limits = (await client.get("/v1/limits")).json()
        assert limits["max_held_bytes"] == 2**20
        for name in ("npz", "arrow", "ndjson"):
            body = ENCODERS[name](columns, 1000)
            response = await ask(client, "binary", {}, (name, "", body), "calibrate")
            assert response.status_code == 413
            assert response.json()["detail"] == (
                "a fit needs all rows at once: the columns must fit in 1048576 bytes, as about 65536 rows like these do"
            )


def parts(n_rows: int, *, with_clusters: bool) -> Iterator[CalibrateRequest]:
    rng = np.random.default_rng(0)
    for _ in range(4):
        n = n_rows // 4
        columns: dict[str, Any] = {"labels": rng.integers(0, 2, n), "logits": rng.normal(size=n)}
        if with_clusters:
            columns |= {"cluster_id": rng.integers(0, n // 3, n), "sample_weight": rng.random(n)}
        yield CalibrateRequest("binary", columns, Options(), "isotonic")


@pytest.mark.parametrize("with_clusters", [False, True])
def test_a_fit_pays_for_what_it_takes(*, with_clusters: bool) -> None:
    paid = Counter[Kind]()

    def pay(kind: Kind, n_bytes: int) -> None:
        paid[kind] = max(paid[kind], n_bytes)

    tracemalloc.start()
    with paid_by(pay):
        calibrate_parts(parts(100_000, with_clusters=with_clusters), 2**30)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= paid.total() <= 3 * peak


def test_an_account_that_is_too_small_ends_the_fit_before_it_begins() -> None:
    def pay(_: Kind, n_bytes: int) -> None:
        if n_bytes > 2**20:
            raise TooLarge("no")

    request = next(parts(40_000, with_clusters=False))
    with paid_by(pay), pytest.raises(TooLarge):
        calibrate(request)
