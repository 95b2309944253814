"""Different texts among many that lie side by side in memory."""

import numpy as np
import pytest

from app.core import kernels
from app.core.columns import IntArray

MOST = kernels.MOST_DISTINCT


def found_in(texts: list[bytes]) -> tuple[IntArray, IntArray] | None:
    offsets = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    return kernels.distinct_texts(np.frombuffer(b"".join(texts), np.uint8), offsets)


def drawn(n: int, longest: int, seed: int) -> list[bytes]:
    """Short texts of few letters and of zeros, of which many are alike."""
    rng = np.random.default_rng(seed)
    return [bytes(rng.choice([0, 97, 98], length).tolist()) for length in rng.integers(0, longest + 1, n)]


@pytest.mark.parametrize("longest", [0, 1, 3, 8, 9, 40])
@pytest.mark.parametrize("seed", range(5))
def test_codes_follow_the_first_occurrences(longest: int, seed: int) -> None:
    few = drawn(30, longest, seed)
    texts = few * 20 if seed else few
    found = found_in(texts)
    assert found is not None
    codes, first = found
    different = list(dict.fromkeys(texts))
    assert [texts[row] for row in first] == different
    assert [different[code] for code in codes] == texts


def test_too_many_are_told() -> None:
    texts = [b"%06d" % i for i in range(MOST + 1)]
    found = found_in(texts[:-1])
    assert found is not None
    assert found[0].tolist() == list(range(MOST))
    assert found_in(texts) is None


def test_picked_texts_take_no_long_walk() -> None:
    inverse = pow(0x9E3779B97F4A7C15, -1, 2**64)  # of the factor in distinct.h
    picked = [((slot * inverse - 8) % 2**64).to_bytes(8, "little") for slot in range(100)]  # all in the first slot
    assert found_in(picked[:50]) is not None
    assert found_in(picked) is None


@pytest.mark.parametrize("offsets", [[0, 4], [-1, 2], [0, 2, 1, 3]])
def test_offsets_outside_are_refused(offsets: list[int]) -> None:
    with pytest.raises(ValueError, match="offsets"):
        kernels.distinct_texts(np.zeros(3, np.uint8), np.array(offsets))
