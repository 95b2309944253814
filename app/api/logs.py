"""The log: one JSON object a line on standard output, for this service and for its libraries."""

import logging
import sys
from collections.abc import Iterable
from typing import Any, get_args

import orjson
import structlog

from app.api.log_writer import LogWriter, in_thread
from app.settings import LogLevel

_LINE = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z

LEVELS = get_args(LogLevel)
"""The levels of the log, the least severe first."""


class AccessLog:
    """The log of requests: lines like those of structlog, each made by one call of orjson.

    structlog passes a line through a dozen functions, which costs a small request more than reading its body does.
    """

    def __init__(self, least: LogLevel) -> None:
        self._levels = LEVELS[LEVELS.index(least) :]

    def write(self, requests: Iterable[dict[str, Any]]) -> None:
        """Write the lines of requests whose level is severe enough, all at once."""
        output = sys.stdout.buffer
        output.write(
            b"".join([orjson.dumps(facts, repr, _LINE) for facts in requests if facts["level"] in self._levels])
        )
        output.flush()


def configure(level: LogLevel) -> None:
    """Set up structlog, and `logging` beside it, for this process; a thread writes what goes to its standard output."""
    if sys.stdout is sys.__stdout__:
        sys.stdout = in_thread(sys.stdout)  # type: ignore[arg-type]
    # format_exc_info shows no locals: those would hold values of a request's body.
    shared: list[structlog.types.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.JSONRenderer(serializer=_dumps)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.BytesLoggerFactory(sys.stdout.buffer),  # a line of ours never passes `logging`
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_handler(shared)], level=level.upper(), force=True)


def n_lost() -> int:
    """The number of lines that were lost because nobody read the log in time."""
    output = getattr(sys.stdout, "buffer", None)
    return output.n_lost if isinstance(output, LogWriter) else 0


def _handler(shared: list[structlog.types.Processor]) -> logging.Handler:
    handler = logging.StreamHandler(sys.stdout)
    remove_meta = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    render = structlog.processors.JSONRenderer(serializer=lambda event, **_: _dumps(event).decode())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared], processors=[remove_meta, render]
        )
    )
    return handler


def _dumps(event: Any, **_: object) -> bytes:
    return orjson.dumps(event, default=repr)
