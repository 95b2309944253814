"""A data set of outcomes and predictions in files of Parquet, the job that scores it, and what must come of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
from pyarrow import parquet

from app.api.schemas.dataset_questions import dataset_question
from app.jobs.adding import answer
from app.jobs.planning import plan
from app.jobs.requests import Bounds, JobRequest
from app.jobs.scoring import GroupSums, scoring_of
from app.service import score

QUERY = b"labels=outcome&probabilities=p_*&slices=site&include=worst,calibration,confusion"
N_CLASSES = 3


@dataclass(frozen=True)
class Outcomes:
    """Rows in memory, and in files below a folder."""

    folder: Path
    labels: Any
    probabilities: Any
    sites: Any

    def whole(self) -> bytes:
        """The answer of one request with all rows."""
        rows = {"labels": self.labels, "probabilities": self.probabilities, "slices": {"site": self.sites}}
        return text(score(request_of(self.folder).question.asked(rows, None)))


def written(folder: Path, n_files: int = 6, rows_a_file: int = 500, rows_a_group: int = 50) -> Outcomes:
    """Write rows to files in folders of their sites, in the order of their names."""
    rng = np.random.default_rng(14)
    n_rows = n_files * rows_a_file
    labels, probabilities = rng.integers(0, N_CLASSES, n_rows), rng.dirichlet(np.ones(N_CLASSES), n_rows)
    names = np.array([f"site-{number:03}" for number in range(n_files)], np.object_)
    for number, name in enumerate(names):
        some = slice(number * rows_a_file, (number + 1) * rows_a_file)
        columns = {"outcome": labels[some], **{f"p_{j}": probabilities[some, j] for j in range(N_CLASSES)}}
        below = folder / f"site={name}"
        below.mkdir(parents=True)
        parquet.write_table(pa.table(columns), below / "part.parquet", row_group_size=rows_a_group)
    return Outcomes(folder, labels, probabilities, np.repeat(names, rows_a_file))


def request_of(source: object) -> JobRequest:
    """The job that scores a source."""
    return JobRequest("multiclass", (str(source),), {}, dataset_question("multiclass", QUERY))


def run(engine: Any, source: object, max_groups: int = 1000, shard_bytes: int = 4000) -> bytes:
    """The answer of a job that an engine has run; each group must come once."""
    request, bounds = request_of(source), Bounds((str(source),), shard_bytes=shard_bytes, max_groups=max_groups)
    made = plan(request, bounds)
    found: dict[int, GroupSums] = {}
    for number, sums in engine.run(made.groups, scoring_of(made, request, bounds), lambda: False):
        assert number not in found
        found[number] = sums
    assert sum(sums.n_rows for sums in found.values()) == made.n_rows
    return text(answer(request, (found[number].sums for number in range(len(made.groups)))))


def text(found: dict[str, Any]) -> bytes:
    """The JSON of an answer, which writes each double so that it can be read back."""
    return orjson.dumps(found, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_SORT_KEYS)
