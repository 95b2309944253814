"""Bodies that took a server of 2 GiB down, or nearly: small when sent, large once read."""

import gzip
import io
import zipfile
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import orjson
import pyarrow as pa

from tests.attacks.clients import post

BINARY = "/v1/score/binary"
ROWS = f"{BINARY}/rows"
NPZ, JSON, NDJSON, ARROW = "x-npz", "json", "x-ndjson", "vnd.apache.arrow.stream"
CSV = "text/csv"


class Killer(NamedTuple):
    """A request; `scale` makes its short form.

    Attributes:
        reads: Whether the client reads its answer.
        at_once: The number of whole ones that are sent at once: fewer, but more than there are threads, if each takes
            long.
    """

    path: str
    kind: str
    body: Callable[[float], bytes]
    encoding: str = ""
    reads: bool = True
    at_once: int = 50

    def request(self, scale: float = 1.0) -> bytes:
        headers = [f"content-encoding: {self.encoding}"] if self.encoding else []
        body = self.body(scale)
        kind = self.kind if "/" in self.kind else f"application/{self.kind}"
        return post(self.path, gzip.compress(body, 1) if self.encoding == "gzip" else body, kind, *headers)


def npz_of(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def losses(scale: float) -> bytes:
    n = int(8_300_000 * scale)
    return npz_of(labels=np.zeros(n, np.int8), probabilities=np.full(n, 0.3, np.float16))


def zeros(scale: float) -> bytes:
    n = int(33_500_000 * scale)
    return npz_of(labels=np.zeros(n, np.int8), probabilities=np.zeros(n, np.int8))


def many_models(scale: float) -> bytes:
    n = int(600_000 * scale)
    models = {f"candidates.c{i}.logits": np.full(n, i, np.int8) for i in range(50)}
    return npz_of(labels=np.zeros(n, np.int8), **models)


def padded(scale: float) -> bytes:
    """300 MB of zeros behind other bytes, which keep the ratio below 200."""
    n = int(150_000_000 * scale)
    file = io.BytesIO(np.random.default_rng(0).bytes(int(1_300_000 * scale)))
    file.seek(0, 2)
    with zipfile.ZipFile(file, "a", zipfile.ZIP_DEFLATED) as archive:
        for name in ("labels", "probabilities"):
            array = io.BytesIO()
            np.save(array, np.zeros(n, np.int8))
            archive.writestr(name + ".npy", array.getvalue())
    return file.getvalue()


def repeated(unit: bytes, n_bytes: int, head: bytes = b'{"labels":[', tail: bytes = b"]}") -> Callable[[float], bytes]:
    """A list of one thing again and again."""
    return lambda scale: head + b",".join([unit] * int(n_bytes * scale / (len(unit) + 1))) + tail


def long_rows(scale: float) -> bytes:
    row = repeated(b"[]", 8_380_000, b'{"labels":1,"probabilities":[', b"]}\n")(scale)
    return row * 20


def clusters(scale: float) -> bytes:
    n = int(600_000 * scale)
    row = b'{"labels":1,"probabilities":0.5,"cluster_id":"%0*d"}\n'
    return b"".join(row % (1012, i) for i in range(n))


def batches(scale: float) -> bytes:
    columns = {"labels": pa.array([1]), "probabilities": pa.array([0.25]), "cluster_id": pa.array([7])}
    batch = pa.record_batch(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        for _ in range(int(50_000 * scale)):
            writer.write_batch(batch)
    return bytes(sink.getvalue())


def one_batch(scale: float) -> bytes:
    n = int(3_700_000 * scale)
    values = np.random.default_rng(0).integers(0, 256, n) / 256
    batch = pa.record_batch({"labels": pa.array((values > 0.5).astype(np.int64)), "probabilities": pa.array(values)})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


def numbers(scale: float) -> bytes:
    """The largest honest body of JSON: doubles of full precision."""
    n = int(760_000 * scale)
    values = np.random.default_rng(0).random(n)
    return orjson.dumps(
        {"labels": (values > 0.5).astype(int), "probabilities": values}, option=orjson.OPT_SERIALIZE_NUMPY
    )


def honest_npz(scale: float) -> bytes:
    n = int(3_800_000 * scale)
    values = np.random.default_rng(0).random(n)
    file = io.BytesIO()
    np.savez(file, labels=(values > 0.5).astype(np.int64), probabilities=values)
    return file.getvalue()


def lines(scale: float) -> bytes:
    return b'{"labels":1,"probabilities":0.0123456789}\n' * int(750_000 * scale)


def table(scale: float) -> bytes:
    return b"labels,probabilities\n" + b"1,0.0123456789\n" * int(2_000_000 * scale)


MIB = 2**20
KILLERS = {
    "losses in JSON, not read": Killer(f"{ROWS}?include=per_sample", NPZ, losses, reads=False),
    "npz of int8": Killer(ROWS, NPZ, zeros),
    "npz of int8, padded": Killer(ROWS, NPZ, padded),
    "JSON of empty objects": Killer(BINARY, JSON, repeated(b"{}", 16_000_000)),
    "JSON of objects": Killer(BINARY, JSON, repeated(b'{"a":1}', 16_000_000)),
    "npz of fifty models": Killer("/v1/compare/binary/rows?baseline=c0", NPZ, many_models),
    "comparing objects": Killer("/v1/compare/binary", JSON, repeated(b"{}", 16_000_000)),
    "JSON of objects, gzip": Killer(BINARY, JSON, repeated(b"{}", 16_000_000), "gzip"),
    "long rows of NDJSON": Killer(ROWS, NDJSON, long_rows),
    "long names of clusters": Killer(ROWS, NDJSON, clusters, "gzip", at_once=20),
    "batches of one row": Killer(ROWS, ARROW, batches, "gzip", at_once=8),
    "JSON of numbers": Killer(BINARY, JSON, numbers),
    "JSON of small integers": Killer(BINARY, JSON, repeated(b"0", 16_000_000)),
    "JSON of strings": Killer(BINARY, JSON, repeated(b'"a"', 16_000_000)),
    "Arrow of one batch": Killer(ROWS, ARROW, one_batch),
    "npz of doubles": Killer(ROWS, NPZ, honest_npz),
    "NDJSON": Killer(ROWS, NDJSON, lines, at_once=20),
    "CSV": Killer(ROWS, CSV, table, at_once=20),
    "a fit": Killer(
        "/v1/calibrate/binary/rows?method=isotonic", NPZ, lambda scale: honest_npz(0.25 * scale), at_once=8
    ),
}
