"""Every format over HTTP: the same rows give the same answer, and what is wrong is told the same way."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import numpy as np
import orjson
import pyarrow as pa
import pytest

from app.api.contract import openapi
from app.api.negotiation import formats
from app.api.negotiation.media import ARROW
from app.settings import Settings
from tests.api.clients import client_of
from tests.encoded import ENCODERS, MEDIA_TYPES, compressed, encoded

pytestmark = pytest.mark.anyio

RNG = np.random.default_rng(4)
N, K = 60, 4
P = RNG.dirichlet(np.ones(K), N)
COLUMNS: dict[str, dict[str, list[Any]]] = {
    "binary": {
        "labels": RNG.choice(["ham", "spam"], N).tolist(),
        "probabilities": RNG.random(N).tolist(),
        "mask": (RNG.random(N) < 0.8).tolist(),
        "cluster_id": RNG.integers(0, 9, N).tolist(),
    },
    "multiclass": {
        "labels": RNG.integers(0, K, N).tolist(),
        "log_probabilities": np.log(P).tolist(),
        "sample_weight": RNG.random(N).tolist(),
        "slices.region": RNG.choice(["eu", "us"], N).tolist(),
    },
    "multilabel": {"labels": RNG.integers(0, 2, (N, K)).tolist(), "logits": RNG.normal(size=(N, K)).tolist()},
    "distributions": {"targets": P[::-1].tolist(), "probabilities": P.tolist()},
    "tokens": {"log_probabilities": [np.log(row[: 1 + i % K]).tolist() for i, row in enumerate(P)]},
}
OPTIONS: dict[str, dict[str, Any]] = {
    "binary": {"classes": ["ham", "spam"], "unit": "bits", "include": ["calibration", "worst"], "epsilon": 1e-3},
    "multiclass": {"top_k": [1, 2], "class_weight": [1.0, 2.0, 1.0, 0.5], "include": ["per_sample", "confusion"]},
    "multilabel": {"pos_weight": [1.0, 2.0, 0.5, 1.0], "threshold": 0.25, "include": ["per_class"]},
    "distributions": {"tolerance": 1e-4, "confidence_level": 0.9},
    "tokens": {"include": ["worst"], "n_worst": 3},
}
FORMATS = [
    (task, format_)
    for task in COLUMNS
    for format_ in MEDIA_TYPES
    if (task, format_) not in (("tokens", "npz"), ("tokens", "csv"))
]
every_format = pytest.mark.parametrize(("task", "format_"), FORMATS)


def json_body(task: str) -> dict[str, Any]:
    columns = dict(COLUMNS[task])
    slices = {name.removeprefix("slices."): columns.pop(name) for name in list(columns) if name.startswith("slices.")}
    return columns | OPTIONS[task] | ({"slices": slices} if slices else {})


async def sent(  # noqa: PLR0913 what a request is made of
    client: httpx.AsyncClient,
    task: str,
    format_: str,
    body: bytes,
    query: dict[str, Any] | None = None,
    *,
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 1_000):
            yield body[start : start + 1_000]

    return await client.post(
        f"/v1/score/{task}/rows",
        content=pieces(),
        params=query,
        headers={"content-type": MEDIA_TYPES[format_], **(headers or {})},
    )


def test_every_format_is_tried() -> None:
    assert {"json", *ENCODERS} == formats.FORMATS.keys()


@pytest.mark.parametrize("alias", ["application/ndjson", "application/jsonl", "Application/x-JSONLines; charset=utf-8"])
async def test_rows_of_json_have_many_names(alias: str, client: httpx.AsyncClient) -> None:
    body = b'{"labels": 1, "probabilities": 0.5}\n{"labels": 0, "probabilities": 0.25}\n'
    response = await client.post("/v1/score/binary/rows", content=body, headers={"content-type": alias})
    assert (response.status_code, response.json()["n_samples"]) == (200, 2)


@every_format
async def test_the_answer_is_that_to_json(task: str, format_: str, client: httpx.AsyncClient) -> None:
    expected = await client.post(f"/v1/score/{task}", json=json_body(task))
    assert expected.status_code == 200
    response = await sent(client, task, format_, encoded(format_, COLUMNS[task]), OPTIONS[task])
    assert response.json() == expected.json()


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
@pytest.mark.parametrize("format_", MEDIA_TYPES)
async def test_compressed_bodies(encoding: str, format_: str, client: httpx.AsyncClient) -> None:
    body = encoded(format_, COLUMNS["multilabel"])
    plain = await sent(client, "multilabel", format_, body)
    headers = {"content-encoding": encoding}
    assert (
        await sent(client, "multilabel", format_, compressed(encoding, body), headers=headers)
    ).json() == plain.json()
    broken = await sent(client, "multilabel", format_, compressed(encoding, body)[:-9], headers=headers)
    assert (broken.status_code, broken.json()["code"]) == (400, "malformed_body")


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
async def test_compressed_json(encoding: str, client: httpx.AsyncClient) -> None:
    body = orjson.dumps(json_body("multiclass"))
    headers = {"content-type": "application/json"}
    plain = await client.post("/v1/score/multiclass", content=body, headers=headers)
    headers["content-encoding"] = encoding
    response = await client.post("/v1/score/multiclass", content=compressed(encoding, body), headers=headers)
    assert response.json() == plain.json()


@pytest.mark.parametrize("encoding", ["br", "deflate", "x-zstd", "gzip, gzip"])
async def test_other_encodings_are_named(encoding: str, client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/score/binary", content=b"x", headers={"content-encoding": encoding})
    assert response.status_code == 415
    assert f'found "{encoding}"' in response.json()["detail"]


@pytest.mark.parametrize("format_", MEDIA_TYPES)
async def test_one_bad_row_refuses_all_and_is_named(format_: str, client: httpx.AsyncClient) -> None:
    rows = P.tolist()
    rows[47][2] = 1.5
    body = encoded(format_, {"labels": COLUMNS["multiclass"]["labels"], "probabilities": rows})
    response = await sent(client, "multiclass", format_, body)
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == ["/probabilities/47/2"]


@pytest.mark.parametrize("format_", MEDIA_TYPES)
@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"epsilon": "0.7"}, "/epsilon"),
        ({"unit": "byte"}, "/unit"),
        ({"n_bin": "3"}, "/n_bin"),
        ({"labels": "1"}, "/labels"),
        ({"include": "worst,,per_sample"}, "/include/1"),
    ],
)
async def test_options_of_the_query_are_checked(
    format_: str, query: dict[str, str], pointer: str, client: httpx.AsyncClient
) -> None:
    body = encoded(format_, {"labels": [1, 0], "probabilities": [0.5, 0.25]})
    response = await sent(client, "binary", format_, body, query)
    assert response.status_code == 422
    assert [error["pointer"] for error in response.json()["errors"]] == [pointer]


@pytest.mark.parametrize("path", ["/v1/score/binary", "/v1/compare/binary", "/v1/calibrate/binary"])
@pytest.mark.parametrize("name", ["unit", "epsilonn", "top_k", "margin", "labels"])
async def test_options_of_a_json_body_stand_in_it(path: str, name: str, client: httpx.AsyncClient) -> None:
    response = await client.post(f"{path}?{name}=1", json={"labels": [1, 0], "probabilities": [0.5, 0.25]})
    assert response.status_code == 422
    assert [(error["pointer"], error["code"]) for error in response.json()["errors"]] == [(f"/{name}", "misplaced")]


async def test_options_of_compressed_json_stand_in_it_too(client: httpx.AsyncClient) -> None:
    body = compressed("gzip", b'{"labels": [1, 0], "probabilities": [0.5, 0.25]}')
    response = await client.post("/v1/score/binary?unit=bits", content=body, headers={"content-encoding": "gzip"})
    assert (response.status_code, response.json()["errors"][0]["code"]) == (422, "misplaced")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (".25", 0.25),
        ("0.25", 0.25),
        ("25e-2", 0.25),
        (".25e%2B0", 0.25),
        ("%2B.25", 0.25),
        ("+2.5E-1", 0.25),
        ("0.", 0.0),
        ("-0", 0.0),
        ("0.e+1", 0.0),
    ],
)
async def test_numbers_in_the_query(text: str, value: float, client: httpx.AsyncClient) -> None:
    response = await client.post(
        f"/v1/score/binary/rows?epsilon={text}",
        content=b"labels,probabilities\n1,0.5\n",
        headers={"content-type": "text/csv"},
    )
    assert response.json()["options"]["epsilon"] == value


@pytest.mark.parametrize(
    "text",
    [
        "nan",
        "inf",
        "Infinity",
        "1_0",
        "0x1",
        "",
        ".",
        "-",
        "e1",
        ".e1",
        "00.1",
        "1e999",
        "1,",
        "--1",
        "1f",
        "\u0661",
        "0 1",
    ],
)
async def test_what_is_no_number_in_the_query(text: str, client: httpx.AsyncClient) -> None:
    response = await client.post(
        "/v1/score/binary/rows",
        params={"focal_gamma": text},
        content=b"labels,probabilities\n1,0.5\n",
        headers={"content-type": "text/csv"},
    )
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"].startswith("/focal_gamma")


async def test_a_slip_in_the_query_is_told(client: httpx.AsyncClient) -> None:
    response = await sent(client, "binary", "csv", b"", {"epsilonn": "1", "top_k": "1", "n_bytes": "1"})
    details = [error["detail"] for error in response.json()["errors"]]
    assert [detail.partition("; ")[2] for detail in details] == [
        'did you mean "epsilon"?',
        "this one belongs to multiclass",
        "this one belongs to tokens",
    ]


async def test_options_are_checked_before_a_body_is_read(client: httpx.AsyncClient) -> None:
    for query in ({"epsilon": "1"}, {"include": "nothing"}, {"bootstrap": '{"n_resamples":0}'}, {"metrics": "x"}):
        response = await sent(client, "binary", "ndjson", b"no JSON", query)
        assert (response.status_code, response.json()["errors"][0]["pointer"].split("/")[1]) == (422, *query)


@pytest.mark.parametrize("format_", MEDIA_TYPES)
async def test_an_option_is_no_column(format_: str, client: httpx.AsyncClient) -> None:
    body = encoded(format_, {"labels": [1, 0], "probabilities": [0.5, 0.25], "unit": ["bits", "bits"]})
    response = await sent(client, "binary", format_, body)
    assert response.status_code == 422
    assert response.json()["errors"][0]["pointer"] == "/unit"


@pytest.mark.parametrize("format_", MEDIA_TYPES)
async def test_a_truth_or_a_prediction_that_is_missing_is_told(format_: str, client: httpx.AsyncClient) -> None:
    response = await sent(client, "binary", format_, encoded(format_, {"labels": [1, 0]}))
    assert (response.status_code, response.json()["errors"][0]["code"]) == (422, "missing")


@pytest.mark.parametrize("format_", MEDIA_TYPES)
async def test_a_body_without_rows_is_refused(format_: str, client: httpx.AsyncClient) -> None:
    response = await sent(client, "binary", format_, b"")
    assert response.status_code in (400, 422)
    assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("format_", MEDIA_TYPES)
async def test_losses_of_rows_as_arrow(format_: str, client: httpx.AsyncClient) -> None:
    body = encoded(format_, {"labels": [1, 0, 1], "probabilities": [0.5, 0.25, 0.0], "mask": [True, False, True]})
    as_json = (await sent(client, "binary", format_, body, {"include": "per_sample"})).json()
    response = await sent(client, "binary", format_, body, {"include": "per_sample"}, headers={"accept": ARROW})
    assert response.headers["content-type"] == ARROW
    losses = pa.ipc.open_stream(response.content).read_all()
    assert losses["cross_entropy"].to_pylist() == as_json.pop("per_sample")["cross_entropy"]
    assert losses["cross_entropy"].null_count == 2
    assert orjson.loads(losses.schema.metadata[b"surprisal"]) == as_json


async def test_arrow_for_a_json_body(client: httpx.AsyncClient) -> None:
    body = {"labels": [1, 0], "probabilities": [0.5, 0.25], "include": ["per_sample"]}
    response = await client.post("/v1/score/binary", json=body, headers={"accept": f"{ARROW}, application/json;q=0.5"})
    assert pa.ipc.open_stream(response.content).read_all().num_rows == 2
    del body["include"]
    response = await client.post("/v1/score/binary", json=body, headers={"accept": f"{ARROW}, application/json;q=0.5"})
    assert response.headers["content-type"] == "application/json"
    response = await client.post("/v1/score/binary", json=body, headers={"accept": ARROW})
    assert (response.status_code, response.json()["code"]) == (406, "not_acceptable")


@pytest.mark.parametrize(
    ("settings", "format_", "n_rows"),
    [
        ({"max_spooled_bytes": 2_000}, "npz", 500),
        ({"max_spooled_bytes": 2_000}, "parquet", 5_000),
        ({"max_streamed_bytes": 2_000}, "arrow", 500),
        ({"max_streamed_bytes": 2_000}, "ndjson", 500),
        ({"max_streamed_bytes": 2_000}, "csv", 500),
        ({"max_rows": 400}, "npz", 500),
        ({"max_rows": 400}, "arrow", 500),
        ({"max_rows": 400}, "parquet", 500),
        ({"max_rows": 400}, "ndjson", 500),
        ({"max_rows": 400}, "csv", 500),
        ({"max_columns": 2}, "npz", 5),
        ({"max_columns": 2}, "arrow", 5),
        ({"max_columns": 2}, "parquet", 5),
        ({"max_columns": 2}, "ndjson", 5),
        ({"max_columns": 2}, "csv", 5),
    ],
)
async def test_limits_are_enforced(settings: dict[str, Any], format_: str, n_rows: int) -> None:
    p = np.random.default_rng(1).dirichlet(np.ones(3), n_rows)
    body = encoded(format_, {"labels": [0] * n_rows, "probabilities": p.tolist()}, 1_000)
    async with client_of(Settings(**settings)) as client:
        response = await sent(client, "multiclass", format_, body)
        assert (response.status_code, response.json()["code"]) == (413, "too_large")
        small = encoded(format_, {"labels": [0, 1], "probabilities": [[0.5, 0.5], [1.0, 0.0]]})
        too_wide = format_ == "csv" and "max_columns" in settings  # with the labels it has three columns
        assert (await sent(client, "multiclass", format_, small)).status_code == (413 if too_wide else 200)


async def test_a_body_that_decompresses_to_much_more_is_refused() -> None:
    body = encoded("ndjson", {"labels": [1] * 100_000, "probabilities": [0.5] * 100_000})
    async with client_of(Settings(max_ratio=10, max_part_bytes=2**20)) as client:
        response = await sent(
            client, "binary", "ndjson", compressed("gzip", body), headers={"content-encoding": "gzip"}
        )
    assert response.status_code == 413
    assert "10 times" in response.json()["detail"]


async def test_limits_are_told() -> None:
    settings = Settings(max_body_bytes=1_000, max_rows=77, max_ratio=9)
    async with client_of(settings) as client:
        told = (await client.get("/v1/limits")).json()
    assert told["media_types"]["application/json"] == {"max_bytes": 1_000, "scored_while_arriving": False}
    assert told["media_types"][ARROW]["scored_while_arriving"]
    assert (told["max_rows"], told["max_ratio"], told["content_encodings"]) == (77, 9, ["gzip", "zstd"])
    assert told["max_zstd_window_bytes"] == 8 * 2**20


@pytest.mark.parametrize("task", COLUMNS)
@pytest.mark.parametrize("media_type", ["application/x-ndjson", "text/csv"])
async def test_documented_rows_of_text_are_scored(task: str, media_type: str, client: httpx.AsyncClient) -> None:
    paths = openapi.document()["paths"]
    bodies, content = (
        paths[path]["post"]["requestBody"]["content"] for path in (f"/v1/score/{task}", f"/v1/score/{task}/rows")
    )
    if (text := content.get(media_type, {}).get("example")) is None:
        assert (task, media_type) == ("tokens", "text/csv")
        return
    first = next(iter(bodies["application/json"]["examples"].values()))["value"]
    expected = (await client.post(f"/v1/score/{task}", json=first)).json()
    response = await client.post(f"/v1/score/{task}/rows", content=text, headers={"content-type": media_type})
    assert response.json()["metrics"] == expected["metrics"]
