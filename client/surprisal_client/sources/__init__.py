"""Rows from anywhere as the body of a request."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from surprisal_client.exchange import Body


@dataclass(frozen=True)
class Source:
    """Rows to send, in memory or not."""

    dimensions: Mapping[str, int]
    """Dimensions by field: 1 is a value a row, 2 are several."""
    body: Body | None = None
    query: tuple[tuple[str, str], ...] = ()
    """Query parameters that name the columns of the fields."""
    columns: Mapping[str, Any] | None = None
    """The fields themselves, where they fit in a JSON body."""
    locate: Callable[[int], str] = lambda _: ""
    """Tell the file and the row of a row of the whole request."""
    name: str = ""
    """The file or the files, where rows come from some."""
    untold: str = ""
    """The reason why the dimensions of a file are not known."""

    def place(self, row: int | None) -> str:
        """Tell where a row is, or where all of them are."""
        return self.name if row is None else self.locate(row) or self.name
