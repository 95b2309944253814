"""Memory is paid for before it is taken: that of values that grow when they are read, and that of answers."""

import asyncio
import io
import tracemalloc
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pytest

from app.api.negotiation.formats import FORMATS
from app.api.negotiation.media import ARROW
from app.api.routes.rows import scored_parts
from app.api.scoring import Rows, answered_rows
from app.core.paying import Kind, paid_by
from app.errors import InvalidInput
from app.main import create_app
from app.settings import DEFAULTS, Settings
from app.wire.mapping.naming import own_names
from tests.asking import answered
from tests.encoded import encoded

N, N_LOSSES = 2_000_000, 20_000
COLUMNS: dict[str, list[Any]] = {"labels": [1, 0] * (N_LOSSES // 2), "probabilities": [0.3] * N_LOSSES}
JSON, CSV = orjson.dumps({**COLUMNS, "include": ["per_sample"]}), encoded("csv", COLUMNS)
OWN_BYTES = 12 * 2**20
"""The memory of work however few its rows are: blocks, and the sums of the answer."""


def paid_and_taken(work: Callable[[], object]) -> tuple[int, int]:
    """The bytes that work pays for, and those that it takes at most."""
    paid = Counter[Kind]()

    def pay(kind: Kind, n_bytes: int) -> None:
        paid[kind] = max(paid[kind], n_bytes)

    tracemalloc.start()
    with paid_by(pay):
        work()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return paid.total(), peak


def test_integers_of_a_byte_are_paid_for_as_what_they_become() -> None:
    values, file = np.zeros(N, np.int8), io.BytesIO()
    np.savez_compressed(file, labels=values, probabilities=values)
    rows = Rows("binary", FORMATS["npz"], "", b"", {}, own_names("binary"))
    paid, peak = paid_and_taken(lambda: answered_rows(rows, scored_parts, file, DEFAULTS, lambda: None))
    assert peak <= paid + OWN_BYTES


def with_clusters(n_rows: int, n_clusters: int, **more: Any) -> bytes:
    rng = np.random.default_rng(0)
    labels, p = rng.integers(0, 2, n_rows).tolist(), rng.random(n_rows).tolist()
    clusters = [row % n_clusters for row in range(n_rows)]
    return orjson.dumps({"labels": labels, "probabilities": p, "cluster_id": clusters, **more})


@pytest.mark.parametrize("n_clusters", [100, 100_000])
def test_rows_of_clusters_are_paid_for(n_clusters: int) -> None:
    body = with_clusters(100_000, n_clusters)
    paid, peak = paid_and_taken(lambda: answered("score", "binary", body))
    assert peak <= paid + OWN_BYTES / 4


def test_states_of_clusters_are_paid_for_and_too_many_are_never_made() -> None:
    body, many = (with_clusters(n, n // 2, include=["state"]) for n in (18_000, 60_000))
    paid, peak = paid_and_taken(lambda: answered("score", "binary", body))
    assert peak <= paid

    def refused() -> None:
        with pytest.raises(InvalidInput, match="must hold at most 10000 clusters over all slices for a state"):
            answered("score", "binary", many)

    paid, peak = paid_and_taken(refused)
    assert peak <= paid + OWN_BYTES / 4


@pytest.mark.anyio
async def test_merging_pays_for_what_states_become() -> None:
    state = answered("score", "binary", with_clusters(2_000, 2_000, include=["state"]))["state"]
    body = orjson.dumps({"states": [state] * 3})
    tracemalloc.start()
    held = await held_at_answer("/v1/merge", body, "application/json")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= held.total() + OWN_BYTES / 4


async def held_at_answer(path: str, body: bytes, sent: str, accept: str = "*/*", query: bytes = b"") -> Counter[str]:
    """The bytes by kind that the account holds for a request while its answer is sent; none are held afterwards."""
    app, held = create_app(Settings()), list[Counter[str]]()
    received = iter([{"type": "http.request", "body": body}])

    async def receive() -> Any:
        return next(received, None) or await asyncio.get_running_loop().create_future()

    async def send(_: Any) -> None:
        held.append(app.capacity.memory.kinds.copy())

    headers = {"content-type": sent, "accept": accept, "content-length": str(len(body))}
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": query,
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("a", 1),
    }
    await app(scope, receive, send)
    assert not app.capacity.memory.kinds.total()
    return held[-1]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("path", "sent", "body", "accept", "n_bytes"),
    [
        ("", "application/json", JSON, "application/json", 20),
        ("/rows", "text/csv", CSV, "application/json", 20),
        ("/rows", "text/csv", CSV, ARROW, 8),
    ],
)
async def test_losses_are_paid_for_twice_until_they_are_sent(
    path: str, sent: str, body: bytes, accept: str, n_bytes: int
) -> None:
    query = b"include=per_sample" if path else b""
    held = await held_at_answer(f"/v1/score/binary{path}", body, sent, accept, query)
    assert held["answer"] >= 2 * n_bytes * N_LOSSES
