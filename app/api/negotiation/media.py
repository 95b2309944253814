"""The headers `Content-Type`, `Content-Encoding` and `Accept`, read and checked."""

import re
from collections.abc import Mapping
from functools import lru_cache

from starlette.exceptions import HTTPException

from app.api.bounds import MAX_CONTENT_TYPE, MAX_RANGES
from app.api.negotiation.formats import FORMATS, Format
from app.errors import UnsupportedMediaType
from app.wire.compression import DECODERS, ENCODINGS

JSON = FORMATS["json"].media_type
ARROW = FORMATS["arrow"].media_type
ROWS_TYPES = {format_.media_type: format_.name for format_ in FORMATS.values() if not format_.is_json}
"""Canonical media types of rows, without their aliases, and the names of their formats."""
PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))')
BY_MEDIA_TYPE = {name: format_ for format_ in FORMATS.values() for name in (format_.media_type, *format_.aliases)}


class Unsupported(UnsupportedMediaType):
    """A body of a kind that a route does not read, and the headers that tell which kinds it does."""

    def __init__(self, detail: str, headers: dict[str, str]) -> None:
        super().__init__(detail)
        self.headers = headers


def check_json(sent: str, rows_path: str = "") -> None:
    """Refuse a body that is not JSON; one that no header describes is taken for JSON.

    Args:
        sent: The header `Content-Type`.
        rows_path: The path for rows in other formats; empty if there is none.

    Raises:
        Unsupported: Another format, or an encoding of characters that nobody reads here.
    """
    format_ = _format(sent)
    if format_ is None or not format_.is_json:
        hint = f"; rows as {', '.join(ROWS_TYPES)} go to {rows_path}" if rows_path else ""
        raise Unsupported(f"Content-Type must be {JSON} in UTF-8, {_found(sent)}{hint}", {"accept-post": JSON})


def rows_format(sent: str, json_path: str) -> Format:
    """The format of a body of rows.

    Args:
        sent: The header `Content-Type`.
        json_path: The path for JSON.

    Raises:
        Unsupported: JSON, no format at all, or an encoding of characters that nobody reads here.
    """
    format_ = _format(sent) if sent else None
    if format_ is None or format_.is_json:
        known = ", ".join(ROWS_TYPES)
        rule = f"Content-Type must be one of {known}, in UTF-8, {_found(sent)}; {JSON} goes to {json_path}"
        raise Unsupported(rule, {"accept-post": known})
    return format_


def _found(sent: str) -> str:
    if len(sent) > MAX_CONTENT_TYPE:
        return f"found {len(sent)} bytes of it, more than {MAX_CONTENT_TYPE}"
    return f'found "{sent[:80]}"' if sent else "found none"


def _format(sent: str) -> Format | None:
    """The format that a `Content-Type` names; None where nobody reads it here."""
    return None if len(sent) > MAX_CONTENT_TYPE else _named(sent)


@lru_cache(maxsize=64)  # clients send few different headers
def _named(sent: str) -> Format | None:
    kind = sent.partition(";")[0].strip().lower()
    if kind.startswith("application/") and kind.endswith("+json"):
        kind = JSON
    charsets = [
        (quoted or plain).lower() for name, quoted, plain in PARAMETER.findall(sent) if name.lower() == "charset"
    ]
    is_utf_8 = (charsets or ["utf-8"])[0] in {"utf-8", "utf8", "us-ascii"}
    return BY_MEDIA_TYPE.get(kind) if is_utf_8 else None


def encoding_of(sent: str) -> str:
    """The compression of a body, by the header `Content-Encoding`; empty if there is none.

    Raises:
        Unsupported: One that nobody undoes here, or several.
    """
    encoding = _encoding(sent)
    if encoding and encoding not in DECODERS:
        known = ", ".join(ENCODINGS)
        rule = f'Content-Encoding must be one of {known}, found "{encoding[:80]}"'
        raise Unsupported(rule, {"accept-encoding": known})
    return encoding


def refuse_encoding(sent: str) -> None:
    """Refuse a compressed body, which some routes do not read, though others do.

    Raises:
        Unsupported: The body is compressed.
    """
    if _encoding(sent):
        rule = "Content-Encoding must be absent: this takes JSON that is not compressed"
        raise Unsupported(rule, {"accept-encoding": "identity"})


def _encoding(sent: str) -> str:
    encoding = sent.strip().lower()
    return "" if encoding == "identity" else encoding


def media_ranges(accept: str) -> dict[str, float]:
    """The media ranges that `Accept` lists, each with its weight from 0 (refused) to 1.

    Raises:
        HTTPException: 406, it lists more than `MAX_RANGES`.

    >>> media_ranges("text/html, */*;q=0.1")
    {'text/html': 1.0, '*/*': 0.1}
    """
    if accept.count(",") >= MAX_RANGES:
        raise HTTPException(406, f"the header Accept must list at most {MAX_RANGES} media ranges, found more")
    return dict(map(_range, accept.split(",")))


def quality(ranges: Mapping[str, float], media_type: str) -> float:
    """The weight that media ranges give a media type; the most specific range that matches decides.

    >>> quality({"text/html": 1.0, "*/*": 0.1}, "application/json"), quality({"*/*": 1.0, "text/csv": 0.0}, "text/csv")
    (0.1, 0.0)
    """
    for media_range in (media_type, media_type.partition("/")[0] + "/*", "*/*"):
        if media_range in ranges:
            return ranges[media_range]
    return 0.0


def _range(text: str) -> tuple[str, float]:
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    wanted = next((p.removeprefix("q=") for p in parameters if p.startswith("q=")), "1")
    return name, float(wanted) if wanted.replace(".", "", 1).isdecimal() else 1.0
