"""A reader of ZIP archives in memory; no member is decoded before its size is known."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter

from isal import isal_zlib

from app.errors import MalformedBody, TooLarge
from app.wire.foreign import KEPT_WHOLE

END = struct.Struct("<4s4xHHIIH")
ENTRY = struct.Struct("<4s4xHH4xIIIHHH8xI")
LOCAL = struct.Struct("<4s22xHH")
ENCRYPTED, UTF_8 = 0x1, 0x800
STORED, DEFLATED = 0, 8


@dataclass(frozen=True, slots=True)
class Member:
    """A file of an archive, still encoded.

    Attributes:
        start, end: Its place in the archive, from its own header to behind its last byte.
        n_bytes: The length that it claims to have once decoded.
    """

    name: str
    method: int
    checksum: int
    n_bytes: int
    encoded: memoryview
    start: int
    end: int

    @property
    def is_stored(self) -> bool:
        """Tell if the bytes are not compressed."""
        return self.method == STORED

    def content(self) -> memoryview | bytes:
        """The decoded bytes, `n_bytes` long; not copied if they are stored.

        Raises:
            MalformedBody: The bytes are not what the directory says.
        """
        content = self.encoded if self.is_stored else self._inflated()
        if len(content) != self.n_bytes or isal_zlib.crc32(content) != self.checksum:
            raise MalformedBody("must be a sound ZIP archive, found a member of another length or checksum")
        return content

    def _inflated(self) -> bytes:
        inflater = isal_zlib.decompressobj(-isal_zlib.MAX_WBITS)
        try:
            content = inflater.decompress(self.encoded, max(1, self.n_bytes))
            excess = inflater.decompress(inflater.unconsumed_tail, 1)
        except isal_zlib.error as error:  # type: ignore[misc] # the stub takes the class for an instance
            raise MalformedBody(f"must be a sound ZIP archive: {error}") from error
        if excess or not inflater.eof:
            raise MalformedBody("must be a sound ZIP archive, found a member that does not end")
        return content


def members(archive: memoryview, max_members: int) -> list[Member]:
    """The members of an archive of less than 4 GiB, without a comment at its end, on one disk.

    Raises:
        MalformedBody: No such archive; a member lies outside of it, shares bytes with another, is encrypted, or neither
            stored nor deflated.
        TooLarge: More than `max_members`.
    """
    try:
        magic, n_here, n_members, size, start, _ = END.unpack_from(archive, max(0, len(archive) - END.size))
        if magic != b"PK\5\6" or n_here != n_members or start + size > len(archive):
            raise MalformedBody(f"must end with the directory of a ZIP archive, found other bytes ({KEPT_WHOLE})")
        if n_members > max_members:
            raise TooLarge(f"an archive must have at most {max_members} members, found {n_members}")
        found = list(_members(archive, start, n_members))
    except (struct.error, UnicodeDecodeError) as error:
        raise MalformedBody(f"must be a ZIP archive, found other bytes or only a part of one ({KEPT_WHOLE})") from error
    if any(one.end > other.start for one, other in pairwise(sorted(found, key=attrgetter("start")))):
        raise MalformedBody("must have members apart from each other in the ZIP archive, found two that share bytes")
    return found


def _members(archive: memoryview, place: int, n_members: int) -> Iterator[Member]:
    for _ in range(n_members):
        magic, flags, method, checksum, n_encoded, n_bytes, n_name, *n_more, start = ENTRY.unpack_from(archive, place)
        name = bytes(archive[place + ENTRY.size :][:n_name]).decode("utf-8" if flags & UTF_8 else "cp437")
        if magic != b"PK\1\2":
            raise MalformedBody("must have one entry a member in the directory of a ZIP archive, found other bytes")
        if flags & ENCRYPTED or method not in {STORED, DEFLATED}:
            raise MalformedBody("must have members that are stored or deflated and not encrypted, found another")
        begin = _begin(archive, start, n_encoded)
        encoded = archive[begin : begin + n_encoded]
        yield Member(name, method, checksum, n_bytes, encoded, start, begin + n_encoded)
        place += ENTRY.size + n_name + sum(n_more)


def _begin(archive: memoryview, start: int, n_bytes: int) -> int:
    """The place of the bytes of a member, behind its own header."""
    magic, *n_more = LOCAL.unpack_from(archive, start)
    begin: int = start + LOCAL.size + sum(n_more)
    if magic != b"PK\3\4" or begin + n_bytes > len(archive):
        raise MalformedBody("must have members inside the ZIP archive, found one outside")
    return begin
