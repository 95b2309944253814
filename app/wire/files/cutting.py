"""The cutting of files into pieces, by what their footers say and, of text, where rows end."""

from contextlib import closing

from app.wire.files.pieces import File, Piece
from app.wire.files.systems import opened, place_of
from app.wire.parquet.footer import row_groups


def pieces_of(file: File, piece_bytes: int) -> list[Piece]:
    """The pieces of a file, each of about so many bytes; what cannot be cut is one piece.

    Raises:
        SurprisalError: The file is not what its name says.
    """
    with closing(opened(place_of(file.path))) as source:
        groups = row_groups(source)
    pieces, start, n_bytes, n_rows, first_row = list[Piece](), 0, 0, 0, 0
    for i, group in enumerate(groups):
        n_bytes += sum(chunk.end - chunk.start for chunk in group.chunks)
        n_rows += group.n_rows
        if n_bytes >= piece_bytes or i == len(groups) - 1:
            pieces.append(Piece(file, start, i + 1, n_bytes, first_row, n_rows))
            start, first_row, n_bytes, n_rows = i + 1, first_row + n_rows, 0, 0
    return pieces
