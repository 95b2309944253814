"""What the headers `Content-Type`, `Content-Encoding` and `Accept` say about JSON."""

from email.message import Message

from starlette.datastructures import Headers


def accepts_json(accept: str) -> bool:
    """Whether a client takes JSON; of the ranges that match, the most specific one decides.

    >>> accepts_json("text/html, */*;q=0.1"), accepts_json("*/*, application/json;q=0")
    (True, False)
    """
    qualities = dict(map(_range, accept.split(",")))
    for media_range in ("application/json", "application/*", "*/*"):
        if media_range in qualities:
            return qualities[media_range] > 0
    return False


def is_json(headers: Headers) -> bool:
    """Whether a body is JSON in UTF-8, not compressed; one that no header describes is taken for that."""
    message = Message()
    message["content-type"] = headers.get("content-type", "application/json")
    kind, charset = message.get_content_type(), message.get_content_charset("utf-8")
    is_plain = headers.get("content-encoding", "identity").lower() == "identity"
    return (
        is_plain
        and charset in {"utf-8", "utf8", "us-ascii"}
        and (kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json")))
    )


def _range(text: str) -> tuple[str, float]:
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    quality = next((p.removeprefix("q=") for p in parameters if p.startswith("q=")), "1")
    return name, float(quality) if quality.replace(".", "", 1).isdecimal() else 1.0
