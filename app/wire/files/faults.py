"""The faults of pieces, told of their file: rows are counted from the first row of the file."""

import re
from contextlib import closing
from dataclasses import replace
from typing import BinaryIO

from app.errors import FaultyFile, FieldError, InvalidInput, MalformedBody, SurprisalError, TooLarge
from app.wire.arrow.blocks import blocks_of, n_rows_before
from app.wire.csv.quotes import Quotes
from app.wire.csv.table import n_rows_of
from app.wire.files.pieces import Piece
from app.wire.files.ranges import Range
from app.wire.files.systems import opened, place_of
from app.wire.limits import Limits
from app.wire.ndjson.lines import LINE
from app.wire.skipping import row_of, with_row
from app.wire.sources import Source
from app.wire.text import blocks

ROW = re.compile(r"\b(row|rows from) (\d+)")
CANNOT_BE_CUT = (
    "must have no line ends within quotes, for it is read in pieces: compress it as a whole, or write Parquet"
)
_SHIFTED: tuple[type[SurprisalError], ...] = (MalformedBody, TooLarge)


def in_file(error: SurprisalError, piece: Piece, limits: Limits) -> FaultyFile:
    """The error of a piece as one of its file."""
    path = piece.file.path
    if isinstance(error, FaultyFile):
        return error
    with closing(opened(place_of(path))) as file:
        n_before = _n_before(file, piece, limits)
    if n_before is None:
        return FaultyFile(MalformedBody(CANNOT_BE_CUT), path)
    if isinstance(error, InvalidInput):
        shifted = InvalidInput((_shifted(entry, n_before) for entry in error.errors), error.n_errors)
        return FaultyFile(shifted, path, row_of(shifted.errors[0].pointer))
    if isinstance(error, _SHIFTED):
        detail = _shifted_text(error.detail, n_before)
        found = ROW.search(detail)
        return FaultyFile(type(error)(detail), path, int(found[2]) if found else None)
    return FaultyFile(error, path)


def _shifted(error: FieldError, n_rows: int) -> FieldError:
    row = row_of(error.pointer)
    place = error.pointer if row is None else with_row(error.pointer, row + n_rows)
    return replace(error, pointer=place, detail=_shifted_text(error.detail, n_rows))


def _shifted_text(text: str, n_rows: int) -> str:
    return ROW.sub(lambda found: f"{found[1]} {int(found[2]) + n_rows}", text)


def _n_before(file: BinaryIO, piece: Piece, limits: Limits) -> int | None:
    """The rows of the file before a piece; None where it begins or ends within quotes."""
    if piece.file.format == "csv" and piece.stop != piece.file.n_bytes and piece.stop >= 0:
        after = _n_rows_of_csv(Range(file, 0, piece.stop), limits)
        if after is None or not piece.start:
            return after and 0
    if piece.first_row is not None:
        return piece.first_row
    before = Range(file, 0, piece.start)
    if piece.file.format == "csv":
        return _n_rows_of_csv(before, limits)
    if piece.file.format == "ndjson":
        texts = blocks(before, limits, lambda text, start: text.rfind(b"\n", start) + 1, lambda: "a row")
        return sum(len(LINE.findall(text)) for text in texts)
    found = blocks_of(file)
    return 0 if found is None else n_rows_before(file, found, piece.start)


def _n_rows_of_csv(text: Source, limits: Limits) -> int | None:
    """The rows of a text behind its header; None where it ends within quotes."""
    try:
        return sum(map(n_rows_of, blocks(text, limits, Quotes(lambda: "a row").row_end, lambda: "a row"))) - 1
    except MalformedBody:
        return None
