"""Cells of CSV: which kind of value their texts are, and these values."""

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
"""What must be an integer and may be written `1.0`, as pandas writes columns that had missing values."""

TEXTS = {
    INTEGER: r"\A[ \t]*-?(0|[1-9][0-9]*)[ \t]*\z",
    WHOLE: r"\A[ \t]*-?(0|[1-9][0-9]*)(\.0*)?[ \t]*\z",
    BOOLEAN: r"\A[ \t]*(true|false|True|False|TRUE|FALSE)[ \t]*\z",
}
A_NUMBER = re.compile(
    r"[ \t]*[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|inf(inity)?|nan(\(\w*\))?)[ \t]*", re.ASCII | re.IGNORECASE
)
"""What pyarrow reads as a number."""

A_WORD = r"\A[ \t]*\p{L}"

INT64 = range(-LARGEST_INT - 1, LARGEST_INT + 1)
LONGEST_INT = len(str(INT64[0]))
NO_LISTS = "; CSV holds no lists: send JSON Lines, Arrow or Parquet"


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of some rows in the columns of a table that make one column of a request.

    Attributes:
        texts: Strings, or numbers that are read already: one column of the table after another.
        pointer: To the column of the request.
        first_row: The number of the first of the rows in the body.
        width: How many columns of the table there are; None where the column is (n,).
    """

    texts: pa.Array
    pointer: str
    first_row: int
    width: int | None

    def kind(self, kinds: Sequence[Kind]) -> Kind:
        """The first of some kinds that all cells are; where none may be a string, that the first cell is.

        What is none of them is taken for a string, or else for the first of them, which it will be refused for.
        """
        if len(kinds) == 1:
            return kinds[0]
        last, texts = (STRING, self.texts) if STRING in kinds else (kinds[0], self.texts[:1])
        narrow = (kind for kind in kinds if kind != STRING)
        return next((kind for kind in narrow if _are(kind, texts.drop_null()).all()), last)

    def values(self, kind: Kind, hint: str = "") -> NDArray[Any]:
        """The values, (n,) or (n, width).

        Args:
            hint: What else than a value of the kind would do, for the error.

        Raises:
            InvalidInput: A text is not of the kind, or an integer has more than 63 bits.
        """
        if kind != NUMBER and (refusal := self.refusal(kind, hint)):
            raise refusal
        values = self._integers() if kind.dtype == INTEGER.dtype else self.texts
        if kind == BOOLEAN:
            values = compute.match_substring_regex(values, "[tT]")
        array: NDArray[Any] = values.to_numpy(zero_copy_only=False)
        return array if self.width is None else np.ascontiguousarray(array.reshape(self.width, -1).T)

    def are_words(self) -> bool:
        """Whether each begins with a letter, as no number does and most names do."""
        return bool(compute.all(compute.match_substring_regex(self.texts.fill_null(""), A_WORD)).as_py())

    def refusal(self, kind: Kind, hint: str = "") -> InvalidInput | None:
        """What is wrong with the texts that are not of a kind, if any is; none at all is the number NaN."""
        return self._refusal(_are(kind, self.texts), "wrong_type", f"must be {kind.word}{hint}")

    def _integers(self) -> pa.Array:
        try:
            return self.texts.cast(pa.int64())
        except pa.ArrowInvalid:
            plain = compute.replace_substring_regex(self.texts, r"[ \t]+|\.0*", "")
        try:
            return plain.cast(pa.int64())
        except pa.ArrowInvalid as error:
            are_right = np.array([len(text) <= LONGEST_INT and int(text) in INT64 for text in plain.to_pylist()])
            rule = f"must lie in [{INT64[0]}, {INT64[-1]}]"
            raise self._refusal(are_right, "out_of_range", rule) or error from None

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
