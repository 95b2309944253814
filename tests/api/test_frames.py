"""Files that pandas, polars, DuckDB, R and Spark write, posted as people do at first: scored, or told what to add.

The files are written here with the types and layouts that those programs were seen to write.
"""

import io
import json
from decimal import Decimal
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from tests.api.test_columns_by_name import archive, arrow, ask, expected, lines, parquet_file, text

pytestmark = pytest.mark.anyio

SPECIES = ["setosa", "versicolor", "virginica"]
N = 12
RNG = np.random.default_rng(5)
P = RNG.dirichlet(np.ones(3), N)
Y = np.arange(N) % 3
NAMES = [SPECIES[y] for y in Y]
BY_NAME = {f"p_{name}": P[:, j].tolist() for j, name in enumerate(SPECIES)}
OTHERS: dict[str, Any] = {f"feature_{i}": RNG.normal(size=N).tolist() for i in range(18)} | {"id": list("abcdefghijkl")}
LISTS = pa.array(P.tolist())
BINARY: dict[str, list[Any]] = {"outcome": (Y == 1).tolist(), "score": P[:, 1].tolist()}
MULTI = {"labels": "species", "probabilities": "p_*"}
SCORE = {"labels": "outcome", "probabilities": "score"}
NULL = "must be a value, found null"


def stream(table: pa.Table) -> bytes:
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table, max_chunksize=5)
    return out.getvalue()


def feather(table: pa.Table, compression: str | None = "lz4") -> bytes:
    """A file of Arrow as pandas' `to_feather` writes it."""
    out = io.BytesIO()
    with pa.ipc.new_file(out, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table, max_chunksize=5)
    return out.getvalue()


def file(table: pa.Table, **options: Any) -> bytes:
    out = io.BytesIO()
    parquet.write_table(table, out, row_group_size=5, **options)
    return out.getvalue()


def typed(table: pa.Table) -> list[tuple[str, str, bytes]]:
    return [("arrow", "", stream(table)), ("arrow", "", feather(table)), ("parquet", "", file(table))]


async def told(client: httpx.AsyncClient, task: str, query: dict[str, Any], body: tuple[str, str, bytes]) -> str:
    """The first error, its place before it."""
    response = await ask(client, task, query, body)
    assert response.status_code == 422, response.text
    error = response.json()["errors"][0]
    return f"{error['pointer']}: {error['detail']}"


async def answer(client: httpx.AsyncClient, task: str, query: dict[str, Any], body: tuple[str, str, bytes]) -> Any:
    response = await ask(client, task, query, body)
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_frame_without_a_word_is_told_which_columns_to_name(client: httpx.AsyncClient) -> None:
    frame = {"species": NAMES, **BY_NAME, **OTHERS}
    for body in (("arrow", "", arrow(frame, 5)), ("csv", "", text(frame)), ("ndjson", "", lines(frame))):
        problem = (await ask(client, "multiclass", {}, body)).json()
        details = [error["detail"] for error in problem["errors"][:3]]
        assert "exactly one of labels, targets, found none; name its column in the query, as in labels=" in details[0]
        assert details[1].endswith("name its column in the query, as in probabilities=p_*")
        assert details[2].startswith("must be a column of a scoring request")
        found = await told(client, "multiclass", {"labels": "species", "probabilities": "p_"}, body)
        assert found.endswith('found none called "p_"; probabilities=p_* takes the 3 columns that begin so')


