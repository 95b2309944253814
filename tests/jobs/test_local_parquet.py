"""A data set of Parquet on a disk: the answer is that of all rows at once, to the last bit."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from app.errors import OutsideRoots, StoreCorrupt
from app.jobs.adding import answer, read_sums
from app.jobs.local import LocalEngine
from app.jobs.planning import plan
from app.jobs.requests import Bounds
from app.jobs.scoring import scored, scoring_of
from app.jobs.shards import read_plan
from app.service import score
from tests.jobs.data_sets import job, text

QUERY = b"labels=outcome&probabilities=p_*&slices=site&include=worst,calibration"


@pytest.fixture
def rows(tmp_path: Path) -> dict[str, Any]:
    """Rows in three files, of which two lie in folders; all columns of the request, and all rows at once."""
    rng = np.random.default_rng(3)
    predictions, labels = rng.dirichlet(np.ones(3), 900), rng.integers(0, 3, 900)
    sites = np.repeat(np.array(["paris", "rome", "oslo"], np.object_), 300)
    for number, site in enumerate(["paris", "rome", "oslo"]):
        some = slice(300 * number, 300 * number + 300)
        columns = {"outcome": labels[some], **{f"p_{j}": predictions[some, j] for j in range(3)}}
        folder = tmp_path / f"{number}" / f"site={site}"
        folder.mkdir(parents=True)
        parquet.write_table(pa.table(columns), folder / "part.parquet", row_group_size=70)
    return {"labels": labels, "probabilities": predictions, "slices": {"site": sites}}


def test_groups_add_up_to_the_answer_of_all_rows(rows: dict[str, Any], tmp_path: Path) -> None:
    request = job("multiclass", QUERY, tmp_path)
    bounds = Bounds((str(tmp_path),), shard_bytes=4_000)
    made = plan(request, bounds)
    assert len(made.groups) > 3
    assert (made.n_rows, read_plan(made.to_bytes())) == (900, made)
    engine = LocalEngine(2, ("app.jobs.scoring", "app.api.schemas.dataset_questions"))
    found = dict(engine.run(made.groups, scoring_of(made, request, bounds), lambda: False))
    engine.close()
    whole = score(request.question.asked(rows, None))
    assert text(answer(request, (found[number].sums for number in range(len(found))))) == text(whole)


def test_sums_that_were_changed_are_no_sums(rows: dict[str, Any], tmp_path: Path) -> None:
    request = job("multiclass", QUERY, tmp_path)
    bounds = Bounds((str(tmp_path),))
    made = plan(request, bounds)
    sums = scored(made.groups[0], scoring_of(made, request, bounds)).sums
    assert read_sums(sums, request).n_rows == len(rows["labels"])
    for place in range(0, len(sums), 7):
        changed = bytearray(sums)
        changed[place] ^= 1
        with pytest.raises(StoreCorrupt):
            read_sums(bytes(changed), request)
    with pytest.raises(StoreCorrupt):
        read_sums(sums[:-1], request)


@pytest.mark.usefixtures("rows")
def test_a_source_outside_of_the_roots_is_refused(tmp_path: Path) -> None:
    (tmp_path / "1" / "up").symlink_to(tmp_path / "2")
    for source in (
        tmp_path / "0",
        tmp_path / "1" / ".." / "0",
        tmp_path / "1" / "up",
        tmp_path / "1" / "**" / "*.parquet",
    ):
        with pytest.raises(OutsideRoots):
            plan(job("multiclass", QUERY, source), Bounds((str(tmp_path / "1"),)))
