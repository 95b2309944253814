"""What one request was, as a log line and in Prometheus metrics; never a value of its body."""

from dataclasses import dataclass, fields
from time import perf_counter
from traceback import format_exception

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from starlette.types import Scope

UNMATCHED = "unmatched"
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Routes that machines ask every few seconds: their answers are logged at level debug, as long as all is well."""

NOT_BEGUN = 499
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

LOGGER = "surprisal.access"
log = structlog.get_logger()


@dataclass(slots=True)
class Exchange:
    """One request and its answer, as far as they have come.

    Attributes:
        status: 499 until an answer is begun, and for good if the client left before.
        code: Of the problem that the answer is, or empty.
        n_scored: Rows that were scored.
        error: What went wrong that nobody meant to.
    """

    request_id: str
    method: str
    status: int = NOT_BEGUN
    code: str = ""
    bytes_in: int = 0
    bytes_out: int = 0
    n_scored: int = 0
    error: Exception | None = None


LOGGED = [field.name for field in fields(Exchange) if field.name not in ("code", "error")]


class Telemetry:
    """The numbers of one application, in a registry of its own, so that two never mix."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        by_route = ("route",)
        self._requests = Counter(
            "surprisal_requests", "Requests answered.", ("route", "status", "code"), registry=registry
        )
        self._seconds = Histogram(
            "surprisal_request_seconds", "Time to answer.", by_route, buckets=SECONDS, registry=registry
        )
        self._samples = Counter("surprisal_samples", "Rows scored.", by_route, registry=registry)
        self._in_flight = Gauge("surprisal_in_flight", "Requests not yet answered.", registry=registry)
        ProcessCollector(registry=registry)

    def begin(self) -> float:
        """Count an exchange as begun; what `end` takes."""
        self._in_flight.inc()
        return perf_counter()

    def end(self, exchange: Exchange, scope: Scope, begun: float) -> None:
        """Count and time an exchange, and write its one log line."""
        self._in_flight.dec()
        seconds = perf_counter() - begun
        # The template of the path, not the path: of unknown ones there is one label only.
        route = scope["route"].path if "route" in scope else UNMATCHED
        self._requests.labels(route, exchange.status, exchange.code).inc()
        self._seconds.labels(route).observe(seconds)
        if exchange.n_scored:
            self._samples.labels(route).inc(exchange.n_scored)
        facts = {name: getattr(exchange, name) for name in LOGGED} | {"route": route, "ms": round(seconds * 1000, 3)}
        if exchange.code:
            facts["code"] = exchange.code
        if exchange.error is not None:
            # Formatted here: a renderer may show the locals of each frame, and with them a request's body.
            log.error("request", logger=LOGGER, exception="".join(format_exception(exchange.error)), **facts)
        elif route in PROBES and not exchange.code:
            log.debug("request", logger=LOGGER, **facts)
        else:
            log.info("request", logger=LOGGER, **facts)

    def refuse(self, request_id: str, status: int, code: str) -> None:
        """Count and log a request that the server refused before the application heard of it."""
        self._requests.labels(UNMATCHED, status, code).inc()
        log.info("request", logger=LOGGER, request_id=request_id, route=UNMATCHED, status=status, code=code)