@pytest.mark.parametrize("as_text", [False, True])
async def test_names_without_classes_are_told_the_one_parameter(client: httpx.AsyncClient, *, as_text: bool) -> None:
    def body(columns: dict[str, Any]) -> tuple[str, str, bytes]:
        return ("csv", "", text(columns)) if as_text else ("parquet", "", parquet_file(columns, 5))

    words = "/classes: must give the class names in column order when labels are names, such as "
    frame = body({"species": NAMES, **BY_NAME})
    by_columns = (
        f"{words}setosa,versicolor,virginica; classes=auto in the query takes the names from those of the columns"
    )
    assert await told(client, "multiclass", MULTI, frame) == by_columns
    listed = {"labels": "species", "probabilities": "p_setosa,p_versicolor,p_virginica"}
    assert await told(client, "multiclass", listed, frame) == by_columns
    assert (await ask(client, "multiclass", MULTI | {"classes": "auto"}, frame)).status_code == 200
    numbered = body({"species": NAMES, **{f"p_{j}": P[:, j].tolist() for j in range(3)}})
    assert (await told(client, "multiclass", MULTI, numbered)).endswith("; classes=a,b in the query lists them")
    answers = body({"outcome": ["yes", "no"] * 6, "score": [0.5] * 12})
    found = await told(client, "binary", SCORE, answers)
    assert found == f"{words}no,yes; classes=a,b in the query lists them, the negative one first"
    assert (await told(client, "binary", SCORE | {"classes": "auto"}, answers)).startswith("/classes: must list the n")


CATEGORIES = {
    "sorted": pa.DictionaryArray.from_arrays(pa.array(Y, pa.int8()), SPECIES),
    "ordered": pa.DictionaryArray.from_arrays(pa.array(2 - Y, pa.uint8()), SPECIES[::-1], ordered=True),
    "views": pa.DictionaryArray.from_arrays(pa.array(Y, pa.uint32()), pa.array(SPECIES, pa.string_view())),
    "large": pa.DictionaryArray.from_arrays(pa.array(Y, pa.int32()), pa.array(SPECIES, pa.large_string())),
}


@pytest.mark.parametrize("name", CATEGORIES)
async def test_auto_takes_the_categories_of_the_labels_in_their_order(name: str, client: httpx.AsyncClient) -> None:
    labels = CATEGORIES[name]
    order = labels.dictionary.to_pylist()
    plain = {"labels": NAMES, "classes": order, "probabilities": P.tolist()}
    rows = [pa.table({"species": labels, "proba": LISTS})]
    rows.append(pa.table({"species": labels, **{f"p_{j}": P[:, j] for j in range(3)}}))
    for table, prediction in zip(rows, ("proba", "p_*"), strict=True):
        query = {"labels": "species", "probabilities": prediction}
        bodies = [("arrow", "", stream(table))] if name == "views" else typed(table)  # which are in no Parquet
        for body in bodies:
            assert (await told(client, "multiclass", query, body)).endswith(
                "; classes=auto in the query takes the categories of the labels, in their order"
            )
            assert await answer(client, "multiclass", query | {"classes": "auto"}, body) == await expected(
                client, "multiclass", plain
            )


async def test_categories_of_two_classes(client: httpx.AsyncClient) -> None:
    flags = pa.array((Y == 1).astype(np.int8))
    table = pa.table({"outcome": pa.DictionaryArray.from_arrays(flags, ["no", "yes"]), "score": P[:, 1]})
    plain = {"labels": [["no", "yes"][flag] for flag in flags.to_pylist()], "classes": ["no", "yes"]}
    for body in typed(table):
        found = await answer(client, "binary", SCORE | {"classes": "auto"}, body)
        assert found == await expected(client, "binary", plain | {"probabilities": P[:, 1].tolist()})


async def test_names_of_columns_come_before_categories(client: httpx.AsyncClient) -> None:
    table = pa.table({"species": CATEGORIES["ordered"], **BY_NAME})
    for body in typed(table):
        found = await answer(client, "multiclass", MULTI | {"classes": "auto"}, body)
        assert found["options"]["classes"] == SPECIES


