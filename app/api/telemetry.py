"""The record of each request, as a log line and in Prometheus metrics; it never holds a value of a body."""

from functools import lru_cache
from time import perf_counter
from traceback import format_exception

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from app.api.counts import Counts
from app.api.exchange import Exchange
from app.api.logs import AccessLog
from app.settings import LogLevel

UNMATCHED = "unmatched"
"""The label of requests whose path belongs to no route."""
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
"""Routes that machines ask every few seconds: their answers are logged at level debug, as long as all is well."""

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
"""The upper bounds of the buckets of request times, in seconds."""

MAX_KEPT_SERIES = 512
"""Labelled series of one metric that are cached; for any other, `labels` takes some microseconds."""

LOGGER = "surprisal.access"
log = structlog.get_logger()


class Telemetry:
    """The numbers of one application, in a registry of its own, so that two never mix, and its log of requests.

    Attributes:
        registry: The numbers to be shown: those of this process, or those of all workers.
    """

    def __init__(self, log_level: LogLevel = "info", counts: Counts | None = None) -> None:
        self._log = AccessLog(log_level)
        self._in_flight, self._worker = ([0], 0) if counts is None else (counts.in_flight, counts.worker)
        self.registry = registry = CollectorRegistry()
        in_flight = Gauge("surprisal_in_flight", "Requests not yet answered.", registry=registry)
        in_flight.set_function(lambda: sum(self._in_flight))
        if counts is None:
            ProcessCollector(registry=registry)
        else:
            counts.begin(registry)
            registry = CollectorRegistry()  # shown are the files of all workers, not the series of this one
        by_route = ("route",)
        requests = Counter("surprisal_requests", "Requests answered.", ("route", "status", "code"), registry=registry)
        seconds = Histogram(
            "surprisal_request_seconds", "Time to answer.", by_route, buckets=SECONDS, registry=registry
        )
        samples = Counter("surprisal_samples", "Rows scored.", by_route, registry=registry)
        self._requests = lru_cache(MAX_KEPT_SERIES)(requests.labels)
        self._seconds = lru_cache(MAX_KEPT_SERIES)(seconds.labels)
        self._samples = lru_cache(MAX_KEPT_SERIES)(samples.labels)

    def begin(self) -> None:
        """Count an exchange as begun."""
        self._in_flight[self._worker] += 1

    def end(self, exchange: Exchange) -> None:
        """Count and time an exchange, and write its one log line."""
        self._in_flight[self._worker] -= 1
        seconds = perf_counter() - exchange.began
        scope, status, code = exchange.scope, exchange.status, exchange.code
        # The label is the template of a path, not the path, and unknown paths share one label.
        route = scope["route"].path if "route" in scope else UNMATCHED
        self._requests(route, status, code).inc()
        self._seconds(route).observe(seconds)
        if exchange.n_scored:
            self._samples(route).inc(exchange.n_scored)
        facts = {
            "logger": LOGGER,
            "request_id": exchange.request_id,
            "method": exchange.method,
            "status": status,
            "bytes_in": exchange.bytes_in,
            "bytes_out": exchange.bytes_out,
            "n_scored": exchange.n_scored,
            "route": route,
            "ms": round(seconds * 1000, 3),
        }
        if code:
            facts["code"] = code
        if exchange.key:
            facts["key"] = exchange.key
        if exchange.error is not None:
            # Formatted here: a renderer may show the locals of each frame, and with them a request's body.
            told = "".join(format_exception(exchange.error))
            log.error("request", **({"logger": LOGGER, "exception": told} | facts))
        else:
            self._log.write("debug" if route in PROBES and not code else "info", facts)

    def refuse(self, request_id: str, status: int, code: str) -> None:
        """Count and log a request that the server refused before the application heard of it."""
        self._requests(UNMATCHED, status, code).inc()
        facts = {"logger": LOGGER, "request_id": request_id, "route": UNMATCHED, "status": status, "code": code}
        self._log.write("info", facts)
