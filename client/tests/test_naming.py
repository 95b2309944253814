"""Columns by name: frames and files as people have them, whose columns have names of their own."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest

from surprisal_client import Client, InputError
from surprisal_client.exchange import Sent
from surprisal_client.sources import inputs
from tests.data import classes, events

LABELS, PROBABILITIES = classes(3000)
NAMES = np.array(["setosa", "virginica", "versicolor"])
FRAME = pd.DataFrame(
    {
        "outcome": pd.Categorical(NAMES[LABELS]),
        "site": pd.Series(["north" if label == 0 else None for label in LABELS], dtype=object),
    }
    | {f"p_{name}": PROBABILITIES[:, k] for k, name in enumerate(NAMES)}
    | {f"feature_{k}": np.arange(3000.0) for k in range(20)}
    | {"odd": LABELS % 2 == 1, "day": pd.date_range("2026-01-01", periods=3).repeat(1000)}
)
NAMED: dict[str, Any] = {"labels": "outcome", "probabilities": "p_*", "classes": "auto"}


@pytest.fixture(scope="module")
def expected(client: Client) -> Any:
    return client.score(labels=NAMES[LABELS], probabilities=PROBABILITIES, classes=list(NAMES)).cross_entropy


def test_a_frame_with_other_columns_is_scored_by_name(client: Client, expected: Any) -> None:
    found = client.score(FRAME, **NAMED, slices=["site", "odd", "day"], include=["slices"])
    assert (found.task, found.cross_entropy) == ("multiclass", expected)
    assert {name: len(parts) for name, parts in found.slices.items()} == {"site": 2, "odd": 2, "day": 3}
    listed = client.score(FRAME, labels="outcome", probabilities=[f"p_{name}" for name in NAMES], classes=list(NAMES))
    assert listed.cross_entropy == expected
    other = client.score(FRAME, labels="outcome", probabilities="p_*", classes=list(NAMES[::-1]))
    assert other.cross_entropy == expected


@pytest.mark.parametrize("form", [pl.from_pandas, pa.Table.from_pandas], ids=["Polars", "PyArrow"])
def test_frames_of_other_libraries_too(client: Client, form: Any, expected: Any) -> None:
    assert client.score(form(FRAME.drop(columns="site")), **NAMED).cross_entropy == expected


def test_files_and_batches_too(client: Client, tmp_path: Path, expected: Any) -> None:
    FRAME.to_parquet(tmp_path / "rows.parquet")
    FRAME.drop(columns=["site", "day"]).to_csv(tmp_path / "rows.csv", index=False)
    assert client.score(tmp_path / "rows.parquet", **NAMED).cross_entropy == expected
    assert client.score(tmp_path / "rows.csv", **NAMED).cross_entropy == expected
    batches = (FRAME.iloc[at : at + 500].astype({"outcome": str}) for at in range(0, 3000, 500))
    assert client.score(batches, **NAMED).cross_entropy == expected
    rows = FRAME[["outcome", *(f"p_{name}" for name in NAMES)]].astype({"outcome": str}).to_dict("records")
    assert client.score(iter(rows), **NAMED).cross_entropy == expected
    lines = FRAME.drop(columns=["day"]).to_json(orient="records", lines=True)
    (tmp_path / "rows.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    assert client.score(tmp_path / "rows.jsonl.gz", **NAMED).told.startswith("multiclass, as labels are (n,) and")


def test_candidates_are_columns_too(client: Client) -> None:
    y, good, bad = events(3000)
    expected = client.compare(labels=y, candidates={"a": bad, "b": good}, baseline="a").answer
    frame = pd.DataFrame({"y": y, "old": bad, "new": good, "other": 0.0})
    found = client.compare(frame, labels="y", candidates={"a": "old", "b": "new"}, baseline="a")
    assert (found.answer, found.told) == (expected, "binary, as labels are (n,) and probabilities (n,)")
    named = frame.set_axis(["labels", "candidates.a.probabilities", "candidates.b.probabilities", "x"], axis=1)
    assert client.compare(named.drop(columns="x"), baseline="a").answer == expected
    batches = (frame.iloc[at : at + 700] for at in range(0, 3000, 700))
    found = client.compare(batches, labels="y", candidates={"a": "old", "b": {"probabilities": "new"}}, baseline="a")
    assert found.answer == expected
    classes_of_both = {name: {"probabilities": "p_*"} for name in ("first", "second")}
    same = client.compare(FRAME, labels="outcome", candidates=classes_of_both, baseline="first", classes="auto")
    assert (same.task, same["second"].difference.value) == ("multiclass", 0)


def test_only_the_columns_that_are_named_are_sent(url: str) -> None:
    sent: list[Sent] = []
    with Client(url, on_progress=sent.append) as client:
        client.score(FRAME, **NAMED)
    assert sent[-1].n_bytes < 3000 * 4 * 8 + 4000


def test_one_column_is_a_value_a_row(client: Client) -> None:
    y, p, _ = events(300)
    found = client.score(pd.DataFrame({"y": y, "p": p, "z": 0}), labels="y", probabilities="p")
    assert (found.task, found.cross_entropy) == ("binary", client.score(y, p).cross_entropy)
    assert found.told == "binary, as labels are (n,) and probabilities (n,)"


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a missing column": (NAMED | {"labels": "outcom"}, r'labels: .* none called "outcom"; did you mean "outcome"\?'),
    "a pattern": (NAMED | {"probabilities": "q*q"}, r'probabilities: .* none like "q\*q"; there are outcome, site'),
    "an array": (NAMED | {"sample_weight": np.ones(3000)}, "sample_weight: must be the name of a column, or a list"),
}


@pytest.mark.parametrize(("fields", "told"), WRONG.values(), ids=WRONG)
def test_what_names_no_column_is_told_before_anything_is_sent(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        Client("http://127.0.0.1:1").score(FRAME, **fields)


def test_a_task_that_a_file_does_not_tell_must_be_named(tmp_path: Path) -> None:
    csv, archive = tmp_path / "rows.csv", tmp_path / "rows.npz"
    FRAME.to_csv(csv, index=False)
    np.savez(archive, labels=LABELS, probabilities=PROBABILITIES)
    client = Client("http://127.0.0.1:1")
    with pytest.raises(InputError, match=rf'{csv}: labels: must be a column, found none called "outcom"'):
        client.score(csv, **(NAMED | {"labels": "outcom"}))
    with pytest.raises(InputError, match=rf"{archive}: name the task, as task=\.\.\."):
        client.score(archive)
    csv.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=rf"{csv}: labels: must be a column, found none called"):
        client.score(csv, **NAMED)
    with pytest.raises(InputError, match='the first row: labels: must be a column, found none called "outcome"'):
        client.score(iter([{"y": 1, "p_0": 0.5}]), **NAMED)


def test_a_wrong_value_names_the_column(client: Client) -> None:
    wrong = FRAME.copy()
    wrong.loc[7, "p_virginica"] = 1.5
    with pytest.raises(InputError, match=r'probabilities\[7, 1\]: must lie in \[0, 1\], found 1.5.*"p_virginica"'):
        client.score(wrong, **NAMED)


def test_an_object_of_columns_may_be_named_too(client: Client, expected: Any) -> None:
    columns = {"outcome": NAMES[LABELS], "p": PROBABILITIES}
    found = client.score(columns, labels="outcome", probabilities="p", classes=list(NAMES))
    assert found.cross_entropy == expected
    assert inputs.source_of((columns,), {"labels": "outcome", "probabilities": "p"}).dimensions["labels"] == 1


UNWANTED: dict[str, Any] = {
    "mixed types": FRAME.assign(junk=[1, "a", None] * 1000),
    "objects": FRAME.assign(junk=[object()] * 3000),
    "doubled": pd.concat([FRAME, FRAME[["odd"]]], axis=1),
    "doubled, as a stream": pa.Table.from_pandas(FRAME).append_column("odd", pa.array(LABELS)).to_reader(),
    "not yet computed": pl.from_pandas(FRAME).lazy(),
}


@pytest.mark.parametrize("frame", UNWANTED.values(), ids=UNWANTED)
def test_columns_that_are_not_asked_for_may_hold_anything(client: Client, frame: Any) -> None:
    expected = client.score(FRAME, **NAMED).answer["metrics"]
    assert client.score(frame, **NAMED).answer["metrics"] == expected
    if isinstance(frame, pd.DataFrame):
        parts = (frame.iloc[at : at + 1000] for at in (0, 1000, 2000))
        assert client.score(parts, **NAMED).answer["metrics"] == expected


def test_columns_of_a_file_that_are_not_asked_for_may_be_doubled(client: Client, tmp_path: Path) -> None:
    table = pa.Table.from_pandas(FRAME)
    pa.parquet.write_table(table.append_column("odd", pa.array(LABELS)), tmp_path / "a.parquet")
    assert client.score(tmp_path / "a.parquet", **NAMED).cross_entropy == client.score(FRAME, **NAMED).cross_entropy


def test_columns_may_be_numbers_and_an_index(client: Client) -> None:
    frame = pd.DataFrame(PROBABILITIES).assign(y=LABELS)
    expected = client.score(LABELS, PROBABILITIES).cross_entropy
    assert client.score(frame, labels="y", probabilities=[0, 1, 2]).cross_entropy == expected
    assert client.score(frame, labels="y", probabilities=frame.columns[:3]).cross_entropy == expected
    with pytest.raises(InputError, match="labels: must be the name of a column"):
        client.score(frame, labels=frame["y"], probabilities=[0, 1, 2])


def test_months_and_bins_are_slices_by_their_text(client: Client) -> None:
    frame = FRAME.assign(month=FRAME["day"].dt.to_period("M"), bin=pd.cut(FRAME["feature_0"], [0, 1000, 3000]))
    slices = client.score(frame, **NAMED, slices=["month", "bin"]).slices
    assert slices["month"].keys() == {"2026-01"}
    assert slices["bin"].keys() == {"(0, 1000]", "(1000, 3000]", "null"}


@pytest.mark.parametrize("n_rows", [30, 3000])
def test_slices_beside_arrays_may_have_gaps_and_fractions(client: Client, n_rows: int) -> None:
    slices = {"site": FRAME["site"][:n_rows], "feature": FRAME["feature_0"][:n_rows] % 2 / 2}
    found = client.score(LABELS[:n_rows], PROBABILITIES[:n_rows], slices=slices).slices
    assert found["site"].keys() == {"north", "null"}
    assert found["feature"].keys() == {"0.0", "0.5"}
