"""Routes that read requests themselves: FastAPI documents and finds them, and adds nothing to an answer's time."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute


class BareRoute(APIRoute):
    """A route whose endpoint takes the request and nothing else, so there is nothing to look up for it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The endpoint itself."""
        return self.endpoint
