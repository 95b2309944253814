"""FastAPI with a way of our own from the server to a route: every layer costs each small request some of its time."""

from collections.abc import Callable, Coroutine
from functools import cached_property
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.middleware import RequestEnvelope
from app.api.schemas.query import refuse_unknown
from app.api.telemetry import Telemetry

Handler = Callable[[Request], Coroutine[Any, Any, Response | BaseModel]]


class Application(FastAPI):
    """Requests pass the `RequestEnvelope`, which answers every error, and go to their route.

    FastAPI's own layers catch errors, trace and keep open what dependencies opened; nothing here is left for them.
    """

    def __init__(self, telemetry: Telemetry, drain_seconds: float, prefix: str, **settings: Any) -> None:
        self.telemetry = telemetry
        self._prefix = prefix
        super().__init__(**settings)
        self.middleware_stack = self._envelope = RequestEnvelope(self._route, telemetry, drain_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; the path prefix is no part of what is asked for, and may be there or not."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        scope = {**scope, "app": self}
        if self._prefix:
            # A front page needs its slash, or what it leads to would be beside it and not below.
            path = scope["path"] if scope["path"] != self._prefix else f"{self._prefix}/"
            scope |= {"root_path": self._prefix, "path": path}
        await self._envelope(scope, receive, send)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (route := self._fixed_routes.get((scope["method"], scope["path"]))):
            scope["route"] = route
            await route.app(scope, receive, send)
        else:
            await self.router(scope, receive, send)

    @cached_property
    def _fixed_routes(self) -> dict[tuple[str, str], APIRoute]:
        """Routes whose paths have no parameters, by method and path: those that the router would find by trying all."""
        routes: dict[tuple[str, str], APIRoute] = {}
        for route in self.routes:
            if isinstance(route, APIRoute) and not route.param_convertors:
                for method in route.methods or ():
                    routes.setdefault((method, route.path), route)
        return routes | {(method, self._prefix + path): route for (method, path), route in routes.items()}


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
        if not reads_query:
            refuse_unknown(request)
        content = await endpoint(request)
        if isinstance(content, BaseModel):
            content = Response(content.model_dump_json(exclude_none=False), media_type="application/json")
        await content(scope, receive, send)

    return app
