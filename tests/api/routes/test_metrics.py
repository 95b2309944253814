import httpx
import pytest

from app.core.metrics.registry import METRICS
from app.core.tasks import TASKS

pytestmark = pytest.mark.anyio


async def test_the_catalogue_is_the_registry(client: httpx.AsyncClient) -> None:
    entries = (await client.get("/v1/metrics")).json()["metrics"]
    assert [entry["name"] for entry in entries] == [metric.name for metric in METRICS]
    assert all(entry.keys() == entries[0].keys() for entry in entries)
    assert all(entry["formula"] and entry["reference"] for entry in entries)


@pytest.mark.parametrize(
    ("name", "tasks"),
    [
        ("cross_entropy", list(TASKS)),
        ("top_{k}_accuracy", ["multiclass"]),
        ("js_distance", ["distributions"]),
        ("macro_perplexity", ["tokens"]),
        ("subset_accuracy", ["multilabel"]),
    ],
)
async def test_an_entry_names_its_tasks(name: str, tasks: list[str], client: httpx.AsyncClient) -> None:
    entries = {entry["name"]: entry for entry in (await client.get("/v1/metrics")).json()["metrics"]}
    assert entries[name]["tasks"] == tasks
    assert entries[name]["mergeable"] is True


async def test_calls_of_libraries_are_named_by_task(client: httpx.AsyncClient) -> None:
    entries = {entry["name"]: entry for entry in (await client.get("/v1/metrics")).json()["metrics"]}
    assert entries["brier_score"]["library"]["binary"] == "sklearn.metrics.brier_score_loss(labels, probabilities)"
    assert entries["entropy_gap"]["library"] == {}
    assert all(set(entry["library"]) <= set(entry["tasks"]) for entry in entries.values())
