"""Tensors as the client takes them; its own environment has no PyTorch, and that of `make torch` has."""

from typing import Any

import numpy as np
import pytest

from surprisal_client.sources.arrays import column_of

NUMBERS = np.array([[0.5, 0.25, 0.25], [0.125, 0.75, 0.125]])


@pytest.mark.parametrize("kind", ["float64", "float32", "bfloat16", "float16"])
def test_a_tensor_becomes_an_array(torch: Any, kind: str) -> None:
    tensor = torch.tensor(NUMBERS, dtype=getattr(torch, kind), requires_grad=True)
    column = column_of("probabilities", tensor)
    assert isinstance(column, np.ndarray)
    assert column.tolist() == NUMBERS.tolist()


def test_a_list_of_tensors_is_rows(torch: Any) -> None:
    assert np.array_equal(column_of("probabilities", [torch.tensor(row) for row in NUMBERS]), NUMBERS)
    uneven = [torch.tensor([-0.5]), torch.tensor([-0.5, -1.0])]
    assert column_of("log_probabilities", uneven) == [[-0.5], [-0.5, -1.0]]
