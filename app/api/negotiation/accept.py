"""The forms that an answer may take, by the header `Accept`, and with them all that the head of a JSON body says."""

from collections.abc import Collection
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
import orjson
from starlette.exceptions import HTTPException

from app.api.exchange import Exchange, Head
from app.api.negotiation.media import ARROW, JSON, check_json, encoding_of, media_ranges, quality, refuse_encoding
from app.api.negotiation.sizes import ARRAYS, pay_for_json, pay_for_losses
from app.api.response import Response
from app.wire.arrow.answer import stream_of

dumps = partial(orjson.dumps, option=orjson.OPT_SERIALIZE_NUMPY)
"""A function that writes an answer as JSON, NumPy arrays included; NaN becomes null, as losses of rows mean it."""

SLICE_NUMBERS = 2**15
"""The numbers that are written in one step: some 3 ms, for which the event loop waits."""


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

    def answer(self, content: dict[str, Any], exchange: Exchange) -> Response:
        """The answer in the form that is wanted, its arrays written out.

        Raises:
            HTTPException: 406, the client takes Arrow only, and there are no losses of rows.
            TooLarge: It would be larger than the settings allow.
            Unavailable: There is no memory for it at present.
        """
        if self._arrow and "per_sample" in content:
            column = content.pop("per_sample")["cross_entropy"]
            pay_for_losses(len(column), exchange)
            return Response(stream_of(column, dumps(content)), media_type=ARROW)
        if not self._json:
            self.check(())
        if not ARRAYS.isdisjoint(content):
            pay_for_json(content, exchange)
            content |= {name: _written(content[name]) for name in ARRAYS if name in content}
        return Response(dumps(content), media_type=JSON)


def _written(section: Any) -> Any:
    """A section whose long arrays are written already: all at once they would take the interpreter for long."""
    if isinstance(section, dict):
        return {name: _written(value) for name, value in section.items()}
    if not isinstance(section, np.ndarray) or section.size <= SLICE_NUMBERS:
        return section
    step = max(1, SLICE_NUMBERS * len(section) // section.size)
    pieces = [dumps(section[start : start + step])[1:-1] for start in range(0, len(section), step)]
    return orjson.Fragment(b"[%b]" % b",".join(pieces))


def accepted(head: Head) -> Accepted:
    """The forms that a request accepts; all of them if it does not say.

    Raises:
        HTTPException: 406, as `Accepted` does.
    """
    return _accepted(head.get(b"accept"))


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
    return _json_terms(head.get(b"content-type"), head.get(b"content-encoding", b""), head.get(b"accept"), rows_path)


# Clients send few different headers: to read them anew takes longer than to read a small body.
@lru_cache(maxsize=64)
def _accepted(accept: bytes | None) -> Accepted:
    return Accepted((accept or b"*/*").decode("latin-1"))


@lru_cache(maxsize=64)
def _json_terms(content_type: bytes | None, encoding: bytes, accept: bytes | None, rows_path: str) -> Terms:
    check_json(JSON if content_type is None else content_type.decode("latin-1"), rows_path)
    name = encoding.decode("latin-1")
    if not rows_path:
        refuse_encoding(name)
    return Terms(encoding_of(name), _accepted(accept))
