"""One JSON object a line on standard output, for this service's own words and for those of its libraries."""

import logging
import sys

import orjson
import structlog
from structlog.types import EventDict

from app.settings import LogLevel


def configure(level: LogLevel) -> None:
    """Set up structlog, and `logging` behind it, for this process."""
    # format_exc_info shows no locals: those would hold values of a request's body.
    shared: list[structlog.types.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_handler(shared)], level=level.upper(), force=True)


def _handler(shared: list[structlog.types.Processor]) -> logging.Handler:
    handler = logging.StreamHandler(sys.stdout)
    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[remove_meta, structlog.processors.JSONRenderer(serializer=_dumps)],
        )
    )
    return handler


def _dumps(event: EventDict, **_: object) -> str:
    return orjson.dumps(event, default=repr).decode()
