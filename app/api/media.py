"""What the headers `Content-Type`, `Content-Encoding` and `Accept` say."""

from email.message import Message
from functools import lru_cache
from typing import Literal, TypeAlias

from starlette.datastructures import Headers

from app.errors import UnsupportedMediaType
from app.wire.compression import DECODERS, ENCODINGS

Format: TypeAlias = Literal["json", "npz", "arrow", "parquet", "ndjson", "csv"]

JSON = "application/json"
ARROW = "application/vnd.apache.arrow.stream"
MEDIA_TYPES: dict[str, Format] = {
    JSON: "json",
    "application/x-npz": "npz",
    ARROW: "arrow",
    "application/vnd.apache.parquet": "parquet",
    "application/x-ndjson": "ndjson",
    "text/csv": "csv",
}
STREAMED: frozenset[Format] = frozenset({"arrow", "ndjson", "csv"})
"""Formats that are scored while they arrive; the others must be complete before."""


def format_of(headers: Headers) -> Format:
    """The format of a body; one that no header describes is taken for JSON.

    Raises:
        UnsupportedMediaType: A format, or an encoding of characters, that nobody reads here.
    """
    return _format(headers.get("content-type", JSON))


@lru_cache(maxsize=64)  # clients send few different ones
def _format(sent: str) -> Format:
    message = Message()
    message["content-type"] = sent
    kind, charset = message.get_content_type(), message.get_content_charset("utf-8")
    if kind.startswith("application/") and kind.endswith("+json"):
        kind = JSON
    if kind not in MEDIA_TYPES or charset not in {"utf-8", "utf8", "us-ascii"}:
        known = ", ".join(MEDIA_TYPES)
        raise UnsupportedMediaType(f'Content-Type must be one of {known}, in UTF-8, found "{sent[:80]}"')
    return MEDIA_TYPES[kind]


def encoding_of(headers: Headers) -> str:
    """How a body is compressed; empty if it is not.

    Raises:
        UnsupportedMediaType: In a way that nobody undoes here, or in several.
    """
    sent = headers.get("content-encoding", "").strip().lower()
    if sent in {"", "identity"}:
        return ""
    if sent not in DECODERS:
        raise UnsupportedMediaType(f'Content-Encoding must be one of {", ".join(ENCODINGS)}, found "{sent[:80]}"')
    return sent


def quality(accept: str, media_type: str) -> float:
    """How much a client wants a media type, 0 for not at all; the most specific range that matches decides.

    >>> quality("text/html, */*;q=0.1", "application/json"), quality("*/*, application/json;q=0", "application/json")
    (0.1, 0.0)
    """
    qualities = dict(map(_range, accept.split(",")))
    for media_range in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
        if media_range in qualities:
            return qualities[media_range]
    return 0.0


def _range(text: str) -> tuple[str, float]:
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    wanted = next((p.removeprefix("q=") for p in parameters if p.startswith("q=")), "1")
    return name, float(wanted) if wanted.replace(".", "", 1).isdecimal() else 1.0
