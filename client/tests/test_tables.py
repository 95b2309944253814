"""Frames, batches, rows and files in: the same rows give the same number; errors name column, file and row."""

import gzip
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from surprisal_client import Client, InputError, MissingPackage
from tests.data import classes, documents, events

LABELS, PROBABILITIES = classes(3000)
COLUMNS = {"labels": LABELS} | {f"probabilities_{k}": PROBABILITIES[:, k] for k in range(3)}
FRAME = pd.DataFrame(COLUMNS)
TABLE = pa.table(COLUMNS)


@pytest.fixture(scope="module")
def expected(client: Client) -> Any:
    return client.score(LABELS, PROBABILITIES).cross_entropy.value


def rows() -> Iterator[dict[str, Any]]:
    for label, row in zip(LABELS.tolist(), PROBABILITIES.tolist(), strict=True):
        yield {"labels": label, "probabilities": row}


def parts(n_rows: int = 700) -> Iterator[slice]:
    return (slice(at, at + n_rows) for at in range(0, len(LABELS), n_rows))


SOURCES: dict[str, Callable[[], Any]] = {
    "a frame of pandas": lambda: FRAME,
    "a frame of pandas with an index": lambda: FRAME.set_index(pd.Index(range(3000), name="key")),
    "a frame of Polars": lambda: pl.DataFrame(COLUMNS),
    "a table of PyArrow": lambda: TABLE,
    "a record batch": lambda: TABLE.to_batches()[0],
    "a reader of record batches": lambda: TABLE.to_reader(max_chunksize=500),
    "an object of arrays": lambda: COLUMNS | {},
    "record batches": lambda: iter(TABLE.to_batches(max_chunksize=700)),
    "frames of pandas": lambda: (FRAME.iloc[part] for part in parts()),
    "pairs of arrays": lambda: ((LABELS[part], PROBABILITIES[part]) for part in parts()),
    "objects of arrays": lambda: ({"labels": LABELS[part], "probabilities": PROBABILITIES[part]} for part in parts()),
    "a list of batches": lambda: TABLE.to_batches(max_chunksize=700),
    "rows": rows,
}


@pytest.mark.parametrize("source", SOURCES.values(), ids=SOURCES)
def test_rows_in_any_form_give_the_same_bits(client: Client, source: Callable[[], Any], expected: float) -> None:
    given = {"labels": LABELS, "probabilities": PROBABILITIES} if source is SOURCES["an object of arrays"] else source()
    assert client.score(given).cross_entropy.value == expected


def test_documents_of_uneven_length_are_rows(client: Client) -> None:
    texts = documents(1000)
    whole = client.score(log_probabilities=texts, n_bytes=[7] * 1000)
    arriving = client.score({"log_probabilities": text, "n_bytes": 7} for text in texts)
    assert arriving.bits_per_byte == whole.bits_per_byte
    arrays = client.score({"log_probabilities": np.array(text)} for text in texts)
    assert arrays.cross_entropy == whole.cross_entropy


def write_csv(folder: Path) -> list[Path]:
    paths = [folder / f"part-{number}.csv" for number in range(5)]
    for path, part in zip(paths, parts(), strict=True):
        FRAME.iloc[part].to_csv(path, index=False)
    paths[1].write_text(paths[1].read_text().rstrip("\n"))
    paths[2].write_bytes(b"\xef\xbb\xbf" + paths[2].read_bytes().replace(b"\n", b"\r\n"))
    return paths


