"""Memory is paid for before it is taken: that of values that grow when they are read, and that of answers."""

import asyncio
import io
import tracemalloc
from collections import Counter
from typing import Any

import numpy as np
import orjson
import pytest

from app.api.negotiation.formats import FORMATS
from app.api.negotiation.media import ARROW
from app.api.routes.rows import scored_parts
from app.api.scoring import Rows, answered_rows
from app.core.paying import Kind, paid_by
from app.main import create_app
from app.settings import DEFAULTS, Settings
from app.wire.mapping.naming import own_names
from tests.encoded import encoded

N, N_LOSSES = 2_000_000, 20_000
COLUMNS: dict[str, list[Any]] = {"labels": [1, 0] * (N_LOSSES // 2), "probabilities": [0.3] * N_LOSSES}
JSON, CSV = orjson.dumps({**COLUMNS, "include": ["per_sample"]}), encoded("csv", COLUMNS)
OWN_BYTES = 12 * 2**20
"""The memory of work however few its rows are: blocks, and the sums of the answer."""


def test_integers_of_a_byte_are_paid_for_as_what_they_become() -> None:
    values, file, paid = np.zeros(N, np.int8), io.BytesIO(), Counter[Kind]()
    np.savez_compressed(file, labels=values, probabilities=values)

    def pay(kind: Kind, n_bytes: int) -> None:
        paid[kind] = max(paid[kind], n_bytes)

    tracemalloc.start()
    with paid_by(pay):
        answered_rows(
            Rows("binary", FORMATS["npz"], "", b"", {}, own_names("binary")), scored_parts, file, DEFAULTS, lambda: None
        )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= paid.total() + OWN_BYTES


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
    app, held = create_app(Settings()), list[int]()
    received = iter([{"type": "http.request", "body": body}])

    async def receive() -> Any:
        return next(received, None) or await asyncio.get_running_loop().create_future()

    async def send(_: Any) -> None:
        held.append(app.capacity.memory.kinds["answer"])

    headers = {"content-type": sent, "accept": accept, "content-length": str(len(body))}
    scope = {
        "type": "http",
        "method": "POST",
        "path": f"/v1/score/binary{path}",
        "query_string": b"include=per_sample" if path else b"",
        "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("a", 1),
    }
    await app(scope, receive, send)
    assert min(held) >= 2 * n_bytes * N_LOSSES
    assert app.capacity.memory.kinds["answer"] == 0
