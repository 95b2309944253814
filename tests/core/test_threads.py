import numpy as np
import pytest

from app.api.negotiation.accept import dumps
from app.core.batch.checked import batch_of
from app.core.columns import Column
from app.core.options import Options
from app.core.rows.blocks import chunks
from app.core.sums.summary import MIN_SHARED_CHUNKS
from app.service import Include, score
from tests.requests import scoring

N_ROWS = 300_000


def columns() -> dict[str, Column]:
    rng = np.random.default_rng(0)
    prediction = rng.dirichlet(np.ones(3), N_ROWS)
    labels = rng.integers(0, 3, N_ROWS)
    prediction[::1_000] = np.eye(3)[(labels[::1_000] + 1) % 3]
    return {"probabilities": prediction, "labels": labels, "sample_weight": rng.random(N_ROWS)}


@pytest.mark.parametrize(
    ("options", "include"),
    [(Options(), {"per_sample", "per_class", "calibration", "confusion", "worst"}), (Options(epsilon=1e-3), set())],
)
@pytest.mark.parametrize("n_threads", [2, 3])
def test_threads_share_rows_and_change_no_bit(options: Options, include: set[Include], n_threads: int) -> None:
    request = scoring("multiclass", columns(), options, frozenset(include))
    batch = batch_of("multiclass", request.columns, options)
    assert len(list(chunks(batch))) >= MIN_SHARED_CHUNKS
    alone, shared = score(request), score(request, n_threads)
    assert dumps(alone) == dumps(shared)
    codes = {warning["code"] for warning in shared["warnings"]}
    assert ("clipped" if options.epsilon else "zero_probability") in codes