async def test_categories_that_are_numbers(client: httpx.AsyncClient) -> None:
    codes = pa.DictionaryArray.from_arrays(pa.array(Y, pa.int8()), pa.array([10, 20, 30]))
    body = ("arrow", "", stream(pa.table({"species": codes, "proba": LISTS})))
    query = {"labels": "species", "probabilities": "proba", "classes": "auto"}
    found = await answer(client, "multiclass", query, body)
    assert found["options"]["classes"] == ["10", "20", "30"]
    dates = pa.DictionaryArray.from_arrays(pa.array(Y, pa.int8()), pa.array([1, 2, 3], pa.date32()))
    body = ("arrow", "", stream(pa.table({"species": dates, "proba": LISTS})))
    assert (await told(client, "multiclass", query, body)).startswith("/labels: must be integers, booleans or strings")


WHOLE = {
    "doubles": pa.array((Y == 1).astype(float)),
    "floats": pa.array((Y == 1).astype(np.float32)),
    "decimal(1, 0)": pa.array(list(map(Decimal, (Y == 1).astype(int).tolist())), pa.decimal128(1, 0)),
    "decimal(38, 0)": pa.array(list(map(Decimal, (Y == 1).astype(int).tolist())), pa.decimal128(38, 0)),
    "decimal(3, 1)": pa.array(list(map(Decimal, (Y == 1).astype(int).tolist())), pa.decimal128(3, 1)),
}


@pytest.mark.parametrize("name", WHOLE)
async def test_labels_may_be_whole_numbers_of_any_type(name: str, client: httpx.AsyncClient) -> None:
    """R writes what is no factor so, Spark its indices, DuckDB its sums, and pandas a column that once had a gap."""
    plain = await expected(client, "binary", {"labels": BINARY["outcome"], "probabilities": BINARY["score"]})
    for body in typed(pa.table({"outcome": WHOLE[name], "score": BINARY["score"]})):
        assert await answer(client, "binary", SCORE, body) == plain
    if name in ("doubles", "floats"):
        frame = {"outcome": WHOLE[name].to_pylist(), "score": BINARY["score"]}
        bodies = [("ndjson", "", lines(frame)), ("csv", "", text(frame)), ("npz", "", archive(frame))]
        for body in bodies:
            assert await answer(client, "binary", SCORE, body) == plain


async def test_labels_with_a_fraction_are_named_and_a_missing_one_too(client: httpx.AsyncClient) -> None:
    frame: dict[str, list[Any]] = {"outcome": [1.0, 0.0, 0.5], "score": [0.5] * 3}
    for body in (*typed(pa.table(frame)), ("ndjson", "", lines(frame)), ("npz", "", archive(frame))):
        found = await told(client, "binary", SCORE, body)
        assert found.startswith("/labels/2: must be an integer")
        assert "soft or one-hot labels are `targets`" in found
        assert found.endswith('(column "outcome")')
    for body in typed(pa.table({"outcome": [1.0, None, 0.0], "score": [0.5] * 3})):
        assert (await told(client, "binary", SCORE, body)).startswith(f"/labels/1: {NULL}")


async def test_labels_that_are_missing_may_be_masked(client: httpx.AsyncClient) -> None:
    plain = await expected(
        client, "binary", {"labels": [1, 0, 0], "probabilities": [0.5] * 3, "mask": [True, False, True]}
    )
    columns: dict[str, list[Any]] = {
        "outcome": [1.0, float("nan"), 0.0],
        "score": [0.5] * 3,
        "mask": [True, False, True],
    }
    for body in (*typed(pa.table(columns)), ("npz", "", archive(columns))):
        assert await answer(client, "binary", SCORE, body) == plain


