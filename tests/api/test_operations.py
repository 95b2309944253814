import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.api.telemetry import UNMATCHED

pytestmark = pytest.mark.anyio


async def samples(client: httpx.AsyncClient) -> dict[tuple[str, ...], float]:
    response = await client.get("/metrics")
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


async def test_alive_and_ready(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "alive"}
    assert (await client.get("/readyz")).json() == {"status": "ready"}


async def test_requests_and_rows_are_counted(client: httpx.AsyncClient) -> None:
    route = "/v1/score/binary"
    await client.post(route, json={"labels": [1, 0, 1], "probabilities": [0.5, 0.5, 0.5]})
    await client.post(route, json={"labels": [1, 0, 1], "probabilities": [0.5, 0.5, 7]})
    found = await samples(client)
    assert found["surprisal_requests_total", route, "200"] == 1
    assert found["surprisal_requests_total", route, "422"] == 1
    assert found["surprisal_request_seconds_count", route] == 2
    assert found["surprisal_samples_total", route] == 3
    assert found["surprisal_in_flight",] == 1
    assert found["process_resident_memory_bytes",] > 0


async def test_unknown_paths_and_methods_make_no_new_series(client: httpx.AsyncClient) -> None:
    await client.get("/a")
    await client.request("BREW", "/healthz")
    before = (await samples(client)).keys()
    for i in range(10):
        await client.get(f"/random/{i}")
        await client.request(f"BREW{i}", "/healthz")
    found = await samples(client)
    assert {key for key in found.keys() - before if "/metrics" not in key} == set()
    assert found["surprisal_requests_total", UNMATCHED, "404"] == 11
