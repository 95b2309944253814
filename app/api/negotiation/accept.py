"""What form an answer may take, by the header `Accept`."""

from collections.abc import Collection
from functools import lru_cache
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.api.head import Head
from app.api.negotiation.media import ARROW, JSON, quality
from app.wire.arrow.answer import stream_of


class Accepted:
    """The forms a client takes; JSON, or Arrow where it asks for that and for losses of rows.

    Raises:
        HTTPException: 406, it takes neither.
    """

    def __init__(self, accept: str) -> None:
        self._json = accept == "*/*" or quality(accept, JSON) > 0.0
        self._arrow = ARROW in accept.lower() and quality(accept, ARROW) >= max(quality(accept, JSON), 1e-9)
        if not self._json and not self._arrow:
            raise HTTPException(406, f"the header Accept must not exclude {JSON}")

    def check(self, include: Collection[str]) -> None:
        """Refuse before any work what `answer` would refuse.

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
        self.check(())
        return Response(dumps(content), media_type=JSON)


def accepted(head: Head) -> Accepted:
    """The forms that a request accepts; all of them if it does not say.

    Raises:
        HTTPException: 406, as `Accepted` does.
    """
    return _accepted(head.get("accept") or "*/*")


_accepted = lru_cache(maxsize=64)(Accepted)
"""Kept, for clients send few different ones."""


def dumps(content: object) -> bytes:
    """JSON of an answer with NumPy arrays in it, in which NaN is null: in per-sample losses, on purpose."""
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