async def test_clusters_by_decimals_keep_every_digit(client: httpx.AsyncClient) -> None:
    far = [Decimal(10**30 + i // 2) for i in range(N)]
    table = pa.table({**BINARY, "who": pa.array(far, pa.decimal128(38, 0))})
    plain = {"labels": BINARY["outcome"], "probabilities": BINARY["score"], "cluster_id": list(map(str, far))}
    for body in typed(table):
        assert await answer(client, "binary", SCORE | {"cluster_id": "who"}, body) == await expected(
            client, "binary", plain
        )


async def test_files_of_arrow_are_read_as_the_stream_that_they_hold(client: httpx.AsyncClient) -> None:
    plain, body = await expected(client, "binary", {"labels": BINARY["outcome"], "probabilities": BINARY["score"]}), b""
    for compression in (None, "lz4", "zstd"):
        body = feather(pa.table(BINARY), compression)
        assert await answer(client, "binary", SCORE, ("arrow", "", body)) == plain
        response = await client.post(
            "/v1/score/binary/rows",
            params=SCORE,
            content=body,
            headers={"content-type": "application/vnd.apache.arrow.file"},
        )
        assert response.json() == plain
        for cut in (body[:-1], body[:-20], body[: len(body) // 2], body[:6]):
            assert (await ask(client, "binary", SCORE, ("arrow", "", cut))).status_code == 400
    for start in (b"ARROW2\0\0", b"ARROW1\0\1"):
        assert (await ask(client, "binary", SCORE, ("arrow", "", start + body[8:]))).status_code == 400
    response = await ask(client, "binary", SCORE, ("arrow", "", b"ARROW1\0\0\4\0\0\0" + body[8:]))
    assert "found a file without one: write the stream format (polars: write_ipc_stream)" in response.json()["detail"]
    response = await ask(client, "binary", SCORE, ("csv", "", body))
    assert "an Arrow file: send it as application/vnd.apache.arrow.stream" in response.json()["detail"]


async def test_columns_that_are_called_by_numbers(client: httpx.AsyncClient) -> None:
    """The names are those of `pandas.DataFrame(model.predict_proba(x))`."""
    frame = {"target": Y.tolist(), **{str(j): P[:, j].tolist() for j in range(3)}, **OTHERS}
    query = {"labels": "target", "probabilities": "0,1,2"}
    plain = await expected(client, "multiclass", {"labels": Y.tolist(), "probabilities": P.tolist()})
    for body in (("csv", "", text(frame)), ("arrow", "", arrow(frame, 5)), ("ndjson", "", lines(frame))):
        assert await answer(client, "multiclass", query, body) == plain
    for other in ({}, {"labels": "target", "probabilities": "p_*"}):
        response = await ask(client, "multiclass", other, ("csv", "", b"0.5,a,,1\n1,b,,0\n"))
        assert response.status_code == 400
        assert response.json()["detail"].startswith("must begin with a line of column names, such as labels,probabilit")
        assert 'Spark writes one with option("header", True)' in response.json()["detail"]


async def test_lines_may_leave_out_the_slice_that_is_null(client: httpx.AsyncClient) -> None:
    """Spark and R's jsonlite do so."""
    body, frames = b"", list[list[dict[str, Any]]]()
    frames += [{"s": "a"}, {}, {}], [{}, {}, {"s": "a"}], [{"s": "a"}, {"s": None}, {}]
    for rows in frames:
        body = "\n".join(json.dumps({"outcome": i % 2, "score": 0.5, **row}) for i, row in enumerate(rows)).encode()
        found = await answer(client, "binary", SCORE | {"slices": "s"}, ("ndjson", "", body))
        assert {name: part["n_scored"] for name, part in found["slices"]["s"].items()} == {"a": 1, "null": 2}
    found = await told(client, "binary", SCORE | {"sample_weight": "s"}, ("ndjson", "", body))
    assert found == "/s/2: must be a field of every row or of none, found none"


def vectors(kinds: list[int], rows: list[Any]) -> pa.Array:
    """Vectors of Spark's library for models."""
    fields = [
        pa.field("type", pa.int8(), nullable=False),
        pa.field("size", pa.int32()),
        pa.field("indices", pa.list_(pa.field("element", pa.int32(), nullable=False))),
        pa.field("values", pa.list_(pa.field("element", pa.float64(), nullable=False))),
    ]
    values: list[Any] = [{"type": kind, "values": row} for kind, row in zip(kinds, rows, strict=True)]
    return pa.array(values, pa.struct(fields))


async def test_vectors_of_spark_are_lists(client: httpx.AsyncClient) -> None:
    query = {"labels": "label", "probabilities": "probability"}
    plain = await expected(client, "multiclass", {"labels": Y.tolist(), "probabilities": P.tolist()})
    table = pa.table({"label": Y.astype(float), "probability": vectors([1] * N, P.tolist())})
    for body in typed(table):
        assert await answer(client, "multiclass", query, body) == plain
    sparse = pa.table({"label": [0.0, 1.0], "probability": vectors([1, 0], [[0.5, 0.5], [1.0]])})
    for body in typed(sparse):
        found = await told(client, "multiclass", query, body)
        assert found == (
            "/probabilities: must hold dense vectors, found a sparse one; Spark makes lists of both by vector_to_array"
        )


SPARK: dict[str, dict[str, Any]] = {
    "snappy, INT96 of times": {"compression": "snappy", "use_deprecated_int96_timestamps": True},
    "version 2, deltas": {"data_page_version": "2.0", "use_dictionary": False, "column_encoding": "PLAIN"},
    "zstd, no schema of Arrow": {"compression": "zstd", "store_schema": False},
    "gzip, small pages": {"compression": "gzip", "data_page_size": 64},
}


@pytest.mark.parametrize("name", SPARK)
async def test_layouts_of_parquet_that_others_write(name: str, client: httpx.AsyncClient) -> None:
    times = pa.array([None if i % 4 == 0 else i * 3_600_000_000_000 for i in range(N)], pa.timestamp("ns"))
    counts = pa.array([None if i % 5 == 0 else i % 2 for i in range(N)], pa.int64())
    columns: dict[str, Any] = {"species": NAMES, **BY_NAME, "when": times, "count": counts, **OTHERS}
    table = pa.table(columns)
    query = MULTI | {"classes": "auto", "slices": "when,count"}
    found = await answer(client, "multiclass", query, ("parquet", "", file(table, **SPARK[name])))
    assert list(found["slices"]["count"]) == ["0", "1", "null"]
    assert found["slices"]["when"]["null"]["n_scored"] == 3
    plain = await expected(client, "multiclass", {"labels": NAMES, "classes": SPECIES, "probabilities": P.tolist()})
    assert found["metrics"] == plain["metrics"]


async def test_tables_of_r(client: httpx.AsyncClient) -> None:
    shares = [",".join(map(repr, row)) for row in P.tolist()]
    rows = [
        f'"{i + 1}","{NAMES[i]}",{shares[i]},{"TRUE" if Y[i] else "FALSE"},{("NA", 1)[i % 2]},{Y[i] + 1}\n'
        for i in range(N)
    ]
    body = ('"","species","setosa","versicolor","virginica","flag","site","code"\n' + "".join(rows)).encode()
    query = {"labels": "species", "probabilities": "setosa,versicolor,virginica", "classes": "auto", "slices": "site"}
    found = await answer(client, "multiclass", query, ("csv", "", body))
    plain = await expected(client, "multiclass", {"labels": NAMES, "classes": SPECIES, "probabilities": P.tolist()})
    assert found["metrics"] == plain["metrics"]
    assert list(found["slices"]["site"]) == ["1", "NA"]
    flags = await answer(client, "binary", {"labels": "flag", "probabilities": "virginica"}, ("csv", "", body))
    assert flags["n_scored"] == N
    codes = await told(
        client, "multiclass", {"labels": "code", "probabilities": query["probabilities"]}, ("csv", "", body)
    )
    assert "these look 1-based: send them less 1, as 0 to 2; classes=1,2,3 in the query takes them as names" in codes
    codes_query = {"labels": "code", "probabilities": query["probabilities"], "classes": "1,2,3"}
    assert (await answer(client, "multiclass", codes_query, ("csv", "", body)))["metrics"] == plain["metrics"]