def write_gzip(folder: Path) -> list[Path]:
    paths = write_csv(folder)
    for path in paths:
        path.with_suffix(".csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    return [path.with_suffix(".csv.gz") for path in paths]


def write_zstd(folder: Path) -> list[Path]:
    paths = write_csv(folder)
    for path in paths:
        packed = pa.Codec("zstd").compress(path.read_bytes(), asbytes=True)
        path.with_suffix(".csv.zst").write_bytes(packed)
    return [path.with_suffix(".csv.zst") for path in paths]


def write_lines(folder: Path) -> list[Path]:
    lines = [json.dumps(row) + "\n" for row in rows()]
    paths = [folder / f"part-{number}.jsonl" for number in range(5)]
    for path, part in zip(paths, parts(), strict=True):
        path.write_text("".join(lines[part]))
    return paths


def write_parquet(folder: Path) -> list[Path]:
    paths = [folder / f"part-{number}.parquet" for number in range(5)]
    for path, part in zip(paths, parts(), strict=True):
        pa.parquet.write_table(TABLE.slice(part.start, part.stop - part.start), path, row_group_size=300)
    return paths


def write_feather(folder: Path) -> list[Path]:
    path = folder / "rows.feather"
    pa.feather.write_feather(TABLE, path)
    return [path]


def write_arrow(folder: Path) -> list[Path]:
    path = folder / "rows.arrow"
    with pa.ipc.new_stream(path, TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=500)
    return [path]


def write_npz(folder: Path) -> list[Path]:
    path = folder / "rows.npz"
    np.savez(path, labels=LABELS, probabilities=PROBABILITIES)
    return [path]


WRITERS = [write_csv, write_gzip, write_zstd, write_lines, write_parquet, write_feather, write_arrow, write_npz]


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: str(write.__name__))
def test_files_are_scored_as_one(
    client: Client, tmp_path: Path, write: Callable[[Path], list[Path]], expected: float
) -> None:
    paths = write(tmp_path)
    kwargs = {"task": "multiclass"}
    assert client.score(paths, **kwargs).cross_entropy.value == expected
    suffix = "".join(paths[0].suffixes)
    assert client.score(str(tmp_path / f"*{suffix}"), **kwargs).cross_entropy.value == expected
    for path in set(tmp_path.iterdir()) - set(paths):
        path.unlink()
    assert client.score(tmp_path, **kwargs).cross_entropy.value == expected


def test_the_task_of_parquet_is_told_from_its_columns(client: Client, tmp_path: Path) -> None:
    write_parquet(tmp_path)
    assert client.score(tmp_path).task == "multiclass"


def test_one_parquet_file_goes_as_it_is_without_pyarrow(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: float
) -> None:
    pa.parquet.write_table(TABLE, tmp_path / "rows.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert client.score(tmp_path / "rows.parquet", task="multiclass").cross_entropy.value == expected
    with pytest.raises(MissingPackage, match=r"needs pyarrow: pip install 'surprisal-client\[arrow\]'"):
        client.score(FRAME)


def test_columns_of_other_types_are_cast_to_those_of_the_first(client: Client, expected: float) -> None:
    narrow = TABLE.set_column(0, "labels", TABLE["labels"].cast(pa.int32()))
    first, second = TABLE.slice(0, 1000), narrow.slice(1000)
    assert client.score(iter([first, second])).cross_entropy.value == expected


def spoilt(path: Path, line: int, text: str) -> Path:
    lines = path.read_text().splitlines()
    lines[line] = text
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_wrong_row_of_several_files_names_file_and_row(client: Client, tmp_path: Path) -> None:
    paths = write_csv(tmp_path)
    spoilt(paths[3], 11, "1,0.5,0.25,1.25")
    told = rf"probabilities\[2110, 2\], row 10 of {paths[3]}: must lie in \[0, 1\], found 1.25"
    with pytest.raises(InputError, match=told):
        client.score(paths, task="multiclass")


def test_a_wrong_row_of_parquet_names_file_and_row(client: Client, tmp_path: Path) -> None:
    paths = write_parquet(tmp_path)
    wrong = FRAME.iloc[700:1400].reset_index(drop=True)
    wrong.loc[3, "probabilities_1"] = -0.5
    pa.parquet.write_table(pa.Table.from_pandas(wrong), paths[1])
    with pytest.raises(InputError, match=rf"probabilities\[703, 1\], row 3 of {paths[1]}: must lie"):
        client.score(paths)


def cut(path: Path, size: int = 200) -> Path:
    path.write_bytes(path.read_bytes()[:-size])
    return path


def test_a_file_that_ends_early_is_named(client: Client, tmp_path: Path) -> None:
    whole = {path: path for write in (write_parquet, write_feather, write_arrow) for path in write(tmp_path)[:1]}
    for path in whole:
        with pytest.raises(InputError, match=rf"{path}: .*(cannot be read|cut off)"):
            client.score(cut(path))
    for path in [write(tmp_path)[0] for write in (write_gzip, write_zstd)]:
        with pytest.raises(InputError, match=f"{path}: cannot be read to its end"):
            client.score(cut(path), task="multiclass")
    (stream,) = write_arrow(tmp_path)
    with pytest.raises(InputError, match="it was cut off"):
        client.score(cut(stream, 8))


def test_pages_that_are_broken_are_told_when_they_are_read(client: Client, tmp_path: Path) -> None:
    path = write_parquet(tmp_path)[0]
    content = bytearray(path.read_bytes())
    content[200:4000] = bytes(3800)
    path.write_bytes(content)
    with pytest.raises(InputError, match=f"{path}: cannot be read to its end"):
        client.score(path)


def test_columns_that_differ_between_files_are_named(client: Client, tmp_path: Path) -> None:
    csv, parquet = write_csv(tmp_path), write_parquet(tmp_path)
    FRAME.rename(columns={"labels": "label"}).to_csv(csv[4], index=False)
    with pytest.raises(InputError, match=rf"{csv[4]}: must have the header of {csv[0]}, found 'label,"):
        client.score(csv, task="multiclass")
    pa.parquet.write_table(TABLE.drop_columns("labels"), parquet[4])
    with pytest.raises(InputError, match=rf'{parquet[4]}: must have the columns of {parquet[0]}, found no "labels"'):
        client.score(parquet)
    pa.parquet.write_table(TABLE.set_column(0, "labels", pa.array(["x"] * 3000)), parquet[4])
    told = rf'{parquet[4]}: column "labels" must be int64 as in the first, found string'
    with pytest.raises(InputError, match=told):
        client.score(parquet)


def broken_batches() -> Iterator[Any]:
    yield TABLE
    yield TABLE.drop_columns("labels")


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "no file": (lambda: "missing.csv", "missing.csv: no such file"),
    "no match": (lambda: ["missing-*.csv"], "missing-.*: no such file, and no file matches"),
    "an unknown kind": (lambda: __file__, r"test_tables.py: must be a file of .parquet"),
    "doubled columns": (lambda: pd.concat([FRAME, FRAME], axis=1), 'found "labels" twice'),
    "doubled columns of Arrow": (lambda: pa.table([[1], [2]], names=["labels"] * 2), 'found "labels" twice'),
    "mixed types": (
        lambda: pd.DataFrame({"labels": ["a", "b", 7]}), "labels: must be of one type; row 0 holds the str 'a', row 2",
    ),
    "objects of no type": (lambda: pd.DataFrame({"labels": [object()]}), "the frame: .*labels"),
    "a batch that lacks a column": (broken_batches, 'batch 1: must have the columns of the first, found no "labels"'),
    "no rows": (lambda: iter([]), "must yield at least one batch or row"),
    "a number": (lambda: 5, "must be a frame, a path, or an iterator of batches or rows; found int"),
    "a batch of numbers": (lambda: iter([1, 2]), "a batch must be a frame, .*found int"),
}  # fmt: skip


