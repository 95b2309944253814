"""The only wiring: settings in, application out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from fastapi import FastAPI

from app import __version__
from app.api import problems
from app.api.application import Application
from app.api.capacity import Capacity
from app.api.contract import openapi
from app.api.counts import Counts
from app.api.negotiation.accept import dumps
from app.api.pulse import Pulse
from app.api.routes import ROUTERS
from app.api.schemas.jobs import job_request
from app.api.telemetry import Telemetry
from app.api.traced import TracedApplication
from app.jobs.desk import JobDesk
from app.jobs.work import Work
from app.settings import Settings, listed, read
from app.web import SAMPLE

if TYPE_CHECKING:
    from app.jobs.running import Runner
    from app.store.jobs import JobStore


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
    work = Work()
    pulse = Pulse(telemetry, capacity, work)
    jobs = _desk(settings, capacity, work)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        with capacity:
            # slow to import and rarely needed: neither the start nor the first request that needs it should wait, and
            # a pool would expect its next work to take as long
            imported = asyncio.create_task(asyncio.to_thread(import_module, "scipy.optimize"))
            watching = asyncio.create_task(app.gate.keys.watch()) if app.gate and app.gate.keys else None
            going_on = asyncio.create_task(asyncio.to_thread(jobs.begin))
            pulse.begin()
            yield
            pulse.end()
            await going_on
            await asyncio.to_thread(jobs.end)
            if watching:
                watching.cancel()
            await imported

    # One path, one address: a slash too many is an error, not a redirect that a client may not follow.
    kind = TracedApplication if settings.opentelemetry else Application
    app = kind(
        settings,
        capacity,
        telemetry,
        jobs,
        version=__version__,
        lifespan=lifespan,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.openapi = openapi.document  # type: ignore[method-assign]
    for router in ROUTERS:
        app.router.routes += router.routes  # as they are: an included router is matched anew at each request
    return app


def _desk(settings: Settings, capacity: Capacity, work: Work) -> JobDesk:
    """The desk of jobs, whose runner is imported when there is a store."""
    roots = (*listed(settings.dataset_roots), str(SAMPLE))

    def run(store: "JobStore") -> "Runner":
        from app.jobs.starting import Forms, Place, started  # noqa: PLC0415 slow to import, and of no use before

        forms = Forms(job_request, dumps, partial(problems.of_job, root_path=settings.root_path))
        return started(store, settings, forms, Place(roots, work, lambda: capacity.is_ending))

    return JobDesk(settings, roots, run)
