"""Bodies with more errors than memory would hold: the first are told, all are counted, and none is kept."""

import io
import tracemalloc
from collections.abc import Callable

import pytest

from app.errors import InvalidInput
from app.wire.json import reader as json
from app.wire.json.names import MAX_PLACES
from app.wire.limits import Limits
from app.wire.ndjson import reader as ndjson
from tests.wire.mapped import own

LIMITS = Limits(max_decoded_bytes=1 << 28, max_ratio=1000, max_part_bytes=1 << 22, max_columns=1000)
SLICES = ", ".join(f'"{i:x}": 1' for i in range(500))
ROW = '{"labels": 1, "probabilities": 0.5, "slices": {%s}}\n'


def rows_without_slices() -> None:
    """Each of the rows lacks 500 slices."""
    body = (ROW % SLICES * 60 + ROW % "" * 40).encode()
    list(ndjson.parts(io.BytesIO(body), LIMITS, own("binary")))


TWICE = ", ".join(f'"{i:x}": 1, "{i:x}": 1' for i in range(2_000))
DEEP = ('{"a": ' * 900 + "{" + TWICE + "}" * 901).encode()


def deep_names() -> None:
    json.decode(DEEP, "binary")


def deep_names_in_a_row() -> None:
    list(ndjson.parts(io.BytesIO(DEEP), LIMITS, own("binary")))


@pytest.mark.parametrize(
    ("read", "n_errors", "place"),
    [
        (rows_without_slices, 20_000, "/slices/0/60"),
        (deep_names, 2_000, "/a/a/a/a/a"),
        (deep_names_in_a_row, 2_000, "/a/a/a/a/a"),
    ],
)
def test_many_errors_are_counted_and_not_kept(read: Callable[[], None], n_errors: int, place: str) -> None:
    tracemalloc.start()
    with pytest.raises(InvalidInput) as caught:
        read()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.n_errors == n_errors
    assert caught.value.errors[0].pointer == place
    assert peak < 4 << 20


def test_a_name_beyond_all_that_are_looked_at_is_refused() -> None:
    names = ", ".join(f'"{i:x}": 1' for i in range(MAX_PLACES))
    line = f'{{"a": {{{names}, "0": 2}}}}\n'.encode()
    with pytest.raises(InvalidInput, match="must hold each name once"):
        json.decode(line, "binary")
    with pytest.raises(InvalidInput, match="must hold each name once"):
        list(ndjson.parts(io.BytesIO(line), LIMITS, own("binary")))
