import platform

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from structlog.typing import EventDict

from app import __version__
from app.api.telemetry import UNMATCHED
from app.main import create_app
from app.settings import LogLevel, Settings
from tests.api.clients import client_of

pytestmark = pytest.mark.anyio


async def samples(client: httpx.AsyncClient) -> dict[tuple[str, ...], float]:
    """Values by name and labels, in the order of the names of the labels."""
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
    assert found["surprisal_requests_total", "", route, "200"] == 1
    assert found["surprisal_requests_total", "invalid_input", route, "422"] == 1
    assert found["surprisal_request_seconds_count", route] == 2
    assert found["surprisal_samples_total", route] == 3
    assert found["surprisal_in_flight",] == 1
    assert found["process_resident_memory_bytes",] > 0
    assert found["surprisal_build_info", platform.python_version(), __version__] == 1


async def test_unknown_paths_and_methods_make_no_new_series(client: httpx.AsyncClient) -> None:
    await client.get("/a")
    await client.request("BREW", "/healthz")
    before = (await samples(client)).keys()
    for i in range(10):
        await client.get(f"/random/{i}")
        await client.request(f"BREW{i}", "/healthz")
    found = await samples(client)
    assert {key for key in found.keys() - before if "/metrics" not in key} == set()
    assert found["surprisal_requests_total", "not_found", UNMATCHED, "404"] == 11


@pytest.mark.parametrize(
    ("least", "levels"), [("debug", ["debug"] * 3 + ["info"]), ("info", ["info"]), ("warning", []), ("error", [])]
)
async def test_probes_are_logged_for_those_who_look_for_them(
    least: LogLevel, levels: list[str], log_lines: list[EventDict]
) -> None:
    async with client_of(Settings(log_level=least)) as client:
        for path in ("/healthz", "/readyz", "/metrics", "/v1/limits"):
            await client.get(path)
    assert [line["log_level"] for line in log_lines] == levels


async def test_a_probe_that_fails_is_logged_like_any_refusal(log_lines: list[EventDict]) -> None:
    app = create_app(Settings())
    async with app.router.lifespan_context(app):
        app.capacity.memory.size = 10
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://surprisal") as client:
            assert (await client.get("/readyz")).status_code == 503
    assert [(line["log_level"], line["code"]) for line in log_lines] == [("info", "unavailable")]


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/docs", "/", "/openapi.json", "/favicon.ico"])
async def test_a_get_has_no_query_parameters(path: str, client: httpx.AsyncClient) -> None:
    response = await client.get(f"{path}?a=1&a%2fb=2")
    problem = response.json()
    assert (response.status_code, problem["code"], problem["n_errors"]) == (422, "invalid_input", 2)
    assert [(error["pointer"], error["code"]) for error in problem["errors"]] == [
        ("/a", "unknown_field"),
        ("/a~1b", "unknown_field"),
    ]


@pytest.mark.parametrize("path", ["/v1/metrics?", "/v1/limits?&", "/v1/metrics"])
async def test_a_question_mark_alone_asks_nothing(path: str, client: httpx.AsyncClient) -> None:
    assert (await client.get(path)).status_code == 200
