import tracemalloc

import numpy as np
import pytest

from app.core.columns import Column
from app.core.options import Options
from app.service import ScoreRequest, score


@pytest.mark.parametrize(("n", "k"), [(100_000, 10), (400_000, 10), (10_000, 1_000)])
@pytest.mark.parametrize("form", ["probabilities", "logits"])
def test_scoring_takes_less_than_a_fifth_of_its_input(n: int, k: int, form: str) -> None:
    rng = np.random.default_rng(0)
    prediction = rng.random((n, k))
    prediction /= prediction.sum(axis=1, keepdims=True)
    columns: dict[str, Column] = {form: prediction, "labels": rng.integers(0, k, n)}
    request = ScoreRequest("multiclass", columns, Options(), frozenset())
    score(request)
    tracemalloc.start()
    score(request)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < prediction.nbytes / 5
