"""Columns by name: frames of other names than ours are scored in every format, and errors say what to add."""

import csv
import io
import json
from decimal import Decimal
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from app.api.negotiation.formats import FORMATS
from tests.encoded import compressed

pytestmark = pytest.mark.anyio

N = 24
RNG = np.random.default_rng(13)
P = RNG.dirichlet(np.ones(3), N)
Y = RNG.integers(0, 3, N)
ANIMALS = np.array(["ant", "bee", "cat"])
OTHERS: dict[str, Any] = {f"feature {i}": RNG.normal(size=N).tolist() for i in range(17)}
OTHERS |= {"n_bytes": ["none"] * N, "id": [f"2026-11-30T12:00:{i:02}" for i in range(N)], "note": ['say "hi", you'] * N}
Frame = dict[str, list[Any]]


def frame(y: list[Any], names: list[str], **more: list[Any]) -> Frame:
    """A frame with a column of probabilities a class, out of order, among twenty others."""
    columns = {name: P[:, j].tolist() for j, name in enumerate(names)}
    return {"y": y, **{name: columns[name] for name in reversed(names)}, **more, **OTHERS}


def arrow(rows: Frame, size: int, compression: str | None = None) -> bytes:
    table, out = pa.table(rows), io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(out, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=size)
    return out.getvalue()


def parquet_file(rows: Frame, size: int) -> bytes:
    out = io.BytesIO()
    parquet.write_table(pa.table(rows), out, row_group_size=size)
    return out.getvalue()


def text(rows: Frame) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["", *rows])
    writer.writerows([i, *row] for i, row in enumerate(zip(*rows.values(), strict=True)))
    return out.getvalue().encode()


def lines(rows: Frame) -> bytes:
    return "\n".join(json.dumps(dict(zip(rows, row, strict=True))) for row in zip(*rows.values(), strict=True)).encode()


def archive(rows: Frame) -> bytes:
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **{name: np.array(values) for name, values in rows.items()})
    return out.getvalue()


def written(rows: Frame) -> list[tuple[str, str, bytes]]:
    """The format, the compression and the bytes of each way to write a frame."""
    plain = [
        ("arrow", arrow(rows, 5)),
        ("arrow", arrow(rows, 1000, "zstd")),
        ("parquet", parquet_file(rows, 7)),
        ("csv", text(rows)),
        ("ndjson", lines(rows)),
        ("npz", archive(rows)),
    ]
    packed = [(way, "gzip", compressed("gzip", body)) for way, body in plain]
    return [(way, "", body) for way, body in plain] + packed


async def ask(
    client: httpx.AsyncClient, task: str, query: dict[str, Any], body: tuple[str, str, bytes], noun: str = "score"
) -> httpx.Response:
    way, encoding, content = body
    headers = {"content-type": FORMATS[way].media_type} | ({"content-encoding": encoding} if encoding else {})
    return await client.post(f"/v1/{noun}/{task}/rows", params=query, content=content, headers=headers)


async def answers(client: httpx.AsyncClient, task: str, query: dict[str, Any], rows: Frame) -> dict[str, Any]:
    """The answer to a frame, which has the same bytes in every format."""
    found = [await ask(client, task, query, body) for body in written(rows)]
    assert {response.status_code for response in found} == {200}, [response.text for response in found]
    assert len({response.content for response in found}) == 1
    return found[0].json()  # type: ignore[no-any-return]


async def refusal(client: httpx.AsyncClient, task: str, query: dict[str, Any], rows: Frame) -> tuple[str, str, str]:
    """The first error of a frame, which has the same place and code in every format; the shortest of its details."""
    found = [(await ask(client, task, query, body)).json() for body in written(rows)]
    assert {problem["status"] for problem in found} == {422}, found
    errors = [problem["errors"][0] for problem in found]
    assert len({(error["pointer"], error["code"]) for error in errors}) == 1, errors
    return errors[0]["pointer"], errors[0]["code"], min((error["detail"] for error in errors), key=len)


async def expected(client: httpx.AsyncClient, task: str, body: dict[str, Any]) -> dict[str, Any]:
    response = await client.post(f"/v1/score/{task}", json=body)
    assert response.status_code == 200, response.text
    return response.json()  # type: ignore[no-any-return]


