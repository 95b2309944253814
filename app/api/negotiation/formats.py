"""The table of formats that a body may have, and how each is read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedIOBase
from typing import Any, BinaryIO, Literal, TypeAlias, cast

from app.api.intake.spool import IN_MEMORY_BYTES, Spool
from app.core.paying import hold
from app.settings import Settings
from app.wire.arrow import stream as arrow
from app.wire.csv import table as csv
from app.wire.limits import Limits
from app.wire.mapping.column_map import ColumnMap
from app.wire.ndjson import reader as ndjson
from app.wire.npz import archive as npz
from app.wire.parquet import file as parquet
from app.wire.sources import Source

Parts: TypeAlias = Iterator[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Format:
    """A format of bodies.

    Attributes:
        media_type: The canonical media type.
        arrival: Whether a body is held in memory until it is complete, held in memory or a file, or scored on arrival.
        aliases: Other media types that mean the same.
    """

    name: str
    media_type: str
    arrival: Literal["held", "spooled", "streamed"]
    aliases: tuple[str, ...] = ()

    @property
    def is_json(self) -> bool:
        """Tell if a body is one JSON object, with the options in it."""
        return self.name not in PARTS


ADVICE = {
    "held": "rows as NDJSON, CSV, Arrow stream, Parquet or npz may take more, at this path with /rows after it",
    "spooled": "rows as Arrow stream, NDJSON or CSV may take more",
    "streamed": "send the rows in several requests",
}
"""The advice to the sender of a body that is too large, by how the body arrives."""


def limits_of(format_: Format, settings: Settings) -> Limits:
    """The bounds on a body of a format."""
    most = {
        "held": settings.max_body_bytes,
        "spooled": settings.max_spooled_bytes,
        "streamed": settings.max_streamed_bytes,
    }
    return Limits(
        advice=ADVICE[format_.arrival],
        max_decoded_bytes=most[format_.arrival],
        max_ratio=settings.max_ratio,
        max_part_bytes=settings.max_part_bytes,
        max_columns=settings.max_columns,
        max_line_bytes=settings.max_line_bytes,
    )


@contextmanager
def _seekable(source: Source, limits: Limits) -> Iterator[BinaryIO]:
    """The source as a file to seek in; a source that is none is copied into one.

    Raises:
        Unavailable: There is no room for a file.
    """
    if isinstance(source, BufferedIOBase):
        yield cast(BinaryIO, source)
        return
    with Spool() as spool:
        while piece := source.read(limits.max_part_bytes):
            spool.write(piece)
            hold("held", min(spool.n_bytes, IN_MEMORY_BYTES))
        yield spool.rewound()


def _npz_parts(source: Source, limits: Limits, columns: ColumnMap) -> Parts:
    with _seekable(source, limits) as file:
        yield npz.columns(file, limits, columns)


def _parquet_parts(source: Source, limits: Limits, columns: ColumnMap) -> Parts:
    with _seekable(source, limits) as file:
        yield from parquet.parts(file, limits, columns)


PARTS: dict[str, Callable[[Source, Limits, ColumnMap], Parts]] = {
    "npz": _npz_parts,
    "arrow": arrow.parts,
    "parquet": _parquet_parts,
    "ndjson": ndjson.parts,
    "csv": csv.parts,
}
"""The readers by name of the format: each yields columns of some rows at a time, and asks the map which they are."""

FORMATS = {
    format_.name: format_
    for format_ in (
        Format("json", "application/json", "held"),
        Format("npz", "application/x-npz", "spooled"),
        Format("arrow", "application/vnd.apache.arrow.stream", "streamed", ("application/vnd.apache.arrow.file",)),
        Format("parquet", "application/vnd.apache.parquet", "spooled"),
        Format(
            "ndjson",
            "application/x-ndjson",
            "streamed",
            ("application/ndjson", "application/jsonl", "application/x-jsonlines"),
        ),
        Format("csv", "text/csv", "streamed"),
    )
}
"""The formats by name, in the order in which documents and errors list them."""
