"""Quotes of CSV against a reader of one sign after another, however the text is cut."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import MalformedBody
from app.wire.csv.quotes import PIECE, Quotes


def rows_before_a_wrong_quote(text: str) -> tuple[str, bool]:
    """The whole rows of a text up to one with a wrong quote, and whether there is one."""
    end, state = 0, "field begins"
    for i, sign in enumerate(text):
        if sign == '"':
            if state == "without quotes":
                return text[:end], True
            state = "quoted" if state != "quoted" else "quote in quotes"
        elif state == "quoted":
            continue
        elif sign in ",\r\n":
            state = "field begins"
            end = i + 1 if sign == "\n" else end
        elif state == "quote in quotes":
            return text[:end], True
        else:
            state = "without quotes"
    return text[:end], False


def rows_found(pieces: Iterable[str]) -> tuple[str, bool]:
    """The same from quotes that see a piece at a time."""
    quotes = Quotes(lambda: "row")
    text, seen, whole = bytearray(), 0, b""
    try:
        for piece in [*pieces, ""]:
            text += piece.encode()
            end = quotes.row_end(text, seen)
            whole += text[:end]
            del text[:end]
            seen = len(text)
    except MalformedBody:
        return whole.decode(), True
    return whole.decode(), False


TEXTS = st.text('a",\n\r', max_size=30)


@given(TEXTS, st.lists(st.integers(0, 30)))
def test_any_text_in_any_pieces(text: str, cuts: list[int]) -> None:
    places = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[a:b] for a, b in pairwise(places)]
    assert rows_found(pieces) == rows_before_a_wrong_quote(text)


@given(TEXTS, st.integers(0, 40))
def test_any_text_at_the_edge_of_what_is_looked_at_at_once(text: str, n: int) -> None:
    before = "a" * (PIECE - n) + "\n"
    assert rows_found([before + text]) == rows_before_a_wrong_quote(before + text)


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_mark_may_only_stand_at_the_start(mark: str) -> None:
    assert rows_found([f'{mark}"a"\n"b"\n']) == (f'{mark}"a"\n"b"\n', False)
    assert rows_found([f'{mark}"a"\n', '\ufeff"b"\n']) == (f'{mark}"a"\n', True)


def test_the_row_of_a_wrong_quote_is_the_next_when_it_is_told() -> None:
    quotes = Quotes(lambda: "row 7")
    assert quotes.row_end(bytearray(b'a\nb\nc"'), 0) == 4
    with pytest.raises(MalformedBody, match="row 7 must hold quotes only around whole fields"):
        quotes.row_end(bytearray(b'c"d\n'), 2)