SOUND: dict[str, tuple[Frame, dict[str, Any], list[str]]] = {
    "strings": (frame(ANIMALS[Y].tolist(), ["p_ant", "p_bee", "p_cat"]), {"classes": "ant,bee,cat"}, list(ANIMALS)),
    "named after the classes": (
        frame(ANIMALS[Y].tolist(), ["ant", "bee", "cat"]),
        {"probabilities": "ant,bee,cat", "classes": "auto"},
        list(ANIMALS),
    ),
    "several parameters": (
        frame(ANIMALS[Y].tolist(), ["a,nt", "bee", "cat"]),
        {"probabilities": ["a,nt", "bee", "cat"], "classes": ["ant", "bee", "cat"]},
        list(ANIMALS),
    ),
    "integers": (frame((Y + 1).tolist(), ["p_1", "p_2", "p_3"]), {"classes": "auto"}, ["1", "2", "3"]),
    "integers that are listed": (
        frame((Y * 7).tolist(), ["p_0", "p_7", "p_14"]),
        {"classes": "0,7,14"},
        ["0", "7", "14"],
    ),
    "with an end": (
        frame(ANIMALS[Y].tolist(), ["p_ant_v2", "p_bee_v2", "p_cat_v2"]),
        {"probabilities": "p_*_v2", "classes": ["ant", "bee", "cat"]},
        list(ANIMALS),
    ),
}


@pytest.mark.parametrize("name", SOUND)
async def test_a_frame_is_scored_in_every_format(name: str, client: httpx.AsyncClient) -> None:
    rows, query, classes = SOUND[name]
    found = await answers(client, "multiclass", {"labels": "y", "probabilities": "p_*", **query}, rows)
    labels = np.array(classes)[Y].tolist()
    assert found == await expected(
        client, "multiclass", {"labels": labels, "classes": classes, "probabilities": P.tolist()}
    )


async def test_positions_and_numbered_columns_need_no_names(client: httpx.AsyncClient) -> None:
    plain = await expected(client, "multiclass", {"labels": Y.tolist(), "probabilities": P.tolist()})
    rows = frame(Y.tolist(), ["probabilities_0", "probabilities_1", "probabilities_2"])
    assert await answers(client, "multiclass", {"labels": "y"}, rows) == plain
    rows = frame(Y.tolist(), ["p_0", "p_1", "p_2"])
    assert await answers(client, "multiclass", {"labels": "y", "probabilities": "p_*"}, rows) == plain
    own = {"labels": Y.tolist(), **{f"probabilities_{j}": P[:, j].tolist() for j in range(3)}}
    assert await answers(client, "multiclass", {}, own) == plain


async def test_booleans_are_names_by_their_text(client: httpx.AsyncClient) -> None:
    flags, pair = (Y > 0).tolist(), np.stack([P[:, 0], 1.0 - P[:, 0]], axis=1)
    rows = {"y": flags, "p_True": pair[:, 1].tolist(), "p_False": pair[:, 0].tolist(), **OTHERS}
    query = {"labels": "y", "probabilities": "p_*", "classes": "auto"}
    found = await answers(client, "multiclass", query | {"classes": "False,True"}, rows)
    assert found["options"]["classes"] == ["False", "True"]
    plain = await expected(
        client, "multiclass", {"labels": [int(flag) for flag in flags], "probabilities": pair.tolist()}
    )
    assert found["metrics"] == plain["metrics"]
    in_file_order = await answers(client, "multiclass", query, rows)
    assert in_file_order["options"]["classes"] == ["True", "False"]
    assert in_file_order["metrics"]["accuracy"] == plain["metrics"]["accuracy"]
    binary = await answers(client, "binary", {"labels": "y", "probabilities": "p_True", "classes": "auto"}, rows)
    assert binary == await expected(client, "binary", {"labels": flags, "probabilities": pair[:, 1].tolist()})


async def test_every_field_can_have_another_name(client: httpx.AsyncClient) -> None:
    kept, weight = (RNG.random(N) < 0.7).tolist(), RNG.random(N).tolist()
    groups, sites = RNG.integers(0, 5, N).tolist(), RNG.choice(["north", "south"], N).tolist()
    rows = frame(Y.tolist(), ["p_0", "p_1", "p_2"], kept=kept, w=weight, patient=groups, site=sites, sex=groups)
    query = {"labels": "y", "probabilities": "p_*", "sample_weight": "w", "cluster_id": "patient", "mask": "kept"}
    found = await answers(client, "multiclass", query | {"slices": "site,sex"}, rows)
    body = {"labels": Y.tolist(), "probabilities": P.tolist(), "sample_weight": weight, "cluster_id": groups}
    slices = {"site": sites, "sex": groups}
    assert found == await expected(client, "multiclass", body | {"mask": kept, "slices": slices})
    by_pattern = await answers(client, "multiclass", query | {"slices": "s*"}, rows)
    assert by_pattern["slices"] == found["slices"]


