import tracemalloc

import numpy as np
import pytest

from app.core.batch.batches import Batch
from app.core.batch.checked import batch_of
from app.core.columns import Column
from app.core.metrics.plan import plan_of
from app.core.options import Options
from app.core.rows.blocks import block_rows, chunks
from app.service import score
from tests.requests import scoring

BLOCKS = {"probabilities": 1, "logits": 5}
"""Arrays over the classes of a block that live at once."""

TABLES = 4
"""Columns of a chunk that no mean asks for, such as labels and confidence."""

SMALL_THINGS = 1 << 17


def budget(batch: Batch) -> int:
    """Bytes that scoring may take: a column of a chunk for each mean that is asked for, and some arrays of a block."""
    rows: int = max(part.stop - part.start for part in chunks(batch) if isinstance(part, slice))
    columns = len(plan_of(batch.task, batch.options).needs.means) + TABLES
    return 8 * (rows * columns + BLOCKS[batch.form] * block_rows(batch) * batch.n_classes) + SMALL_THINGS


@pytest.mark.parametrize(("n", "k"), [(100_000, 10), (400_000, 10), (10_000, 1_000)])
@pytest.mark.parametrize("form", ["probabilities", "logits"])
def test_scoring_takes_a_column_for_each_mean_and_some_blocks(n: int, k: int, form: str) -> None:
    rng = np.random.default_rng(0)
    prediction = rng.random((n, k))
    prediction /= prediction.sum(axis=1, keepdims=True)
    columns: dict[str, Column] = {form: prediction, "labels": rng.integers(0, k, n)}
    request = scoring("multiclass", columns, Options(), frozenset())
    allowed = budget(batch_of("multiclass", columns, request.options))
    assert allowed < prediction.nbytes / 3  # a copy of what was sent, or of half of it, does not fit
    score(request)
    tracemalloc.start()
    score(request)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < allowed
