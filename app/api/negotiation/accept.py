"""The forms that an answer may take, by the header `Accept`, and with them all that the head of a JSON body says."""

from collections.abc import Collection
from functools import lru_cache, partial
from typing import Any, NamedTuple

import orjson
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.api.exchange import Head
from app.api.negotiation.media import ARROW, JSON, check_json, encoding_of, media_ranges, quality, refuse_encoding
from app.wire.arrow.answer import stream_of

_JSON_TYPE = (b"content-type", JSON.encode())

dumps = partial(orjson.dumps, option=orjson.OPT_SERIALIZE_NUMPY)
"""A function that writes an answer as JSON, NumPy arrays included; NaN becomes null, as losses of rows mean it."""


class JsonResponse(Response):
    """An answer of status 200 that is JSON: its head is known, so nothing of starlette's works it out."""

    def __init__(self, body: bytes) -> None:
        self.status_code, self.body, self.background = 200, body, None
        self.raw_headers = [(b"content-length", b"%d" % len(body)), _JSON_TYPE]


class Accepted:
    """The forms a client takes; JSON, or Arrow where it asks for that and for losses of rows.

    Raises:
        HTTPException: 406, it takes neither.
    """

    def __init__(self, accept: str) -> None:
        ranges = media_ranges(accept)
        wanted, by_name = quality(ranges, JSON), ranges.get(ARROW, 0.0)
        self._json = wanted > 0.0
        self._arrow = by_name > 0.0 and by_name >= wanted
        if not self._json and not self._arrow:
            raise HTTPException(406, f"the header Accept must not exclude {JSON}")

    def check(self, include: Collection[str]) -> None:
        """Raise 406 before the body is read, rather than after scoring.

        Raises:
            HTTPException: 406, the client takes Arrow only, and asks for no losses of rows.
        """
        if not self._json and "per_sample" not in include:
            raise HTTPException(406, f"the header Accept must not exclude {JSON}, unless `include` asks for per_sample")

    def answer(self, content: dict[str, Any]) -> Response:
        """The answer in the form that is wanted, its arrays written out.

        Raises:
            HTTPException: 406, the client takes Arrow only, and there are no losses of rows.
        """
        if self._arrow and "per_sample" in content:
            column = content.pop("per_sample")["cross_entropy"]
            return Response(stream_of(column, dumps(content)), media_type=ARROW)
        if not self._json:
            self.check(())
        return JsonResponse(dumps(content))


def accepted(head: Head) -> Accepted:
    """The forms that a request accepts; all of them if it does not say.

    Raises:
        HTTPException: 406, as `Accepted` does.
    """
    return _accepted(head.get("accept") or "*/*")


class Terms(NamedTuple):
    """The terms that the head of a request with a JSON body sets for the body and for the answer.

    Attributes:
        encoding: The compression of the body; empty if there is none.
    """

    encoding: str
    forms: Accepted


def json_terms(head: Head, rows_path: str = "") -> Terms:
    """The terms of a request whose body is JSON.

    Args:
        head: The headers of the request.
        rows_path: The path for rows in other formats; without one, no body may be compressed.

    Raises:
        Unsupported: 415, the body is no JSON, or compressed in a way that is not read at this path.
        HTTPException: 406, as `Accepted` does.
    """
    sent = head.get("content-type", JSON), head.get("content-encoding", ""), head.get("accept") or "*/*"
    return _json_terms(*sent, rows_path)


# Clients send few different headers: to read them anew takes longer than to read a small body.
_accepted = lru_cache(maxsize=64)(Accepted)


@lru_cache(maxsize=64)
def _json_terms(content_type: str, encoding: str, accept: str, rows_path: str) -> Terms:
    check_json(content_type, rows_path)
    if not rows_path:
        refuse_encoding(encoding)
    return Terms(encoding_of(encoding), _accepted(accept))
