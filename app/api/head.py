"""The head of a request, read once for all that heed it."""

from collections.abc import Iterable, Mapping
from typing import TypeAlias

Header: TypeAlias = tuple[bytes, bytes]
Head: TypeAlias = Mapping[str, str]
"""Headers by their names in lower case."""


def read_head(headers: Iterable[Header]) -> Head:
    """The headers of a request: of one that was sent several times the first, of `accept` all, with commas between.

    >>> read_head([(b"accept", b"text/csv"), (b"host", b"a"), (b"host", b"b"), (b"accept", b"*/*")])
    {'accept': 'text/csv,*/*', 'host': 'a'}
    """
    head: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        if name not in head:
            head[name] = value
        elif name == "accept":
            head[name] += f",{value}"
    return head
