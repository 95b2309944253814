"""A body that is held in memory."""

from app.core.kernels import compiled

LONG_BYTES = 2**16
"""Bytes of a piece that is kept as it came; shorter ones are gathered, for each takes some dozen bytes more."""

WHOLE_BYTES = 2**22
"""Bytes after which a body goes to a buffer of its whole length, if that is known; who has sent less holds no more."""


class Body:
    """A body in the pieces in which it arrived.

    Pieces are joined once, at the end: a buffer that grows is copied again and again, and the interpreter's lock is
    held meanwhile. `bytes.join` lets the lock go. Pieces of a long body whose length is known go to their place in it,
    so that their memory serves the next ones.

    Args:
        length: The length of the body, which it does not exceed; 0 where it is not known.
    """

    def __init__(self, first: bytes = b"", length: int = 0) -> None:
        self._pieces = [first] if first else []
        self._length = length
        self._whole: bytearray | None = None
        self._short = bytearray()
        self._n_bytes = len(first)

    def __len__(self) -> int:
        return self._n_bytes

    def add(self, piece: bytes | bytearray) -> None:
        """Add a piece at the end."""
        if self._whole is not None:
            self._put(self._whole, piece)
            return
        self._n_bytes += len(piece)
        if self._n_bytes >= WHOLE_BYTES and self._length > self._n_bytes:
            self._move(piece)
            return
        is_long = len(piece) >= LONG_BYTES
        if not is_long:
            self._short += piece
        if is_long or len(self._short) >= LONG_BYTES:
            self._keep_short()
        if is_long:
            self._pieces.append(bytes(piece))  # a copy only of what may change

    def taken(self) -> bytes | bytearray:
        """Take all of the body out, so that whoever has taken it frees it."""
        if self._whole is not None:
            whole, self._whole = self._whole, None
            del whole[self._n_bytes :]
            self._n_bytes = 0
            return whole
        self._keep_short()
        pieces, self._pieces, self._n_bytes = self._pieces, [], 0
        return b"".join(pieces)

    def _move(self, piece: bytes | bytearray) -> None:
        self._keep_short()
        pieces, self._pieces, self._n_bytes = [*self._pieces, piece], [], 0
        self._whole = compiled.buffer(self._length)
        for early in pieces:
            self._put(self._whole, early)

    def _put(self, whole: bytearray, piece: bytes | bytearray) -> None:
        start, self._n_bytes = self._n_bytes, self._n_bytes + len(piece)
        with memoryview(whole) as view:
            view[start : self._n_bytes] = piece

    def _keep_short(self) -> None:
        if self._short:
            self._pieces.append(bytes(self._short))
            self._short.clear()
