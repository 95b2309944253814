"""FastAPI with a middleware stack of our own: every layer costs each small request some of its time."""

from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.middleware import Frame, Linger
from app.api.query import refuse_unknown
from app.api.telemetry import Telemetry

Handler = Callable[[Request], Coroutine[Any, Any, Response | BaseModel]]


class Application(FastAPI):
    """Requests pass `Linger` and `Frame` and go to their route; `Frame` answers every error.

    FastAPI's own layers catch errors, trace and keep open what dependencies opened; nothing here is left for them.
    """

    def __init__(self, telemetry: Telemetry, linger_seconds: float, prefix: str, **settings: Any) -> None:
        self.telemetry = telemetry
        self._linger_seconds = linger_seconds
        self._prefix = prefix
        super().__init__(**settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; the path prefix is no part of what is asked for, and may be there or not."""
        if self._prefix and scope["type"] == "http":
            # A front page needs its slash, or what it leads to would be beside it and not below.
            path = scope["path"] if scope["path"] != self._prefix else f"{self._prefix}/"
            scope = {**scope, "root_path": self._prefix, "path": path}
        await super().__call__(scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        """The whole stack, outermost first."""
        return Linger(Frame(self.router, self.telemetry), self._linger_seconds)


class BareRoute(APIRoute):
    """A route whose endpoint takes the request and nothing else; FastAPI finds it, documents it, and adds no step.

    The endpoint returns the response, or a model that becomes its JSON. A GET has no query parameters.
    """

    def __init__(self, path: str, endpoint: Handler, **settings: Any) -> None:
        super().__init__(path, endpoint, **settings)
        self.app = _answering(endpoint, reads_query="GET" not in (self.methods or ()))


def _answering(endpoint: Handler, *, reads_query: bool) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        if scope["query_string"] and not reads_query:
            refuse_unknown(request.query_params)
        content = await endpoint(request)
        if isinstance(content, BaseModel):
            content = Response(content.model_dump_json(exclude_none=False), media_type="application/json")
        await content(scope, receive, send)

    return app
