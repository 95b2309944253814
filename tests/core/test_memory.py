import tracemalloc

import numpy as np
import pytest

from app.core.batch.batches import Batch
from app.core.batch.checked import batch_of
from app.core.columns import Column
from app.core.options import Options
from app.core.rows.blocks import block_rows, chunks
from app.core.sums.layout import Needs
from app.service import score
from tests.requests import mergeable_on_request, scoring

BLOCKS = {"probabilities": 1, "logits": 5}
"""Arrays over the classes of a block that live at once."""

SCORED = 2
"""The further arrays of a block where a metric scores whole distributions: their truth, and a temporary."""

TABLES = 4
"""Columns of a chunk that no mean asks for, such as labels and confidence."""

DECISIONS = 8
"""The further columns of a chunk where decisions are summed: classes, rows and weights of all that are chosen."""

SMALL_THINGS = 1 << 17


def budget(batch: Batch, needs: Needs) -> int:
    """Bytes that scoring may take: a column of a chunk for each mean that is asked for, and some arrays of a block."""
    rows: int = max(part.stop - part.start for part in chunks(batch) if isinstance(part, slice))
    columns = len(needs.means) + TABLES + DECISIONS * ("decisions" in needs.tables)
    arrays = BLOCKS[batch.form] + SCORED * any(callable(mean.numerator) for mean in needs.means)
    return 8 * (rows * columns + arrays * block_rows(batch) * batch.n_classes) + SMALL_THINGS


@pytest.mark.parametrize(("n", "k"), [(100_000, 10), (400_000, 10), (10_000, 1_000)])
@pytest.mark.parametrize("form", ["probabilities", "logits"])
@pytest.mark.parametrize("metrics", [(), mergeable_on_request("multiclass")], ids=["default", "on request"])
def test_scoring_takes_a_column_for_each_mean_and_some_blocks(
    n: int, k: int, form: str, metrics: tuple[str, ...]
) -> None:
    rng = np.random.default_rng(0)
    prediction = rng.random((n, k))
    prediction /= prediction.sum(axis=1, keepdims=True)
    columns: dict[str, Column] = {form: prediction, "labels": rng.integers(0, k, n)}
    request = scoring("multiclass", columns, Options(), metrics=metrics)
    allowed = budget(batch_of("multiclass", columns, request.options), request.question.plan.needs)
    assert allowed < prediction.nbytes / (2 if metrics else 3)  # a copy of what was sent, or of half, does not fit
    score(request)
    tracemalloc.start()
    score(request)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < allowed
