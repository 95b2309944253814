"""Small data sets, requests of them as they are stored, and the means to run them."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from pyarrow import parquet

from app.api.schemas.dataset_questions import dataset_question
from app.jobs.lives import Engine, Means
from app.jobs.requests import Bounds, JobRequest
from app.jobs.scoring import GroupSums, Scoring
from app.jobs.shards import Group
from app.service import score

QUERY = "labels=outcome&probabilities=p_*&include=worst,calibration"
N_FILES, N_ROWS = 8, 50


def written(folder: Path, n_files: int = N_FILES) -> bytes:
    """Write files of predictions, each of them a shard; the request of their job."""
    rng = np.random.default_rng(7)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(n_files):
        columns = {f"p_{j}": column for j, column in enumerate(rng.dirichlet(np.ones(3), N_ROWS).T)}
        table = pa.table({"outcome": rng.integers(0, 3, N_ROWS), **columns})
        parquet.write_table(table, folder / f"{number:04}.parquet")
    return json.dumps({"task": "multiclass", "query": QUERY, "sources": [str(folder)]}).encode()


def read(stored: bytes) -> JobRequest:
    """The request of a job, from its JSON."""
    form = json.loads(stored)
    question = dataset_question(form["task"], form["query"].encode())
    return JobRequest(form["task"], tuple(form["sources"]), {}, question)


def text(found: Any) -> bytes:
    """The JSON of an answer, which writes each double so that it can be read back."""
    return orjson.dumps(found, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_SORT_KEYS)


def whole(folder: Path) -> bytes:
    """The answer of all rows at once."""
    table = pa.concat_tables(parquet.read_table(path) for path in sorted(folder.glob("*.parquet")))
    probabilities = np.stack([table[f"p_{j}"].to_numpy() for j in range(3)], axis=1)
    question = dataset_question("multiclass", QUERY.encode())
    return text(score(question.asked({"labels": table["outcome"].to_numpy(), "probabilities": probabilities}, None)))


def problem(error: Exception, _: str) -> bytes:
    """The JSON of a problem."""
    return text({"code": getattr(error, "code", "internal"), "detail": str(error)})


class InPlace:
    """An engine that scores in the thread which runs the job.

    Attributes:
        scored: The numbers of the groups that were scored, in order.
        before: A function that is called with the number of each group before it is scored.
    """

    def __init__(self, before: Callable[[int], object] = lambda _: None) -> None:
        self.n_retried = 0
        self.n_closed = 0
        self.scored: list[int] = []
        self.before = before

    def run(
        self, groups: Iterable[Group], score: Scoring, cancelled: Callable[[], bool]
    ) -> Iterator[tuple[int, GroupSums]]:
        for group in groups:
            self.before(group.number)
            if cancelled():
                return
            self.scored.append(group.number)
            yield group.number, score(group)

    def close(self) -> None:
        self.n_closed += 1


def means(folder: Path, engine: Engine, timeout_seconds: float = 300.0) -> Means:
    """The means to run jobs over files of one row group, each of which becomes a shard."""
    return Means(read, lambda: engine, text, problem, Bounds((str(folder),), shard_bytes=1), timeout_seconds)