async def test_several_fields_have_one_order_of_classes(client: httpx.AsyncClient) -> None:
    targets, logits = RNG.dirichlet(np.ones(3), N), RNG.normal(size=(N, 3))
    rows = {f"t_{name}": targets[:, j].tolist() for j, name in ((2, "cat"), (0, "ant"), (1, "bee"))}
    rows |= {f"z_{name}": logits[:, j].tolist() for j, name in enumerate(ANIMALS)}
    found = await answers(client, "distributions", {"targets": "t_*", "logits": "z_*"}, rows)
    assert found == await expected(client, "distributions", {"targets": targets.tolist(), "logits": logits.tolist()})
    wrong = {name.replace("t_ant", "t_emu"): values for name, values in rows.items()}
    pointer, _, detail = await refusal(client, "distributions", {"targets": "t_*", "logits": "z_*"}, wrong)
    assert (pointer, 'found none for "ant"' in detail) == ("/targets", True)


REFUSED: dict[str, tuple[str, dict[str, Any], tuple[str, str], str]] = {
    "a name that is missing": ("multiclass", {"labels": "Y", "probabilities": "p_*"}, ("/labels", "missing"), '"y"?'),
    "a name that is like none": ("multiclass", {"labels": "xxxx"}, ("/labels", "missing"), "the body has "),
    "no name": ("multiclass", {"labels": "y,"}, ("/labels", "missing"), "found no name"),
    "a pattern for nothing": (
        "multiclass",
        {"probabilities": "q_*"},
        ("/probabilities", "missing"),
        'found none like "q_*"',
    ),
    "two stars": ("multiclass", {"probabilities": "*_*"}, ("/probabilities", "out_of_range"), "found several"),
    "a column twice": (
        "multiclass",
        {"labels": "y", "probabilities": "p_ant,p_ant"},
        ("/probabilities", "duplicate"),
        "twice",
    ),
    "classes that do not fit": (
        "multiclass",
        {"labels": "y", "probabilities": "p_*", "classes": "ant,bee,dog"},
        ("/probabilities", "missing"),
        'found none for "dog"; probabilities=a,b and so on',
    ),
    "fewer classes": (
        "multiclass",
        {"labels": "y", "probabilities": "p_*", "classes": "ant,bee"},
        ("/probabilities", "unknown_field"),
        'found "p_cat", which is of none',
    ),
    "names without classes": (
        "multiclass",
        {"labels": "y", "probabilities": "p_*"},
        ("/classes", "missing"),
        "classes=auto in the query",
    ),
    "no truth": ("multiclass", {"probabilities": "p_*"}, ("", "missing"), "as in labels=y"),
    "no prediction": ("multiclass", {"labels": "y"}, ("", "missing"), "as in probabilities=p_*"),
    "nothing but ours": ("multiclass", {"extra_columns": "ignore"}, ("", "missing"), "in the query, as in labels="),
    "several for one": (
        "binary",
        {"labels": "y", "probabilities": "p_bee,p_cat"},
        ("/probabilities", "duplicate"),
        "positive class, as in probabilities=p_cat",
    ),
    "several labels": ("multiclass", {"labels": "p_*", "probabilities": "y"}, ("/labels", "duplicate"), "found 3"),
    "extra columns": (
        "multiclass",
        {"labels": "y", "probabilities": "p_*", "extra_columns": "error"},
        ("/feature 0", "unknown_field"),
        "extra_columns=ignore",
    ),
    "neither of two": ("multiclass", {"extra_columns": "no"}, ("/extra_columns", "out_of_range"), "ignore or error"),
    "auto without names": (
        "multiclass",
        {"labels": "y", "probabilities": "feature 0", "classes": "auto"},
        ("/classes", "missing"),
        "as in probabilities=p_*",
    ),
    "a wrong value": (
        "multiclass",
        {"labels": "y", "probabilities": "p_ant,p_bee,feature 0", "classes": "ant,bee,cat"},
        ("/probabilities/0/2", "out_of_range"),
        '(column "feature 0")',
    ),
    "a field of another task": ("multiclass", {"n_bytes": "id"}, ("/n_bytes", "unknown_field"), "belongs to tokens"),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_an_error_names_field_and_column_and_says_what_to_do(name: str, client: httpx.AsyncClient) -> None:
    task, query, place, words = REFUSED[name]
    rows = frame(ANIMALS[Y].tolist(), ["p_ant", "p_bee", "p_cat"]) | {"feature 0": [7.0] * N}
    pointer, code, detail = await refusal(client, task, query, rows)
    assert (pointer, code) == place, detail
    assert words in detail


async def test_labels_that_count_from_1_may_be_names(client: httpx.AsyncClient) -> None:
    rows = frame((Y + 1).tolist(), ["p_1", "p_2", "p_3"])
    pointer, _, detail = await refusal(client, "multiclass", {"labels": "y", "probabilities": "p_*"}, rows)
    assert pointer.startswith("/labels/")
    assert "classes=auto in the query" in detail
    assert '(column "y")' not in detail


async def test_a_name_that_the_query_gives_away_is_extra(client: httpx.AsyncClient) -> None:
    rows = frame(Y.tolist(), ["p_0", "p_1", "p_2"], labels=["x"] * N, logits=["x"] * N, targets=["x"] * N)
    query = {"labels": "y", "probabilities": "p_*"}
    found = await answers(client, "multiclass", query, rows)
    assert found["n_scored"] == N
    own = {name: rows[name] for name in ("y", "p_0", "p_1", "p_2", "labels")}
    pointer, _, detail = await refusal(client, "multiclass", query | {"extra_columns": "error"}, own)
    assert (pointer, "names another column" in detail) == ("/labels", True)


async def test_an_index_is_no_column_unless_the_query_names_it(client: httpx.AsyncClient) -> None:
    sound: Frame = {"labels": [0, 1, 1], "probabilities": [0.25, 0.5, 0.75]}
    plain = await expected(client, "binary", sound)
    for name in ("__index_level_0__", "Unnamed: 0"):
        assert await answers(client, "binary", {}, {name: [5, 6, 6], **sound}) == plain
        clustered = await answers(client, "binary", {"cluster_id": name}, {name: [5, 6, 6], **sound})
        assert clustered == await expected(client, "binary", sound | {"cluster_id": [5, 6, 6]})
    notes = {b"pandas": b'{"index_columns": ["patient"]}'}
    out = io.BytesIO()
    parquet.write_table(pa.table({"patient": [5, 6, 6], **sound}).replace_schema_metadata(notes), out)
    for query in ({}, {"cluster_id": "patient"}):
        response = await ask(client, "binary", query, ("parquet", "", out.getvalue()))
        assert response.status_code == 200, response.text


async def test_columns_of_no_use_are_not_decoded(client: httpx.AsyncClient) -> None:
    """A list, a struct, a column twice and names with dots stand beside; pages that nobody reads may be broken."""
    plain = {"y": [0, 1, 1], "p": [0.25, 0.5, 0.75], "p.a": [1, 2, 3]}
    beside = [pa.array([[1], [], None]), pa.array([{"q": 1}] * 3), pa.array(["x" * 5000] * 3)]
    arrays = [pa.array(values) for values in plain.values()] + beside + [pa.array([1, 2, 3])] * 2
    table = pa.Table.from_arrays(arrays, [*plain, "list", "struct", "broken", "twice", "twice"])
    out, stream = io.BytesIO(), io.BytesIO()
    parquet.write_table(table, out, compression="none", use_dictionary=False)
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    bodies = [("parquet", out.getvalue().replace(b"x" * 5000, b"\xff" * 5000)), ("arrow", stream.getvalue())]
    query = {"labels": "y", "probabilities": "p"}
    for way, body in bodies:
        response = await ask(client, "binary", query, (way, "", body))
        assert response.status_code == 200, response.text
        assert response.json()["n_scored"] == 3
        twice = (await ask(client, "binary", query | {"slices": "twice"}, (way, "", body))).json()
        assert [error["code"] for error in twice["errors"]] == ["duplicate"]


async def test_lines_may_lack_what_is_not_read(client: httpx.AsyncClient) -> None:
    rows = [{"y": 1, "p": 0.5, "site": "a"}, {"y": 0, "p": 0.25, "more": [1]}, {"y": 1, "p": 0.75, "site": "b"}]
    body = "\n".join(map(json.dumps, rows)).encode()
    query = {"labels": "y", "probabilities": "p"}
    assert (await ask(client, "binary", query, ("ndjson", "", body))).json()["n_scored"] == 3
    problem = (await ask(client, "binary", query | {"cluster_id": "site"}, ("ndjson", "", body))).json()
    assert problem["errors"][0]["pointer"] == "/site/1"
    problem = (await ask(client, "binary", query | {"extra_columns": "error"}, ("ndjson", "", body))).json()
    assert problem["errors"][0]["pointer"] == "/site"


SLICES: dict[str, tuple[list[Any], list[str]]] = {
    "strings and null": (["b", None, "a", "b"], ["a", "b", "null"]),
    "integers and null": ([10, 9, None, 9], ["9", "10", "null"]),
    "numbers": ([0.5, 1e-05, 0.5, 2.0], ["0.5", "1e-05", "2.0"]),
    "booleans and null": ([True, None, False, True], ["false", "null", "true"]),
    "null alone": ([None, None, None, None], ["null"]),
    "null first": ([None, None, 3, 4], ["3", "4", "null"]),
}


@pytest.mark.parametrize("name", SLICES)
async def test_null_and_numbers_are_slices_by_their_text(name: str, client: httpx.AsyncClient) -> None:
    values, names = SLICES[name]
    n = 3
    rows: Frame = {"labels": [1, 0, 1, 0] * n, "probabilities": [0.5, 0.25, 0.75, 0.125] * n, "group": values * n}
    bodies = [("arrow", "", arrow(rows, size)) for size in (1, 5, 100)]
    bodies += [("parquet", "", parquet_file(rows, 2)), ("ndjson", "", lines(rows)), ("csv", "", cells(rows))]
    bodies += [] if None in values else [("npz", "", archive(rows))]
    for more in ({}, {"metrics": "roc_auc"}, {"cluster_id": "labels"}):
        found = [await ask(client, "binary", {"slices": "group", **more}, body) for body in bodies]
        assert {response.status_code for response in found} == {200}, [response.text for response in found]
        assert len({response.content for response in found}) == 1
        assert list(found[0].json()["slices"]["group"]) == names


def cells(rows: Frame) -> bytes:
    """CSV in which nothing stands for null."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(rows)
    writer.writerows(["" if value is None else value for value in row] for row in zip(*rows.values(), strict=True))
    return out.getvalue().encode()


TIMES = [f"2026-11-30 {time}" if time else None for time in ("00:00:00", "", "12:30:00", "00:00:00")]
TYPED = {
    "date": (pa.array([t and t[:10] for t in TIMES]).cast(pa.date32()), ["2026-11-30", "null"]),
    "time": (pa.array(TIMES).cast(pa.timestamp("ns")), ["2026-11-30", "2026-11-30 12:30:00", "null"]),
    "decimal": (pa.array([Decimal("1.50"), None, Decimal("2.00"), None]), ["1.50", "2.00", "null"]),
    "large string": (pa.array(["b", None, "a", "b"], pa.large_string()), ["a", "b", "null"]),
    "view": (pa.array(["b", None, "a", "b"], pa.string_view()), ["a", "b", "null"]),
    "categories": (pa.array(["b", None, "a", "b"]).dictionary_encode(), ["a", "b", "null"]),
    "categories of numbers": (pa.array([7, None, 8, 7]).dictionary_encode(), ["7", "8", "null"]),
    "small numbers": (pa.array([0.1, None, 2.5, 0.1], pa.float32()), ["0.1", "2.5", "null"]),
    "nothing": (pa.nulls(4), ["null"]),
}


@pytest.mark.parametrize("name", TYPED)
async def test_every_type_of_a_frame_is_a_slice(name: str, client: httpx.AsyncClient) -> None:
    values, names = TYPED[name]
    table = pa.table({"labels": [1, 0, 1, 0], "probabilities": [0.5, 0.25, 0.75, 0.125], "group": values})
    stream, file = io.BytesIO(), io.BytesIO()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)
    parquet.write_table(table, file, row_group_size=2)
    for way, body in (("arrow", stream), ("parquet", file)):
        response = await ask(client, "binary", {"slices": "group"}, (way, "", body.getvalue()))
        assert response.status_code == 200, response.text
        assert list(response.json()["slices"]["group"]) == names, way


async def test_values_of_several_types_are_no_slice(client: httpx.AsyncClient) -> None:
    rows: Frame = {"labels": [1, 0, 1], "probabilities": [0.5] * 3, "group": ["a", 1, None]}
    problem = (await ask(client, "binary", {"slices": "group"}, ("ndjson", "", lines(rows)))).json()
    assert [error["pointer"] for error in problem["errors"]] == ["/slices/group/1"]


async def test_decimals_are_numbers(client: httpx.AsyncClient) -> None:
    exact = ["0.1", "0.7", "0.30000000000000004"]
    table = pa.table({"labels": [1, 0, 1], "p": pa.array(list(map(Decimal, exact)), pa.decimal128(20, 17))})
    out = io.BytesIO()
    parquet.write_table(table, out)
    response = await ask(client, "binary", {"probabilities": "p"}, ("parquet", "", out.getvalue()))
    plain = {"labels": [1, 0, 1], "probabilities": [0.1, 0.7, 0.30000000000000004]}
    assert response.json() == await expected(client, "binary", plain)
