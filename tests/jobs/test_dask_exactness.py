"""The answer of a data set that a Dask cluster has scored: that of all rows at once, to the last bit."""

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from app.core.tasks import TASKS
from app.jobs.adding import answer
from app.jobs.dask_engine import DaskEngine
from app.jobs.planning import plan
from app.jobs.scoring import scoring_of
from tests.asking import answered
from tests.jobs.clusters import running_cluster
from tests.jobs.data_sets import json_of, random_data_set, text

N_DATA_SETS = 70


@pytest.mark.slow  # 24, on a busy core
@pytest.mark.timeout(900)
def test_the_answer_of_a_cluster_is_that_of_all_rows_at_once(tmp_path: Path) -> None:
    """Every third data set is one group of many tasks, whose sums workers add in a tree."""
    with running_cluster(tmp_path, n_workers=2) as cluster:
        engine = DaskEngine(cluster.address)
        for seed in range(N_DATA_SETS):
            with TemporaryDirectory() as folder:
                data_set = random_data_set(list(TASKS)[seed % len(TASKS)], np.random.default_rng(seed), Path(folder))
                request, bounds = data_set.request, data_set.bounds
                if seed % 3 == 0:
                    bounds = replace(bounds, max_groups=1)
                made = plan(request, bounds)
                found = dict(engine.run(made.groups, scoring_of(made, request, bounds), lambda: False))
                whole = text(answered("score", data_set.task, json_of(data_set.body)))
                assert text(answer(request, (found[number].sums for number in range(len(found))))) == whole
