"""A body that is held in memory."""

LONG_BYTES = 2**16
"""Bytes of a piece that is kept as it came; shorter ones are gathered, for each takes some dozen bytes more."""


class Body:
    """A body in the pieces in which it arrived.

    Pieces are joined once, at the end: a buffer that grows is copied again and again, and the interpreter's lock is
    held meanwhile. `bytes.join` lets the lock go.
    """

    def __init__(self, first: bytes = b"") -> None:
        self._pieces = [first] if first else []
        self._short = bytearray()
        self._n_bytes = len(first)

    def __len__(self) -> int:
        return self._n_bytes

    def add(self, piece: bytes | bytearray) -> None:
        """Add a piece at the end."""
        self._n_bytes += len(piece)
        is_long = len(piece) >= LONG_BYTES
        if not is_long:
            self._short += piece
        if is_long or len(self._short) >= LONG_BYTES:
            self._keep_short()
        if is_long:
            self._pieces.append(bytes(piece))  # a copy only of what may change

    def taken(self) -> bytes:
        """Take all of the body out, so that whoever has taken it frees it."""
        self._keep_short()
        pieces, self._pieces, self._n_bytes = self._pieces, [], 0
        return b"".join(pieces)

    def _keep_short(self) -> None:
        if self._short:
            self._pieces.append(bytes(self._short))
            self._short.clear()
