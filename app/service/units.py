"""The units of documents that a difference of `tokens` is of."""

from collections.abc import Collection
from typing import Literal, TypeAlias

from app.core.sums.layout import Family
from app.errors import InvalidInput, pointer

Per: TypeAlias = Literal["token", "byte", "word", "document"]
SIZES: dict[Per, str] = {"byte": "n_bytes", "word": "n_words"}
"""The column that says how many units a document has, by unit; of others the documents say it themselves."""
FAMILIES: dict[Per, Family] = {"byte": "n_bytes", "word": "n_words", "document": "row"}
"""The family of means whose denominators are units of documents, by unit; of tokens it is that of the loss."""


def check_unit(per: Per, columns: Collection[str]) -> None:
    """Refuse a unit of which no column says how many a document has."""
    column = SIZES.get(per)
    if column is not None and column not in columns:
        raise InvalidInput.at(pointer(column), "missing", f"must be sent where `per` is {per}, found none")
