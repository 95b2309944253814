"""Names of columns: which columns of a table a request needs, and what the query says of them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from surprisal_client.errors import InputError
from surprisal_client.fields import FIELDS, wrong

STAR = "*"
OWN = re.compile(rf"((?:candidates\..+\.)?(?:{'|'.join(FIELDS)}))(_\d+)?|slices\..+")
"""Names under which a field is found without being named: its own, also of a candidate, numbered or not."""

READERS = {"choices": "openai", "filtered_resps": "lm-eval", "prompt_logprobs": "vllm"}
"""The reader of rows by a name that they have."""

Naming = Mapping[str, tuple[str, ...]]
"""The names and patterns of each query parameter."""


def naming_of(fields: Mapping[str, Any]) -> Naming:
    """The names of the columns that hold the fields.

    >>> naming_of({"labels": "outcome", "slices": ["site", "country"]})
    {'labels': ('outcome',), 'slices': ('site', 'country')}

    Raises:
        InputError: A field is something else than a name or several.
    """
    return {name: _names(name, value) for name, value in fields.items()}


def _names(field: str, value: Any) -> tuple[str, ...]:
    is_one = isinstance(value, str | int)
    several = () if hasattr(value, "iloc") or not hasattr(value, "__iter__") else tuple(value)
    names = (value,) if is_one else several
    if not names or not all(isinstance(name, str | int) for name in names):
        raise wrong(field, "wrong_type", "must be the name of a column, or a list of names, where rows come as a table")
    return tuple(map(str, names))  # pandas numbers the columns of an array


def items(naming: Naming, columns: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield each parameter with each of its names and patterns, as the service takes the text apart."""
    present = set(columns)
    for parameter, texts in naming.items():
        for text in texts:
            for item in (text,) if text in present else text.split(","):
                yield parameter, item.strip()


def needed_columns(naming: Naming, columns: Sequence[str]) -> list[str]:
    """The columns of a table that a request may need; all of them if it names none.

    >>> needed_columns({"probabilities": ("p_*",)}, ["labels", "p_0", "p_1", "age"])
    ['labels', 'p_0', 'p_1']

    Raises:
        InputError: A name or a pattern is that of no column, or none is named and none is called like a field.
    """
    if not naming:
        check_fields(columns)
        return list(columns)
    chosen = {name for parameter, item in items(naming, columns) for name in matching(parameter, item, columns)}
    return [name for name in columns if name in chosen or OWN.fullmatch(name)]


def matching(parameter: str, item: str, columns: Sequence[str]) -> list[str]:
    """The columns that a name or a pattern stands for.

    Raises:
        InputError: There is none.
    """
    start, star, end = item.partition(STAR)
    if item in columns or not star:
        found = [name for name in columns if name == item]
    else:
        found = [
            name
            for name in columns
            if len(name) >= len(start) + len(end) and name.startswith(start) and name.endswith(end)
        ]
    if not found:
        raise wrong(
            parameter,
            "missing",
            f'must be a column, found none {"like" if star else "called"} "{item}"{_hint(item, columns)}',
        )
    return found


def _hint(item: str, columns: Sequence[str]) -> str:
    close = get_close_matches(item.replace(STAR, ""), columns, n=1, cutoff=0.6)
    return f'; did you mean "{close[0]}"?' if close else f"; there are {_some(columns)}"


def _some(columns: Sequence[str]) -> str:
    return f"{', '.join(columns[:8])}{', ...' * (len(columns) > 8)}" if columns else "none"


def check_fields(columns: Sequence[str]) -> None:
    """Refuse a table of which no column is named, and none is called like a field.

    Raises:
        InputError: It is one; the message tells its columns, or which program wrote it.
    """
    if any(OWN.fullmatch(name) for name in columns):
        return
    if reader := next((READERS[name] for name in columns if name in READERS), ""):
        raise InputError(f"{reader} wrote these rows: read them with --from {reader}, or its reader in Python")
    raise InputError(f"name the columns, such as `labels` and `probabilities`; there are {_some(columns)}")


def check_doubles(columns: Sequence[str], where: str) -> None:
    """Refuse a table with two columns of one name.

    Raises:
        InputError: A name occurs twice.
    """
    seen: set[str] = set()
    for name in columns:
        if name in seen:
            raise InputError(f'{where}: must have columns of different names, found "{name}" twice')
        seen.add(name)


def dimensions(naming: Naming, columns: Mapping[str, bool]) -> dict[str, int]:
    """Dimensions by field: 1 is a value a row, 2 are several.

    Args:
        naming: The names and patterns by parameter.
        columns: For each column, whether it holds a list a row.
    """
    names = list(columns)
    found: dict[str, int] = {}
    for parameter in naming:
        chosen = [name for key, item in items(naming, names) if key == parameter for name in matching(key, item, names)]
        is_pattern = any(STAR in item and item not in columns for key, item in items(naming, names) if key == parameter)
        found[parameter] = 2 if len(chosen) > 1 or is_pattern or columns[chosen[0]] else 1
    for name in names:
        if (own := OWN.fullmatch(name)) and own[1] and own[1] not in found:
            found[own[1]] = 2 if own[2] or columns[name] else 1
    return found


def dimensions_of_first(naming: Naming, columns: Mapping[str, bool]) -> tuple[dict[str, int], str]:
    """Dimensions by field, as the first row tells them, or why it does not: the service may still read the rows."""
    try:
        return dimensions(naming, columns), ""
    except InputError as error:
        return {}, str(error)


def query(naming: Naming) -> tuple[tuple[str, str], ...]:
    """The query parameters that say it to the service."""
    return tuple((parameter, text) for parameter, texts in naming.items() for text in texts)
