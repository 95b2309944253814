"""The bodies that carry predictions."""

import io
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.predictions import less_sure

JSON, NPZ, ARROW = "application/json", "application/x-npz", "application/vnd.apache.arrow.stream"
END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"


def columns_json(columns: Mapping[str, Any]) -> bytes:
    """Write JSON columns at full precision."""
    return orjson.dumps(dict(columns), option=orjson.OPT_SERIALIZE_NUMPY)


def compared(first: Mapping[str, Any], second: Mapping[str, Any]) -> bytes:
    """Write two candidates for the labels of the first columns."""
    candidates = {name: {"probabilities": of["probabilities"]} for name, of in {"a": first, "b": second}.items()}
    return columns_json({"labels": first["labels"], "candidates": candidates, "baseline": "a"})


def v2_json(columns: Mapping[str, Any]) -> bytes:
    """Write columns in the Open Inference Protocol, flat as its clients send them."""
    kinds = {"i": "INT64", "f": "FP64"}
    inputs = [
        {"name": name, "shape": values.shape, "datatype": kinds[values.dtype.kind], "data": values.ravel()}
        for name, values in columns.items()
    ]
    return orjson.dumps({"inputs": inputs}, option=orjson.OPT_SERIALIZE_NUMPY)


def npz(columns: Mapping[str, Any]) -> bytes:
    file = io.BytesIO()
    np.savez(file, **columns)
    return file.getvalue()


def record_batch(columns: Mapping[str, Any]) -> pa.RecordBatch:
    return pa.record_batch({"labels": pa.array(columns["labels"]), "probabilities": _lists(columns["probabilities"])})


def two_models(columns: Mapping[str, Any]) -> pa.RecordBatch:
    """The labels with the probabilities of two candidates, `a` and `b`."""
    models = {"a": columns, "b": less_sure(columns)}
    rows = {f"candidates.{name}.probabilities": _lists(of["probabilities"]) for name, of in models.items()}
    return pa.record_batch({"labels": pa.array(columns["labels"]), **rows})


def _lists(values: NDArray[np.float64]) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def arrow(columns: Mapping[str, Any]) -> bytes:
    """Write one batch, as pyarrow writes a table by default."""
    return b"".join(arrow_messages(record_batch(columns), 1))


def arrow_messages(batch: pa.RecordBatch, n_batches: int) -> Iterator[bytes]:
    """Yield a stream of the same batch again and again, a message at a time."""
    yield batch.schema.serialize().to_pybytes()
    message = batch.serialize().to_pybytes()
    for _ in range(n_batches):
        yield message
    yield END_OF_STREAM
