"""No request leaves garbage that only the collector finds: it may hold a body, and is looked for once in a while."""

import gc
from collections import Counter

import numpy as np
import orjson
import pytest

from app.settings import Settings
from tests.api.connections import connected, request
from tests.attacks.killers import batches, npz_of

pytestmark = pytest.mark.anyio

JSON, CSV, LINES = "application/json", "text/csv", "application/x-ndjson"
NPZ, ARROW = "application/x-npz", "application/vnd.apache.arrow.stream"
SCORE, COMPARE, CALIBRATE = "/v1/score/binary", "/v1/compare/binary", "/v1/calibrate/binary"
ROWS = f"{SCORE}/rows"
ROW, LINE = b"1,0.5\n", b'{"labels":1,"probabilities":0.5}\n'
HEADER = b"labels,probabilities\n"
TWO = {"probabilities": [0.5, 0.25]}
REQUESTS = {
    "JSON": (SCORE, JSON, b'{"labels":[1,0],"probabilities":[0.5,0.25]}'),
    "no JSON": (SCORE, JSON, b"{"),
    "a wrong value": (SCORE, JSON, b'{"labels":[1,0],"probabilities":[0.5,2]}'),
    "wrong columns": (SCORE, JSON, b'{"labels":["a",[]],"probabilities":[{},2]}'),
    "a wrong option": (SCORE, JSON, b'{"labels":[1],"probabilities":[0.5],"unit":"x","n_bins":"a"}'),
    "a long wrong list": (SCORE, JSON, b'{"labels":[%b1],"probabilities":[2]}' % (b"{}," * 110_000)),
    "CSV": (ROWS, CSV, HEADER + ROW * 3000),
    "a wrong cell": (ROWS, CSV, HEADER + ROW * 30 + b"1,x\n"),
    "a wrong row": (ROWS, CSV, HEADER + ROW * 30 + b"1\n"),
    "a wrong header": (ROWS, CSV, b"labels;probabilities\n" + ROW),
    "lines": (ROWS, LINES, LINE * 3000),
    "a wrong line": (ROWS, LINES, LINE * 3000 + b"{"),
    "a wrong value in a line": (ROWS, LINES, LINE * 3000 + LINE.replace(b"1", b"7")),
    "npz": (ROWS, NPZ, npz_of(labels=np.zeros(9, int), probabilities=np.full(9, 0.5))),
    "no npz": (ROWS, NPZ, b"PK"),
    "wrong npz": (ROWS, NPZ, npz_of(labels=np.zeros(9), probabilities=np.full((9, 9), 0.5))),
    "Arrow": (ROWS, ARROW, batches(0.0001)),
    "a cut of Arrow": (ROWS, ARROW, batches(0.0001)[:-9]),
    "comparing": (COMPARE, JSON, orjson.dumps({"labels": [1, 0], "candidates": {"a": TWO, "b": TWO}, "baseline": "a"})),
    "a wrong baseline": (COMPARE, JSON, orjson.dumps({"labels": [1], "candidates": {"a": TWO}, "baseline": "c"})),
    "calibrating": (CALIBRATE, JSON, b'{"labels":[1,0,1],"probabilities":[0.5,0.25,0.75]}'),
    "nothing to calibrate": (CALIBRATE, JSON, b'{"labels":[],"probabilities":[]}'),
    "nothing there": ("/none", JSON, b"{}"),
    "another type": (SCORE, "text/plain", b"{}"),
}


@pytest.mark.parametrize(("path", "kind", "body"), REQUESTS.values(), ids=REQUESTS)
async def test_a_request_leaves_no_garbage(path: str, kind: str, body: bytes) -> None:
    sent = request("POST", path, body, [f"content-type: {kind}"])
    async with connected(Settings(log_level="error")) as connection:

        async def ask(n: int) -> None:
            for _ in range(n):
                connection.send(sent)
                await connection.answer()

        await ask(3)
        gc.collect()
        gc.disable()
        try:
            await ask(5)
            gc.set_debug(gc.DEBUG_SAVEALL)
            gc.collect()
            found = Counter(type(entry).__name__ for entry in gc.garbage)
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
    assert sum(found.values()) < 5, found