@pytest.mark.parametrize(("source", "told"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_with_a_source_is_told(client: Client, source: Callable[[], Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        client.score(source())


@pytest.mark.parametrize(("content", "told"), [(b"", "an empty one"), (b"labels,p", "begins with b'labels'")])
def test_a_file_of_another_kind_is_told(client: Client, tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(InputError, match=f"a.parquet: must be a file of Parquet or Arrow, found .*{told}"):
        client.score(tmp_path / "a.parquet")


def test_files_of_several_kinds_are_refused(client: Client, tmp_path: Path) -> None:
    write_csv(tmp_path)
    write_npz(tmp_path)
    with pytest.raises(InputError, match=r"files must be of one kind, found .* and "):
        client.score(tmp_path)
    np.savez(tmp_path / "more.npz", labels=LABELS)
    with pytest.raises(InputError, match=r"several files of \.npz do not make one"):
        client.score(str(tmp_path / "*.npz"))
    with pytest.raises(InputError, match="found 3 arguments"):
        client.score(LABELS, PROBABILITIES, LABELS)


def test_an_estimator_is_scored_whatever_its_classes_are_called(client: Client, expected: float) -> None:
    class Model:
        """An estimator as others write them."""

        def __init__(self, names: Any, probabilities: Any) -> None:
            self.classes_, self.probabilities = np.array(names), probabilities

        def predict_proba(self, _: Any) -> Any:
            return self.probabilities

    for names in ([0, 1, 2], [10, 20, 30], ["a", "b", "c"], [0.5, 1.5, 2.5]):
        y = np.array(names)[LABELS]
        assert client.score_estimator(Model(names, PROBABILITIES), range(3000), y).cross_entropy.value == expected
    y, p, _ = events(200)
    both = np.column_stack([1 - p, p])
    single = client.score(y, p).cross_entropy
    for pair in ([0, 1], [False, True], ["no", "yes"]):
        found = client.score_estimator(Model(pair, both), range(200), pd.Series(np.array(pair)[y]))
        assert (found.task, found.cross_entropy) == ("binary", single)
    several = client.score_estimator(Model([0, 1], [both, both]), range(200), np.column_stack([y, y]))
    assert several.task == "multilabel"
    plain = client.score_estimator(Model([0, 1], np.column_stack([p, p])), range(200), np.column_stack([y, y]))
    assert plain.cross_entropy == several.cross_entropy
