"""The first line of CSV: the names of its columns, or the fault that it has instead."""

import csv
import re
from codecs import BOM_UTF8

from app.errors import InvalidInput, MalformedBody, clip
from app.wire.foreign import KEPT_WHOLE, not_utf_8
from app.wire.mapping.naming import Naming

QUOTED = re.compile(rb'"[^"]*"')
NAMES_FIRST = "must begin with a line of column names"
WITH_HEADER = 'Spark writes one with option("header", True); columns that the query names may be called by numbers'
SPACED = re.compile(rb'"[^"]*"( +"[^"]*")+')
"""The names of a header as R's `write.table` writes them: in quotes, with spaces between."""

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
SEPARATORS = {b";": "semicolons", b"\t": "tabs", b"|": "bars"}


def column_names(text: bytes, naming: Naming) -> tuple[list[str], bytes]:
    """The names of columns in the first line of a text, and the rest of the text.

    Args:
        naming: The columns as the query names them; if it names one by a number, others may be numbers too.

    Raises:
        MalformedBody: No line of names, or not with commas between them.
        InvalidInput: A column without a name.
    """
    line, rest = _first_line(text)
    if b"\r" in line:
        raise MalformedBody(r"the header must end with \n or \r\n, found a lone \r")
    if fault := not_utf_8(line):
        raise MalformedBody(f"the header {fault}")
    if fault := header_fault(text):
        raise MalformedBody(fault)
    try:
        names = [name.strip(" \t") for name in next(csv.reader([line.decode()], strict=True), [])]
    except csv.Error as error:
        raise MalformedBody(f"{NAMES_FIRST}: {error}") from error
    value = next(filter(NUMBER.fullmatch, names), None)
    if value and not any(map(NUMBER.fullmatch, naming.items)):
        hint = WITH_HEADER if rest.strip() else KEPT_WHOLE
        raise MalformedBody(f"{NAMES_FIRST}, such as labels,probabilities, found the number {clip(value)}; {hint}")
    _check_named(names)
    return names, rest


def header_fault(text: bytes) -> str:
    """The fault of a first line that is no line of names with commas; empty if none is seen.

    >>> header_fault(b'"labels";"probabilities"')
    'the header must have commas between names, found semicolons: write commas, and points in numbers'
    """
    line, _ = _first_line(text)
    if line.lstrip().startswith((b"{", b"[")):
        return f"{NAMES_FIRST}, found JSON: send it as application/json or application/x-ndjson"
    if line.lower().startswith((b"sep=", b'"sep=')):
        shown = clip(line.decode(errors="replace"))
        return f"{NAMES_FIRST}, found {shown}, which only Excel reads: leave this line out"
    bare = QUOTED.sub(b"", line)
    found = next((words for sign, words in SEPARATORS.items() if sign in bare), None)
    if found is None and SPACED.fullmatch(line.strip()):
        found = "spaces"
    if b"," in bare or found is None:
        return ""
    return f"the header must have commas between names, found {found}: write commas, and points in numbers"


def _first_line(text: bytes) -> tuple[bytes, bytes]:
    line, _, rest = text.removeprefix(BOM_UTF8).lstrip(b"\r\n").partition(b"\n")
    return line.rstrip(b"\r"), rest


def _check_named(names: list[str]) -> None:
    if "" not in names[1:]:  # the first one is the index of a frame
        return
    place = names.index("", 1)
    hint = "name it, or leave it out"
    if place == len(names) - 1:
        hint = "it is the last: leave out the comma at the end of each line"
    rule = f"must have a name for every column in the header, found none for column {place}"
    raise InvalidInput.at("", "missing", f"{rule}; {hint}")
