"""Data sets at fault: the problem names the file, and the row if one is to blame; skipped rows change nothing else."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pytest
from pyarrow import parquet

from app.errors import FaultyFile, InvalidInput, SourceChanged, SurprisalError, TooLarge
from app.jobs.adding import answer
from app.jobs.planning import plan
from app.jobs.requests import Bounds, JobRequest
from app.jobs.scoring import scored, scoring_of
from app.service import score
from tests.jobs.data_sets import job, text

N = 400
BAD = {3: ("labels", None), 57: ("p_1", 7.0), 58: ("p_0", float("nan")), 200: ("labels", 9), 399: ("p_2", -4.0)}
QUERY = b"labels=labels&probabilities=p_*&include=worst"


def rows() -> dict[str, list[Any]]:
    rng = np.random.default_rng(5)
    predictions = rng.dirichlet(np.ones(3), N)
    return {"labels": rng.integers(0, 3, N).tolist(), **{f"p_{j}": predictions[:, j].tolist() for j in range(3)}}


def written(folder: Path, columns: dict[str, list[Any]]) -> None:
    """A quarter of the rows in each format."""
    whole = pa.table({name: pa.array(values) for name, values in columns.items()})
    first, second, third, fourth = (whole.slice(start, 100) for start in range(0, N, 100))
    parquet.write_table(first, folder / "a.parquet", row_group_size=30)
    with pa.ipc.new_file(folder / "b.arrow", second.schema) as sink:
        sink.write_table(second, max_chunksize=17)
    (folder / "c.ndjson").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in third.to_pylist()))
    lines = [",".join(map(str, row.values())) for row in fourth.to_pylist()]
    (folder / "d.csv").write_text("\n".join([",".join(columns), *lines]))


def answered(request: JobRequest, bounds: Bounds) -> dict[str, Any]:
    made = plan(request, bounds)
    score_group = scoring_of(made, request, bounds)
    return answer(request, [scored(group, score_group).sums for group in made.groups])


@pytest.mark.parametrize("shard_bytes", [500, 10**6])
def test_skipped_rows_are_as_if_they_were_not_there(shard_bytes: int, tmp_path: Path) -> None:
    columns, bounds = rows(), Bounds((str(tmp_path),), shard_bytes=shard_bytes)
    faulty = {name: list(values) for name, values in columns.items()}
    for row, (name, value) in BAD.items():
        faulty[name][row] = value
    written(tmp_path, faulty)
    request = replace(job("multiclass", QUERY, tmp_path), on_error="skip", max_skipped_share=0.02)
    found = answered(request, bounds)
    skipped = found.pop("skipped")
    files = ["a.parquet", "b.arrow", "c.ndjson", "d.csv"]
    assert skipped["count"] == len(BAD)
    places = [(Path(row["file"]).name, row["row"]) for row in skipped["rows"]]
    assert places == [(files[row // 100], row % 100) for row in BAD]
    sound = [row for row in range(N) if row not in BAD]
    left = {
        "labels": np.array(columns["labels"])[sound],
        "probabilities": np.array([columns[f"p_{j}"] for j in range(3)]).T[sound],
    }
    assert text(found) == text(score(request.question.asked(left, None)))
    with pytest.raises(FaultyFile, match=r"at most a share of 0\.01 of rows"):
        answered(replace(request, max_skipped_share=0.01), bounds)


@pytest.mark.parametrize(
    ("row", "file"), [(99, "a.parquet"), (150, "b.arrow"), (277, "c.ndjson"), (390, "d.csv")], ids=str
)
def test_a_row_at_fault_is_told_by_file_and_row(row: int, file: str, tmp_path: Path) -> None:
    columns = rows()
    columns["p_1"][row] = 7.0
    written(tmp_path, columns)
    with pytest.raises(FaultyFile) as caught:
        answered(job("multiclass", QUERY, tmp_path), Bounds((str(tmp_path),), shard_bytes=500))
    assert (caught.value.file, caught.value.row) == (str(tmp_path / file), row % 100)
    assert caught.value.code == "invalid_input"
    assert isinstance(caught.value.cause, InvalidInput)
    assert caught.value.cause.errors[0].pointer == f"/probabilities/{row % 100}/1"


def _other_columns(path: Path) -> None:
    parquet.write_table(pa.table({"labels": [1], "q_0": [0.5], "q_1": [0.5]}), path / "b.parquet")


def _other_types(path: Path) -> None:
    parquet.write_table(pa.table({"labels": ["1"], **{f"p_{j}": [0.5] for j in range(3)}}), path / "b.parquet")


def _truncated(path: Path) -> None:
    (path / "b.parquet").write_bytes((path / "a.parquet").read_bytes()[:-100])


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: (path / "b.parquet").write_bytes(b""), "0 bytes"),
    "text": (lambda path: (path / "b.parquet").write_bytes(b"no Parquet at all"), "must be a whole Parquet file"),
    "truncated": (_truncated, "must be a whole Parquet file"),
    "no format": (lambda path: (path / "README").write_text("rows of May"), "must have a name that ends in"),
    "other columns": (_other_columns, "must"),
    "other types": (_other_types, "must hold values of one type"),
    "Arrow": (lambda path: (path / "b.arrow").write_bytes(b"ARROW1 and more"), "must be a whole Arrow file"),
    "gzip": (lambda path: (path / "b.csv.gz").write_bytes(b"labels,p_0"), "must be gzip"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_file_at_fault_is_named_before_anything_runs(fault: str, tmp_path: Path) -> None:
    columns = rows()
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    FAULTS[fault][0](tmp_path)
    with pytest.raises(SurprisalError, match=FAULTS[fault][1]) as caught:
        plan(job("multiclass", QUERY, tmp_path), Bounds((str(tmp_path),)))
    assert isinstance(caught.value, FaultyFile)
    assert Path(caught.value.file).name != "a.parquet"


def test_sources_without_files_and_with_too_many_are_refused(tmp_path: Path) -> None:
    parquet.write_table(pa.table(rows()), tmp_path / "a.parquet")
    for source in (tmp_path / "none.parquet", tmp_path / "*.csv"):
        with pytest.raises(InvalidInput, match="must name files that exist"):
            plan(job("multiclass", QUERY, source), Bounds((str(tmp_path),)))
    for number in range(200):
        (tmp_path / f"{number}.csv").write_text("labels\n")
    for source in (tmp_path, tmp_path / "*.csv", tmp_path / "*.arrow"):
        with pytest.raises(TooLarge, match="must have at most 10 files"):
            plan(job("multiclass", QUERY, source), Bounds((str(tmp_path),), max_files=10))


def test_a_file_that_changes_after_the_plan_ends_the_job(tmp_path: Path) -> None:
    parquet.write_table(pa.table(rows()), tmp_path / "a.parquet")
    request, bounds = job("multiclass", QUERY, tmp_path), Bounds((str(tmp_path),))
    made = plan(request, bounds)
    parquet.write_table(pa.table(rows()).slice(1), tmp_path / "a.parquet")
    with pytest.raises(SourceChanged, match="must stay as it was"):
        scored(made.groups[0], scoring_of(made, request, bounds))


@pytest.mark.parametrize(
    ("query", "place"),
    [(b"include=per_sample", "/include"), (b"metrics=roc_auc", "/metrics"), (b"bootstrap={}", "/bootstrap")],
    ids=str,
)
def test_what_needs_all_rows_at_once_is_refused_by_name(query: bytes, place: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("labels,probabilities\n1,0.5\n0,0.25\n")
    with pytest.raises(InvalidInput, match=place):
        plan(job("binary", query, tmp_path), Bounds((str(tmp_path),)))


def test_line_ends_within_quotes_are_refused_where_a_file_is_cut(tmp_path: Path) -> None:
    lines = [f'{i % 2},0.5,"a\n{i}"\n' for i in range(400)]
    (tmp_path / "a.csv").write_text("labels,probabilities,note\n" + "".join(lines))
    request = job("binary", b"labels=labels&probabilities=probabilities", tmp_path)
    assert answered(request, Bounds((str(tmp_path),)))["n_samples"] == 400
    with pytest.raises(FaultyFile, match="no line ends within quotes"):
        answered(request, Bounds((str(tmp_path),), shard_bytes=1_003))
