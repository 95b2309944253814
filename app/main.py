"""The only wiring: settings in, application out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module

from fastapi import FastAPI

from app import __version__
from app.api.application import Application
from app.api.capacity import Capacity
from app.api.contract import openapi
from app.api.counts import Counts
from app.api.pulse import Pulse
from app.api.routes import ROUTERS
from app.api.telemetry import Telemetry
from app.api.traced import TracedApplication
from app.settings import Settings, read


def create_app(settings: Settings | None = None, counts: Counts | None = None) -> Application:
    """The application, by default with the settings of the environment; its threads live in its lifespan.

    Args:
        settings: The settings, or the share of one worker.
        counts: The place of its metrics if it is one of several workers.

    Raises:
        WrongSettings: The settings, or the file of keys that they name, cannot be used.
    """
    settings = settings or read()
    capacity = Capacity(settings)
    telemetry = Telemetry(settings.log_level, counts)
    pulse = Pulse(telemetry, capacity)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with capacity:
            # slow to import and rarely needed: neither the start nor the first request that needs it should wait, and
            # a pool would expect its next work to take as long
            imported = asyncio.create_task(asyncio.to_thread(import_module, "scipy.optimize"))
            watching = asyncio.create_task(app.gate.keys.watch()) if app.gate and app.gate.keys else None
            pulse.begin()
            yield
            pulse.end()
            if watching:
                watching.cancel()
            await imported

    # One path, one address: a slash too many is an error, not a redirect that a client may not follow.
    kind = TracedApplication if settings.opentelemetry else Application
    app = kind(
        settings,
        capacity,
        telemetry,
        version=__version__,
        lifespan=lifespan,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.openapi = openapi.document  # type: ignore[method-assign]
    for router in ROUTERS:
        app.router.routes += router.routes  # as they are: an included router is matched anew at each request
    return app
