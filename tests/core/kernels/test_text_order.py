"""The order of texts that lie side by side in memory."""

import numpy as np
import pytest

from app.core import kernels
from tests.core.kernels.test_distinct_texts import drawn


@pytest.mark.parametrize("longest", [0, 1, 7, 8, 9, 40])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 700])
def test_codes_follow_the_order_of_bytes(n: int, longest: int) -> None:
    texts = drawn(n, longest, n)
    offsets = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    codes, first = kernels.text_order(np.frombuffer(b"".join(texts), np.uint8), offsets)
    different = sorted(set(texts))
    assert [texts[place] for place in first] == different
    assert first.tolist() == [texts.index(text) for text in different]
    assert [different[code] for code in codes] == texts


def test_texts_lie_within_the_bytes() -> None:
    for offsets in ([0, 4], [2, 1], [-1, 2]):
        with pytest.raises(ValueError, match="offsets must rise"):
            kernels.text_order(np.frombuffer(b"abc", np.uint8), np.array(offsets, np.int64))
