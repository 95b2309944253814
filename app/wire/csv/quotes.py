"""The quotes of CSV, which decide where rows end."""

from codecs import BOM_UTF8
from collections.abc import Callable

import numpy as np

from app.errors import MalformedBody

PIECE = 1 << 16
"""The bytes that are scanned for quotes at once."""
QUOTE, LINE_END = b'"\n'
MAY_STAND_BESIDE = np.isin(np.arange(256), list(b',\r\n"'))
"""Marks by byte: True for those that may stand before an opening quote or after a closing one."""


class Quotes:
    """A scanner for line ends outside quotes in a text that arrives piece by piece.

    Quotes come in pairs: the first of a pair opens a field or follows a quote, the second closes a field or precedes a
    quote. So a line end is the end of a row where an even number of quotes stands before it.
    """

    def __init__(self, place: Callable[[], str]) -> None:
        """Begin a text; `place` names the row that comes next, for errors."""
        self._place = place
        self._mark = BOM_UTF8
        self._last = LINE_END
        self._n_open = 0  # quotes that are open, not counting one in the last byte
        self._is_wrong = False

    def row_end(self, text: bytearray, start: int) -> int:
        """The end of the last row that ends at `start` or later; 0 if none does.

        Args:
            text: The next row from its start, and what follows.
            start: The position up to which the text was scanned before.

        Raises:
            MalformedBody: In the next row a quote stands where none may; whole rows before it are given first.
        """
        if text.startswith(self._mark):
            start += len(self._mark)
        self._mark = b""
        end = 0
        for position in range(start, len(text), PIECE):
            if not self._is_wrong and (place := self._row_end(text[position : position + PIECE])):
                end = position + place
        if self._is_wrong and not end:
            rule = "must hold quotes only around whole fields, and doubled inside of them"
            raise MalformedBody(f"{self._place()} {rule}, found another")
        return end

    def _row_end(self, piece: bytearray) -> int:
        if QUOTE not in piece and self._last != QUOTE:
            self._last = piece[-1]
            return 0 if self._n_open else piece.rfind(LINE_END) + 1
        # The byte before tells whether the first quote may stand there, the next piece whether the last one may.
        signs = np.frombuffer(bytes([self._last]) + piece + b"\n", np.uint8)
        quotes, ends = np.flatnonzero(signs == QUOTE), np.flatnonzero(signs[:-1] == LINE_END)
        beside = np.concatenate([quotes[self._n_open :: 2] - 1, quotes[1 - self._n_open :: 2] + 1])
        wrong = beside[~MAY_STAND_BESIDE[signs[beside]]]
        if len(wrong):
            self._is_wrong = True
            ends = ends[ends < wrong.min()]
        outside = ends[(self._n_open + np.searchsorted(quotes, ends)) % 2 == 0]
        self._last = piece[-1]
        self._n_open = (self._n_open + len(quotes) - (self._last == QUOTE)) % 2
        return int(outside[-1]) if len(outside) else 0
