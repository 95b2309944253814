"""The same rows are the same columns, bit for bit, in every format and however they are cut."""

import csv as text_csv
import gzip
import io
from collections.abc import Callable, Iterator
from math import isnan
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from pyarrow import parquet as arrow_parquet

from app.core.columns import Column, Ragged
from app.core.tasks import TASKS, TaskName
from app.wire import compression
from app.wire.arrow import stream as arrow
from app.wire.csv import table as csv
from app.wire.json import reader as json
from app.wire.limits import Limits
from app.wire.ndjson import reader as ndjson
from app.wire.npz import archive as npz
from app.wire.parquet import file as parquet
from tests.wire.mapped import own
from tests.wire.trickle import Trickle

LIMITS = Limits(max_decoded_bytes=1 << 30, max_ratio=1000, max_part_bytes=1 << 24, max_columns=40)
N = 12_000
"""Rows: more than one block of text."""
MOST = 1 << 15
"""Bytes that trickle at once."""

Rows = dict[str, Any]


def some_rows(task: str) -> Rows:
    """Columns of a task: arrays, lists of arrays for documents, and slices in a dictionary."""
    rng = np.random.default_rng(sum(map(ord, task)))
    clusters = np.array([f"cluster, {i}" for i in range(90)], object)
    columns: Rows = {
        "sample_weight": rng.exponential(size=N),
        "cluster_id": clusters[rng.integers(0, 90, N)],
        "slices": {
            "région": np.array(["nord", "süd"], object)[rng.integers(0, 2, N)],
            "age/9": rng.integers(-3, 99, N),
        },
    }
    if task == "tokens":
        lengths = rng.integers(0, 6, N)
        values = -rng.exponential(size=int(lengths.sum()))
        documents, mask = (np.split(part, np.cumsum(lengths)[:-1]) for part in (values, rng.random(len(values)) < 0.9))
        return columns | {"log_probabilities": documents, "mask": mask, "n_bytes": rng.integers(1, 2**62, N)}
    columns["mask"] = rng.random(N) < 0.9
    if task == "binary":
        return columns | {"labels": rng.random(N) < 0.5, "probabilities": rng.random(N)}
    if task == "multiclass":
        names = np.array(["ant", 'say "bee"', "cat\nfish"], object)
        logits = rng.normal(size=(N, 3)) * 10.0 ** rng.integers(-300, 300, (N, 1))
        logits[rng.random((N, 3)) < 0.01] = np.nan
        return columns | {"labels": names[rng.integers(0, 3, N)], "logits": logits}
    if task == "multilabel":
        labels = rng.integers(0, 2, (N, 4))
        return columns | {"labels": labels, "probabilities": rng.random((N, 4)), "mask": rng.random((N, 4)) < 0.9}
    targets = rng.dirichlet(np.ones(3), N)
    return columns | {"targets": targets, "log_probabilities": np.log(rng.dirichlet(np.ones(3), N))}


def flat(rows: Rows) -> Rows:
    return {name: column for name, column in rows.items() if name != "slices"} | {
        f"slices.{name}": column for name, column in rows.get("slices", {}).items()
    }


def plain(column: Any) -> list[Any]:
    """Values as JSON has them: null for NaN."""
    values = [part.tolist() for part in column] if isinstance(column, list) else column.tolist()
    return [[None if isnan(v) else v for v in row] if isinstance(row, list) else row for row in values]


def json_body(rows: Rows) -> bytes:
    slices = {name: plain(column) for name, column in rows["slices"].items()}
    return orjson.dumps(
        {name: plain(column) for name, column in flat(rows).items() if "." not in name} | {"slices": slices}
    )


def ndjson_body(rows: Rows) -> bytes:
    columns = orjson.loads(json_body(rows))
    slices = columns.pop("slices")
    return b"".join(
        orjson.dumps(
            {name: column[i] for name, column in columns.items()}
            | {"slices": {name: column[i] for name, column in slices.items()}}
        )
        + b"\n"
        for i in range(N)
    )


def npz_body(rows: Rows) -> bytes:
    out = io.BytesIO()
    arrays = {name: column.astype("U") if column.dtype == object else column for name, column in flat(rows).items()}
    np.savez(out, **arrays)
    return out.getvalue()


def table_of(rows: Rows, array: Callable[[Any], pa.Array]) -> pa.Table:
    return pa.table({name: array(column) for name, column in flat(rows).items()})


def as_lists(column: Any) -> pa.Array:
    return pa.array(column if isinstance(column, list) or column.ndim == 1 else list(column))


def as_tensors(column: Any) -> pa.Array:
    """Tensors, dictionaries, and the widest types."""
    if isinstance(column, list):
        lists = pa.array(column)
        return lists.cast(pa.large_list(lists.type.value_type))
    if column.ndim == 2 and column.dtype != bool:
        return pa.FixedShapeTensorArray.from_numpy_ndarray(column)
    if column.ndim == 2:
        return pa.FixedSizeListArray.from_arrays(pa.array(column.ravel()), column.shape[1])
    return pa.array(column).dictionary_encode() if column.dtype == object else pa.array(column)


