"""An application whose requests FastAPI reports to OpenTelemetry."""

from collections.abc import Coroutine
from typing import Any

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.types import Receive, Scope, Send

from app.api.application import Application
from app.api.exchange import WHOLE_ANSWER
from app.api.telemetry import PROBES

CONFIG: TelemetryConfig = {
    "auto_configure": True,  # by the variables OTEL_EXPORTER_OTLP_...
    "logs": False,  # they would hold messages of errors
    "operation_spans": False,  # they time layers that requests go around
    "exclude": lambda scope: scope["path"] in PROBES,
}


class TracedApplication(Application):
    """An application that lets FastAPI see each request and its answer.

    FastAPI reads the messages of ASGI and the choice of its router, so neither whole answers nor the index of paths are
    used here: a request takes longer.
    """

    _fixed_routes = {}  # noqa: RUF012 - none, so that the router chooses

    def __init__(self, *parts: Any, **arguments: Any) -> None:
        super().__init__(*parts, reports=CONFIG, **arguments)

    def serve(self, scope: Scope, receive: Receive, send: Send, _: object) -> Coroutine[Any, Any, None]:
        """Leave all of a request of our own server to `__call__`."""
        return self(scope, receive, send)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Callback of ASGI: answer a request as every application does, and report it."""
        if scope["type"] != "http":
            await FastAPI.__call__(self, scope, receive, send)  # it sets up the exporters, and flushes them at the end
            return
        known = scope.get("extensions") or {}
        scope["extensions"] = {name: extension for name, extension in known.items() if name != WHOLE_ANSWER}
        await self._native_telemetry(app=super().__call__, scope=scope, receive=receive, send=send)
