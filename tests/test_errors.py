"""The words of errors: where, what was found, and how much of a client's text is told."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import MAX_ECHO, clip, describe, pointer


@given(st.lists(st.text() | st.integers(0, 9), max_size=3))
def test_a_pointer_of_short_names_can_be_read_back(parts: list[str | int]) -> None:
    read = [part.replace("~1", "/").replace("~0", "~") for part in pointer(*parts).split("/")[1:]]
    assert read == list(map(str, parts)) or any(part.endswith("…") for part in read)


@given(st.text(alphabet="~/a", min_size=MAX_ECHO - 3, max_size=2 * MAX_ECHO))
def test_a_long_name_is_cut_between_escapes(name: str) -> None:
    (part,) = pointer(name).split("/")[1:]
    assert len(part) <= MAX_ECHO
    assert name.startswith(part.removesuffix("…").replace("~1", "/").replace("~0", "~"))


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "null"),
        (True, "true"),
        (0, "0"),
        (-1.5, "-1.5"),
        (float("inf"), "inf"),
        ("0.5", 'the string "0.5"'),
        ({}, "an object"),
        ([], "a list"),
        ((1,), "a list"),
        (10**200, clip("1" + "0" * 200)),
        ("x" * 1000, f'the string "{"x" * 79}…"'),
    ],
)
def test_describes_values_in_a_few_words(value: object, words: str) -> None:
    assert describe(value) == words
