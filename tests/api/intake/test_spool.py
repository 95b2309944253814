import io
import os
import tempfile
from pathlib import Path

import pytest

from app.api.intake.spool import IN_MEMORY_BYTES, Spool
from app.errors import Unavailable


@pytest.mark.parametrize("n_bytes", [0, 3, IN_MEMORY_BYTES, IN_MEMORY_BYTES + 1])
def test_all_comes_back_from_memory_or_from_a_file(n_bytes: int) -> None:
    piece = os.urandom(n_bytes // 2)
    with Spool() as spool:
        for part in (piece, piece, b"x" * (n_bytes % 2)):
            assert spool.fits(part) == (spool.n_bytes + len(part) <= IN_MEMORY_BYTES)
            spool.write(part)
        assert (spool.n_bytes, spool.is_in_memory) == (n_bytes, n_bytes <= IN_MEMORY_BYTES)
        file = spool.rewound()
        assert file.read() == piece + piece + b"x" * (n_bytes % 2)
        assert isinstance(file, io.BytesIO) == spool.is_in_memory
    assert file.closed or n_bytes <= IN_MEMORY_BYTES


def test_no_room_for_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nothing"))
    with Spool() as spool, pytest.raises(Unavailable, match="no room"):
        spool.write(bytes(IN_MEMORY_BYTES + 1))
