"""The answer of a data set, however it is cut and in any order: that of all rows at once, to the last bit."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.tasks import TASKS, TaskName
from app.jobs.adding import answer
from app.jobs.local import LocalEngine
from app.jobs.planning import plan
from app.jobs.scoring import scored, scoring_of
from app.jobs.shards import read_plan
from tests.asking import answered
from tests.jobs.data_sets import DataSet, json_of, random_data_set, text

every_task = pytest.mark.parametrize("task", TASKS)
seeds = st.integers(0, 2**32 - 1)


def by_hand(data_set: DataSet) -> bytes:
    """The answer of groups that are scored here, one after the other, in any order."""
    request, bounds = data_set.request, data_set.bounds
    made = plan(request, bounds)
    assert read_plan(made.to_bytes()) == made
    score = scoring_of(made, request, bounds)
    found = {
        group.number: scored(group, score) for group in sorted(made.groups, key=lambda g: data_set.order[g.number])
    }
    assert sum(sums.n_bytes for sums in found.values()) == made.n_bytes
    assert made.n_rows in (None, sum(sums.n_rows for sums in found.values()))
    return text(answer(request, (found[number].sums for number in range(len(found)))))


@every_task
@settings(max_examples=12)
@given(seed=seeds)
def test_the_answer_is_that_of_all_rows_at_once(task: TaskName, seed: int) -> None:
    with TemporaryDirectory() as folder:
        data_set = random_data_set(task, np.random.default_rng(seed), Path(folder))
        assert by_hand(data_set) == text(answered("score", task, json_of(data_set.body)))


@pytest.mark.slow  # 90 s
@pytest.mark.parametrize(("n_workers", "first"), [(1, 0), (2, 70), (8, 140)])
def test_the_answer_does_not_depend_on_the_number_of_workers(n_workers: int, first: int) -> None:
    engine = LocalEngine(n_workers, ("app.jobs.scoring", "app.api.schemas.dataset_questions"))
    try:
        for seed in range(first, first + 70):
            with TemporaryDirectory() as folder:
                data_set = random_data_set(list(TASKS)[seed % len(TASKS)], np.random.default_rng(seed), Path(folder))
                request, bounds = data_set.request, data_set.bounds
                made = plan(request, bounds)
                found = dict(engine.run(made.groups, scoring_of(made, request, bounds), lambda: False))
                whole = text(answered("score", data_set.task, json_of(data_set.body)))
                assert text(answer(request, (found[number].sums for number in range(len(found))))) == whole
    finally:
        engine.close()
