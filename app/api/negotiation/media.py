"""The headers `Content-Type`, `Content-Encoding` and `Accept`, read and checked."""

from email.message import Message
from functools import lru_cache

from app.api.negotiation.formats import FORMATS, Format
from app.errors import UnsupportedMediaType
from app.wire.compression import DECODERS, ENCODINGS

JSON = FORMATS["json"].media_type
ARROW = FORMATS["arrow"].media_type
ROWS_TYPES = {format_.media_type: format_.name for format_ in FORMATS.values() if not format_.is_json}
"""Canonical media types of rows, without their aliases, and the names of their formats."""
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
    return f'found "{sent[:80]}"' if sent else "found none"


@lru_cache(maxsize=64)  # clients send few different headers
def _format(sent: str) -> Format | None:
    """The format that a `Content-Type` names; None where nobody reads it here."""
    message = Message()
    message["content-type"] = sent
    kind, charset = message.get_content_type(), message.get_content_charset("utf-8")
    if kind.startswith("application/") and kind.endswith("+json"):
        kind = JSON
    return BY_MEDIA_TYPE.get(kind) if charset in {"utf-8", "utf8", "us-ascii"} else None


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


def quality(accept: str, media_type: str) -> float:
    """The weight from 0 (refused) to 1 that `Accept` gives a media type; the most specific range that matches decides.

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
