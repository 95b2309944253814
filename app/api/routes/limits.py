"""The route `GET /v1/limits`: what a request may hold."""

from fastapi import APIRouter

from app.api import bounds
from app.api.application import BareRoute
from app.api.exchange import Exchange
from app.api.negotiation.formats import FORMATS, limits_of
from app.api.negotiation.sizes import ANY_BYTES
from app.api.schemas.answers import JobLimits, LimitsAnswer, MediaTypeLimit, ProtocolLimits, example
from app.api.schemas.compare import MAX_CANDIDATES
from app.settings import DEFAULTS, Settings
from app.wire.compression import ENCODINGS, MAX_WINDOW

router = APIRouter(tags=["catalogue"], route_class=BareRoute)


def limits_under(settings: Settings) -> LimitsAnswer:
    """The limits that settings mean."""
    return LimitsAnswer(
        media_types={
            format_.media_type: MediaTypeLimit(
                max_bytes=limits_of(format_, settings).max_decoded_bytes,
                scored_while_arriving=format_.arrival == "streamed",
            )
            for format_ in FORMATS.values()
        },
        content_encodings=list(ENCODINGS),
        max_zstd_window_bytes=MAX_WINDOW,
        max_ratio=settings.max_ratio,
        max_answer_bytes=settings.max_answer_bytes,
        max_any_answer_bytes=ANY_BYTES,
        max_rows=settings.max_rows,
        max_columns=settings.max_columns,
        max_candidates=MAX_CANDIDATES,
        max_part_bytes=settings.max_part_bytes,
        max_line_bytes=settings.max_line_bytes,
        max_held_bytes=settings.max_held_bytes,
        body_timeout_seconds=settings.body_timeout_seconds,
        min_bytes_per_second=settings.min_bytes_per_second,
        spool_timeout_seconds=settings.spool_timeout_seconds,
        request_timeout_seconds=settings.request_timeout_seconds,
        jobs=JobLimits(
            are_on=bool(settings.dataset_roots),
            max_queued_jobs=settings.max_queued_jobs,
            max_running_jobs=settings.max_running_jobs,
            max_job_files=settings.max_job_files,
            max_job_shards=settings.max_job_shards,
            max_job_rows=settings.max_job_rows,
            job_timeout_seconds=settings.job_timeout_seconds,
            job_workers=settings.job_workers,
            job_worker_memory_bytes=settings.job_worker_memory_bytes,
            job_retention_days=settings.job_retention_days,
        ),
        protocol=ProtocolLimits(
            max_head_bytes=bounds.MAX_HEAD_BYTES,
            max_header_bytes=bounds.MAX_HEADER_BYTES,
            max_headers=bounds.MAX_HEADER_LINES,
            max_trailer_bytes=bounds.MAX_HEAD_BYTES,
            max_content_type_bytes=bounds.MAX_CONTENT_TYPE,
            max_accept_ranges=bounds.MAX_RANGES,
            max_pipelined=bounds.MAX_PIPELINED,
            max_chunks_per_second=bounds.MAX_CHUNKS_PER_SECOND,
            head_timeout_seconds=settings.head_timeout_seconds,
            max_connections=settings.max_connections,
            max_connections_per_address=settings.max_connections_per_address,
        ),
    )


@router.get(
    "/v1/limits",
    operation_id="limits",
    summary="Limits of a request",
    response_description="The limits of this service; the example shows the defaults.",
    responses=example(limits_under(DEFAULTS)),
)
def limits(exchange: Exchange) -> LimitsAnswer:
    """Bytes, rows and columns beyond which a request is answered 413, formats and encodings, and bounds of HTTP."""
    return limits_under(exchange.settings)