def arrow_body(table: pa.Table, rows: int, codec: str | None = None) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
        writer.write_table(table, max_chunksize=rows)
    return out.getvalue()


def parquet_body(table: pa.Table, rows: int) -> bytes:
    out = io.BytesIO()
    arrow_parquet.write_table(table, out, row_group_size=rows)
    return out.getvalue()


def text_of(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def csv_body(rows: Rows) -> bytes:
    columns: dict[str, list[str]] = {}
    for name, column in flat(rows).items():
        many = {f"{name}_{j}": column[:, j] for j in range(column.shape[1])} if column.ndim == 2 else {name: column}
        columns |= {key: list(map(text_of, values.tolist())) for key, values in many.items()}
    out = io.StringIO(newline="")
    writer = text_csv.writer(out)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return out.getvalue().encode()


def bits(column: Column) -> tuple[Any, ...]:
    if isinstance(column, Ragged):
        return ("ragged", bits(column.values), column.offsets.dtype, column.offsets.tolist())
    assert column.flags.c_contiguous
    return (column.dtype, column.shape, column.tolist() if column.dtype == object else column.tobytes())


def joined(parts: list[Column]) -> Column:
    if not any(isinstance(part, Ragged) for part in parts):
        return np.concatenate([part for part in parts if isinstance(part, np.ndarray)])
    lengths, values = [], []
    for part in parts:
        assert isinstance(part, Ragged)
        lengths.append(np.diff(part.offsets))
        values.append(part.values)
    return Ragged(np.concatenate(values), np.concatenate([[0], np.cumsum(np.concatenate(lengths))]))


def all_bits(parts: list[dict[str, Any]]) -> dict[str, tuple[Any, ...]]:
    for part in parts:
        assert part.keys() == parts[0].keys()
        assert len({len(column) for column in flat(part).values()}) == 1
    return {name: bits(joined([flat(part)[name] for part in parts])) for name in flat(parts[0])}


def ways(rows: Rows, task: TaskName) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """The rows through every format that has them, in several cuts."""
    lists, tensors = table_of(rows, as_lists), table_of(rows, as_tensors)
    lines = ndjson_body(rows)
    yield "ndjson", list(ndjson.parts(io.BytesIO(lines), LIMITS, own(task)))
    yield "ndjson, trickling", list(ndjson.parts(Trickle(lines, MOST, 1), LIMITS, own(task)))
    packed = compression.decoded(Trickle(gzip.compress(lines, 1), MOST, 2), "gzip", LIMITS)
    yield "ndjson, gzip", list(ndjson.parts(packed, LIMITS, own(task)))
    for size in (N, 5000, 333):
        yield f"arrow lists by {size}", list(arrow.parts(io.BytesIO(arrow_body(lists, size)), LIMITS, own(task)))
        yield (
            f"arrow tensors by {size}",
            list(arrow.parts(Trickle(arrow_body(tensors, size, "zstd"), MOST, 3), LIMITS, own(task))),
        )
        yield f"parquet by {size}", list(parquet.parts(io.BytesIO(parquet_body(lists, size)), LIMITS, own(task)))
    if task != "tokens":
        yield "npz", [npz.columns(npz_body(rows), LIMITS, own(task))]
        classes = ("ant", "bee") if task == "multiclass" else None
        yield "csv", list(csv.parts(io.BytesIO(csv_body(rows)), LIMITS, own(task, classes)))
        yield "csv, trickling", list(csv.parts(Trickle(csv_body(rows), MOST, 4), LIMITS, own(task, classes)))


@pytest.mark.slow
@pytest.mark.parametrize("task", list(TASKS))
def test_every_format_and_cut_gives_the_same_bits(task: TaskName) -> None:
    rows = some_rows(task)
    expected = all_bits([json.decode(json_body(rows), task)])
    assert len(expected) >= 6
    n_parts = []
    for way, parts in ways(rows, task):
        n_parts.append(len(parts))
        found = all_bits(parts)
        assert found.keys() == expected.keys(), way
        for name, column in expected.items():
            assert found[name] == column, f"{way}: {name}"
    assert len(n_parts) == (12 if task == "tokens" else 15)
    assert len(set(n_parts)) >= 3


def test_single_floats_stay_single_in_formats_that_have_them() -> None:
    logits = np.random.default_rng(1).normal(size=(100, 3)).astype(np.float32)
    out = io.BytesIO()
    np.savez(out, logits=logits)
    table = pa.table({"logits": pa.FixedSizeListArray.from_arrays(logits.ravel(), 3)})
    for parts in (
        [npz.columns(out.getvalue(), LIMITS, own("multiclass"))],
        list(arrow.parts(io.BytesIO(arrow_body(table, 30)), LIMITS, own("multiclass"))),
        list(parquet.parts(io.BytesIO(parquet_body(table, 30)), LIMITS, own("multiclass"))),
    ):
        assert all_bits(parts) == {"logits": bits(logits)}
