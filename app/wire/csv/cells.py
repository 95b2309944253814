"""The cells of CSV: the kind of values that their texts are, and these values."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from app.core.columns import BoolArray
from app.errors import MAX_LISTED_ERRORS, FieldError, InvalidInput, describe
from app.wire.columns import BOOLEAN, INTEGER, LARGEST_INT, NUMBER, STRING, Kind

WHOLE = Kind("an integer", NUMBER.types, INTEGER.dtype)
"""An integer that may be written `1.0`, as pandas writes columns that had missing values."""

TEXTS = {
    INTEGER: r"\A[ \t]*-?(0|[1-9][0-9]*)[ \t]*\z",
    WHOLE: r"\A[ \t]*-?(0|[1-9][0-9]*)(\.0*)?[ \t]*\z",
    BOOLEAN: r"\A[ \t]*(true|false|True|False|TRUE|FALSE)[ \t]*\z",
}
A_NUMBER = re.compile(
    r"[ \t]*[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf(inity)?|nan(\(\w*\))?)[ \t]*", re.ASCII | re.IGNORECASE
)
"""The texts that pyarrow reads as numbers."""

A_WORD = r"\A[ \t]*\p{L}"

INT64 = range(-LARGEST_INT - 1, LARGEST_INT + 1)
LONGEST_INT = len(str(INT64[0]))
BLANKS = {"f": "nan", "i": "0", "b": "false", "O": ""}
"""A valid text of each kind by NumPy's code, to stand where nothing is scored."""
NO_LISTS = "; CSV holds no lists: send NDJSON, Arrow or Parquet"


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of some rows in the columns of a table that make one column of a request.

    Attributes:
        texts: The cells, one column of the table after another: strings, or numbers if pyarrow could read all.
        pointer: The JSON pointer of the column of the request.
        first_row: The number that the first of these rows has in the body.
        width: The number of columns of the table; None where the column is (n,).
        scored: The mask (n,) or (n, width); where it is False, any text may stand.
    """

    texts: pa.Array
    pointer: str
    first_row: int
    width: int | None
    scored: BoolArray | None = None

    def kind(self, kinds: Sequence[Kind]) -> Kind:
        """The first of some kinds that fits all cells; if strings are not among them, the kind that fits most.

        If no kind fits, that is `STRING` where allowed, else the first, as which the cells are then refused. A kind
        that fits most must fit half of the cells at least.
        """
        if len(kinds) == 1:
            return kinds[0]
        looked_at = self.texts.filter(pa.array(self._cell_mask())) if self.are_scored() else self.texts
        texts = looked_at.drop_null()
        if STRING not in kinds:
            most = max(kinds, key=lambda kind: np.count_nonzero(_are(kind, texts)))
            return most if 2 * np.count_nonzero(_are(most, texts)) >= len(texts) else kinds[0]
        narrow = (kind for kind in kinds if kind != STRING)
        return next((kind for kind in narrow if _are(kind, texts).all()), STRING)

    def are_scored(self) -> bool:
        """Tell if any row is scored."""
        return self.scored is None or bool(self.scored.any())

    def values(self, kind: Kind, hint: str = "") -> NDArray[Any]:
        """The values, (n,) or (n, width).

        Args:
            hint: An alternative to values of the kind, for the error.

        Raises:
            InvalidInput: A text is not of the kind, or an integer has more than 63 bits.
        """
        if kind == NUMBER and pa.types.is_floating(self.texts.type):
            values = self.texts
        else:
            values = self._read(self._with_blanks(kind, hint), kind, hint)
        array: NDArray[Any] = values.to_numpy(zero_copy_only=False)
        return array if self.width is None else np.ascontiguousarray(array.reshape(self.width, -1).T)

    def _with_blanks(self, kind: Kind, hint: str) -> pa.Array:
        """The texts, with valid ones in place of those that are neither scored nor of the kind."""
        are = _are(kind, self.texts)
        if are.all():
            return self.texts
        wrong = ~are if self.scored is None else ~are & self._cell_mask()
        if refusal := self._refusal(~wrong, "wrong_type", f"must be {kind.wanted}{hint}"):
            raise refusal
        first = self.texts.filter(pa.array(are & self._cell_mask()))
        blank = first[0] if len(first) else pa.scalar(BLANKS[kind.dtype.kind], self.texts.type)
        return compute.if_else(pa.array(are), self.texts, blank)

    def _cell_mask(self) -> BoolArray:
        """The mask of the scored cells, in the order of the texts."""
        if self.scored is None:
            return np.ones(len(self.texts), np.bool_)
        if self.scored.ndim > 1 and self.scored.shape[1] == self.width:
            return self.scored.T.ravel()
        rows = self.scored if self.scored.ndim == 1 else np.logical_or.reduce(self.scored, axis=1)
        return np.tile(rows, self.width or 1)

    def _read(self, texts: pa.Array, kind: Kind, hint: str) -> pa.Array:
        if kind == NUMBER:
            return compute.ascii_trim(texts, " \t").cast(pa.float64())
        if kind.dtype == INTEGER.dtype:
            return self._integers(texts, hint)
        return compute.match_substring_regex(texts, "[tT]") if kind == BOOLEAN else texts

    def are_words(self) -> bool:
        """Tell if each cell begins with a letter, as no number does and most names do."""
        return bool(compute.all(compute.match_substring_regex(self.texts.fill_null(""), A_WORD)).as_py())

    def filled(self) -> InvalidInput | None:
        """The refusal of the cells that are not empty, where a column was empty before; None if there are none."""
        rule = "must be empty in all rows or in none"
        return self._refusal(self.texts.is_null().to_numpy(zero_copy_only=False), "wrong_type", rule)

    def _integers(self, texts: pa.Array, hint: str) -> pa.Array:
        try:
            return texts.cast(pa.int64())
        except pa.ArrowInvalid:
            plain = compute.replace_substring_regex(texts, r"[ \t]+|\.0*", "")
        try:
            return plain.cast(pa.int64())
        except pa.ArrowInvalid:
            fit = np.array([len(text) <= LONGEST_INT and int(text) in INT64 for text in plain.to_pylist()])
            rule = f"must lie in [{INT64[0]}, {INT64[-1]}]{hint}"
            if refusal := self._refusal(fit | ~self._cell_mask(), "out_of_range", rule):
                raise refusal from None
            return compute.if_else(pa.array(fit), plain, "0").cast(pa.int64())

    def _refusal(self, are_right: BoolArray, code: str, rule: str) -> InvalidInput | None:
        by_row = are_right.reshape(self.width or 1, -1).T
        wrong = np.argwhere(~by_row)
        if not len(wrong):
            return None
        errors = (
            FieldError(self._place(row, j), code, f"{rule}, {_found(self.texts[j * len(by_row) + row])}")
            for row, j in wrong[:MAX_LISTED_ERRORS].tolist()
        )
        return InvalidInput(errors, len(wrong))

    def _place(self, row: int, j: int) -> str:
        place = f"{self.pointer}/{self.first_row + row}"
        return place if self.width is None else f"{place}/{j}"


def _are(kind: Kind, texts: pa.Array) -> BoolArray:
    if kind == NUMBER:
        return np.array([text is None or A_NUMBER.fullmatch(text) is not None for text in texts.to_pylist()], np.bool_)
    matches = texts.is_valid() if kind == STRING else compute.match_substring_regex(texts, TEXTS[kind])
    are: BoolArray = matches.fill_null(False).to_numpy(zero_copy_only=False)
    return are


def _found(cell: pa.StringScalar) -> str:
    text = cell.as_py()
    if text is None:
        return "found an empty field"
    return f"found {describe(text)}" + (NO_LISTS if text.startswith("[") else "")
