"""Works of the client, and what people write by hand in its place, in the environment of the client.

A process that makes predictions, then does what each line of its input names, and writes a line of JSON about it: the
milliseconds and the microseconds of processor time that it took, and the bytes of the body.
"""

import io
import json
import sys
import time
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pyarrow as pa
from sklearn.metrics import log_loss

from surprisal_client import Client
from surprisal_client.exchange import Sent

PATH = "/v1/score/multiclass/rows"


def predictions(n: int, k: int) -> tuple[Any, Any]:
    """Labels and probabilities of a calibrated model."""
    rng = np.random.default_rng(0)
    probabilities = rng.random((n, k))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    labels = (rng.random(n)[:, None] > probabilities[:, :-1].cumsum(axis=1)).sum(axis=1)
    return labels, probabilities


def works(url: str, n: int, k: int) -> dict[str, Callable[[], int]]:
    """The works by name; each returns the bytes that it sends."""
    labels, probabilities = predictions(n, k)
    frame = pd.DataFrame({f"p_{column}": probabilities[:, column] for column in range(k)})
    columns = list(frame)
    frame.insert(0, "outcome", labels)
    return {
        "client": _scored(url, labels, probabilities),
        "client, frame": _scored(url, frame, labels="outcome", probabilities="p_*"),
        "numpy.savez and httpx": _posted(url, "application/x-npz", lambda: npz(labels, probabilities)),
        "PyArrow and httpx": _posted(url, "application/vnd.apache.arrow.stream", lambda: arrow(labels, probabilities)),
        "sklearn log_loss": lambda: 0 * int(log_loss(frame["outcome"], frame[columns])),
    }


def _scored(url: str, *data: Any, **names: str) -> Callable[[], int]:
    sent = Sent()

    def seen(now: Sent) -> None:
        sent.n_bytes = now.n_bytes

    client = Client(url, on_progress=seen)

    def work() -> int:
        client.score(*data, **names)
        return sent.n_bytes

    return work


def _posted(url: str, kind: str, made: Callable[[], bytes]) -> Callable[[], int]:
    client = httpx.Client(base_url=url, timeout=60)

    def work() -> int:
        body = made()
        client.post(PATH, content=body, headers={"Content-Type": kind}).raise_for_status().json()
        return len(body)

    return work


def npz(labels: Any, probabilities: Any) -> bytes:
    """The body that most people write."""
    content = io.BytesIO()
    np.savez(content, labels=labels, probabilities=probabilities)
    return content.getvalue()


def arrow(labels: Any, probabilities: Any) -> bytes:
    """The body that people write who know Arrow."""
    rows = pa.FixedSizeListArray.from_arrays(pa.array(probabilities.ravel()), probabilities.shape[1])
    table = pa.table({"labels": labels, "probabilities": rows})
    content = io.BytesIO()
    with pa.ipc.new_stream(content, table.schema) as writer:
        writer.write_table(table)
    return content.getvalue()


def main() -> None:
    """Do what the lines of standard input name, until they end."""
    url, n, k = sys.argv[1:]
    known = works(url, int(n), int(k))
    print("ready", flush=True)
    for line in sys.stdin:
        start, cpu = time.perf_counter(), time.process_time()
        n_bytes = known[line.strip()]()
        took = {"ms": 1e3 * (time.perf_counter() - start), "cpu": 1e6 * (time.process_time() - cpu), "bytes": n_bytes}
        print(json.dumps(took), flush=True)


if __name__ == "__main__":
    main()
