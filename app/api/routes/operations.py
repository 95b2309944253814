"""Routes for operators: is the service alive, has it room, what did it do."""

from contextlib import suppress
from typing import Any

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from app.api.application import BareRoute
from app.api.exchange import Exchange
from app.api.intake.spool import folder_has_room
from app.api.response import Response
from app.api.schemas.answers import Health, example
from app.errors import SurprisalError, Unavailable

router = APIRouter(tags=["operations"], route_class=BareRoute)


@router.get(
    "/healthz",
    operation_id="health",
    summary="Is it alive?",
    response_description="It is alive.",
    responses=example(Health(status="alive")),
)
def health(_: Exchange) -> Health:
    """Does no work: 200 as long as the process answers at all."""
    return Health(status="alive")


@router.get(
    "/readyz",
    operation_id="readiness",
    summary="Has it room?",
    response_description="It has room.",
    responses=example(Health(status="ready")),
)
async def readiness(exchange: Exchange) -> Health:
    """200 if one more request of any kind would find a thread or a place in the queue, and room for its body.

    Where jobs are on, their database must answer too.

    503 from the moment at which the service is told to end.
    """
    if exchange.capacity.is_ending:
        raise Unavailable("the service is ending")
    if not exchange.capacity.has_room:
        raise Unavailable("all threads are busy and the queue is full, or bodies leave no room for more")
    if exchange.app.jobs.is_on:
        await exchange.capacity.jobs.run(0, exchange.app.jobs.counts)
    if not folder_has_room():
        raise Unavailable("the folder for large bodies cannot be written to, or its disk is full")
    return Health(status="ready")


METRICS_TEXT: dict[int | str, dict[str, Any]] = {
    200: {"description": "Prometheus text.", "content": {"text/plain": {"schema": {"type": "string"}}}}
}


@router.get(
    "/metrics",
    operation_id="prometheus",
    summary="Prometheus metrics",
    response_class=Response,
    responses=METRICS_TEXT,
)
async def prometheus(exchange: Exchange) -> Response:
    """Requests, durations, rows scored, memory and processor time of this process."""
    if exchange.app.jobs.is_on:
        with suppress(SurprisalError):  # what else is counted is worth telling without a database too
            exchange.app.telemetry.show_jobs(await exchange.capacity.jobs.run(0, exchange.app.jobs.counts))
    return Response(exchange.app.telemetry.shown(), media_type=CONTENT_TYPE_PLAIN_0_0_4)
