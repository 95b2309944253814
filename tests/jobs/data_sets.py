"""Random data sets: rows in files of any format, cut anywhere, and the JSON body that asks the same of all rows."""

import gzip
import io
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import orjson
import pyarrow as pa
from pyarrow import parquet

from app.api.schemas.dataset_questions import dataset_question
from app.core.tasks import COLUMN_NAMES, TaskName
from app.jobs.requests import Bounds, JobRequest
from app.service import INCLUDES
from tests.bodies import Body, Rng, random_body
from tests.encoded import encoded

CUTTABLE = ("parquet", "arrow", "arrows", "ndjson", "ndjson.gz", "jsonl.zst")
TABULAR = ("csv", "csv.gz", "csv.zst")


@dataclass(frozen=True)
class DataSet:
    """A data set on a disk, with the question that a job asks of it and the body that asks the same."""

    task: TaskName
    body: Body
    request: JobRequest
    bounds: Bounds
    order: list[int]


def job(task: TaskName, query: bytes, *sources: object) -> JobRequest:
    return JobRequest(task, tuple(map(str, sources)), {}, dataset_question(task, query))


def text(found: dict[str, Any]) -> bytes:
    """The JSON of an answer, which writes each double so that it can be read back."""
    return orjson.dumps(found, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_SORT_KEYS)


def random_data_set(task: TaskName, rng: Rng, folder: Path) -> DataSet:
    """Write a data set of up to some hundred rows in up to five files."""
    body, columns = _body(task, rng)
    n = len(next(iter(columns.values())))
    slices = {"parity": rng.integers(0, 3, n).tolist(), "site": rng.choice(["a b", "c=d"], n).tolist()}
    slices = {name: values for name, values in slices.items() if rng.random() < 0.6}
    edges = sorted({0, *rng.integers(0, n + 1, rng.integers(0, 5)).tolist(), n})
    has_folders = "site" in slices and rng.random() < 0.5
    if has_folders:  # all rows of a file are of one site
        for start, stop in pairwise(edges):
            slices["site"][start:stop] = [slices["site"][start]] * (stop - start)
    for number, (start, stop) in enumerate(pairwise(edges)):
        some = {name: values[start:stop] for name, values in {**columns, **slices}.items()}
        site = f"site={some.pop('site')[0].replace('=', '%3D')}" if has_folders else "rows"
        _write(folder / f"{number}" / site, some, rng)
    named = {"slices": ",".join(slices)} if slices else {}
    query = urlencode([(name, _sent(value)) for name, value in (body | named).items() if value not in ([], None)])
    shard_bytes, max_groups = int(rng.choice([1, 300, 2_000, 10**6])), int(rng.integers(1, 9))
    bounds = Bounds((str(folder),), shard_bytes=shard_bytes, max_groups=max_groups)
    whole = {**body, **columns, **({"slices": slices} if slices else {})}
    return DataSet(task, whole, job(task, query.encode(), folder), bounds, rng.permutation(max_groups).tolist())


def _body(task: TaskName, rng: Rng) -> tuple[Body, dict[str, list[Any]]]:
    """Options, and columns of some rows, of which many are alike."""
    body = random_body(task, rng)
    match body.get("pos_weight"):
        case [weight]:  # a list of one value is that value in the words of a job
            body["pos_weight"] = weight
    columns = {name: body.pop(name) for name in COLUMN_NAMES if body.get(name) is not None}
    n = int(rng.choice([1, 2, 7, 40, 150]))
    taken = rng.integers(0, len(next(iter(columns.values()))), n).tolist()
    columns = {name: [values[i] for i in taken] for name, values in columns.items()}
    if rng.random() < 0.3:
        columns["cluster_id"] = [str(c) if n % 2 else int(c) for c in rng.integers(0, 5, n)]
    include = [name for name in INCLUDES[task] if name not in ("per_sample", "gradient", "state", "slices")]
    body |= {"include": [name for name in include if rng.random() < 0.5], "n_worst": int(rng.integers(1, 12))}
    return body, columns


def json_of(body: Body) -> bytes:
    """The body as JSON, which writes minus infinity as a string."""
    return json.dumps(_finite(body), allow_nan=False).encode()


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return "-Infinity" if value == -math.inf else value


def _sent(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_sent, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _write(folder: Path, columns: dict[str, list[Any]], rng: Rng) -> None:
    folder.mkdir(parents=True)
    are_rows = not any(_is_ragged(values) for values in columns.values())
    ending = str(rng.choice(CUTTABLE + TABULAR if are_rows else CUTTABLE))
    (folder / f"part.{ending}").write_bytes(
        _WRITERS[ending.partition(".")[0]](columns, int(rng.integers(1, 40)), ending)
    )


def _is_ragged(values: list[Any]) -> bool:
    return isinstance(values[0], list) and (not values[0] or len({len(value) for value in values}) > 1)


def _text(columns: dict[str, list[Any]], _: int, ending: str) -> bytes:
    form = "csv" if ending.startswith("csv") else "ndjson"
    written = encoded(form, columns if form == "csv" else _finite(columns))
    if ending.endswith(".gz"):
        return gzip.compress(written)
    return bytes(pa.compress(written, "zstd", asbytes=True)) if ending.endswith(".zst") else written


def _arrow(columns: dict[str, list[Any]], step: int, ending: str) -> bytes:
    rows, sink = _typed(columns), io.BytesIO()
    new = pa.ipc.new_file if ending == "arrow" else pa.ipc.new_stream
    with new(sink, rows.schema) as writer:
        writer.write_table(rows, max_chunksize=step)
    return sink.getvalue()


def _parquet(columns: dict[str, list[Any]], step: int, _: str) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(_typed(columns), sink, row_group_size=step)
    return sink.getvalue()


def _typed(columns: dict[str, list[Any]]) -> pa.Table:
    """The columns as a table, in which lists of documents without tokens have a type too."""
    types = {"log_probabilities": pa.list_(pa.float64())}
    return pa.table({name: pa.array(values, types.get(name)) for name, values in columns.items()})


_WRITERS: dict[str, Callable[[dict[str, list[Any]], int, str], bytes]] = {
    "parquet": _parquet,
    "arrow": _arrow,
    "arrows": _arrow,
    "csv": _text,
    "ndjson": _text,
    "jsonl": _text,
}
