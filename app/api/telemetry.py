"""The record of each request, as a log line and in Prometheus metrics; it never holds a value of a body."""

import asyncio
import platform
from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from time import perf_counter
from traceback import format_exception
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

from app import __version__
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

LOGGER, EVENT = "surprisal.access", "request"


class Times(Histogram):
    """A histogram that takes several times at once: to observe each alone costs as much as all else that is counted."""

    def observe_all(self, seconds: Sequence[float]) -> None:
        """Observe times of requests."""
        self._sum.inc(sum(seconds))
        n_of: dict[int, int] = {}
        for time in seconds:
            bucket = bisect_left(self._upper_bounds, time)
            n_of[bucket] = n_of.get(bucket, 0) + 1
        for bucket, n in n_of.items():
            self._buckets[bucket].inc(n)


class Telemetry:
    """The numbers of one application, in a registry of its own, so that two never mix, and its log of requests.

    All requests that end in one turn of the event loop are counted and logged together at its end: the same steps many
    times over find their code and their data in the processor's caches, and the lines leave in one write.

    Attributes:
        registry: The numbers to be shown: those of this process, or those of all workers.
        counted: The registry in which this process counts.
        connections: The open connections of the server, which it sets here.
    """

    def __init__(self, log_level: LogLevel = "info", counts: Counts | None = None) -> None:
        self._log = AccessLog(log_level)
        self._ended: list[Exchange | dict[str, Any]] = []  # or the facts of a refusal
        self._in_flight, self._worker = ([0], 0) if counts is None else (counts.in_flight, counts.worker)
        self.registry = registry = CollectorRegistry()
        in_flight = Gauge("surprisal_in_flight", "Requests not yet answered.", registry=registry)
        in_flight.set_function(lambda: sum(self._in_flight))
        build = Gauge("surprisal_build_info", "The release that serves.", ("version", "python"), registry=registry)
        build.labels(__version__, platform.python_version()).set(1)
        if counts is None:
            ProcessCollector(registry=registry)
        else:
            counts.begin(registry)
            registry = CollectorRegistry()  # shown are the files of all workers, not the series of this one
        self.counted = registry
        self.connections: Collection[Any] = ()
        by_route = ("route",)
        requests = Counter("surprisal_requests", "Requests answered.", ("route", "status", "code"), registry=registry)
        seconds = Times("surprisal_request_seconds", "Time to answer.", by_route, buckets=SECONDS, registry=registry)
        refusals = Counter("surprisal_refusals", "Refusals of the protocol.", ("reason",), registry=registry)
        samples = Counter("surprisal_samples", "Rows scored.", by_route, registry=registry)
        self._jobs = Gauge(
            "surprisal_jobs", "Jobs that are kept.", ("status",), registry=registry, multiprocess_mode="mostrecent"
        )
        self._refusals = refusals.labels
        self._requests = lru_cache(MAX_KEPT_SERIES)(requests.labels)
        self._seconds = lru_cache(MAX_KEPT_SERIES)(seconds.labels)
        self._samples = lru_cache(MAX_KEPT_SERIES)(samples.labels)

    def begin(self) -> None:
        """Count an exchange as begun."""
        self._in_flight[self._worker] += 1

    def end(self, exchange: Exchange) -> None:
        """Note that an exchange has ended, for its log line and the counters."""
        self._in_flight[self._worker] -= 1
        self._note(exchange)

    def refuse(self, request_id: str, status: int, code: str, why: Mapping[str, str]) -> None:
        """Note a request that the server refused before the application heard of it, with `reason` and `peer`."""
        facts = {"logger": LOGGER, "request_id": request_id, "route": UNMATCHED, "status": status, "code": code, **why}
        self._note({**facts, "event": EVENT, "level": "info"})

    def _note(self, ended: Exchange | dict[str, Any]) -> None:
        self._ended.append(ended)
        if len(self._ended) == 1:
            asyncio.get_running_loop().call_soon(self.record)

    def record(self) -> None:
        """Count and log the requests that have ended since the last time."""
        ended, self._ended = self._ended, []
        now = perf_counter()
        timestamp = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        lines: list[dict[str, Any]] = []
        alike: dict[tuple[str, int, str], list[dict[str, Any]]] = {}
        for one in ended:
            facts = one if isinstance(one, dict) else _facts(one, now)
            facts["timestamp"] = timestamp
            lines.append(facts)
            labels = facts["route"], facts["status"], facts.get("code", "")
            if labels in alike:
                alike[labels].append(facts)
            else:
                alike[labels] = [facts]
        for labels, several in alike.items():
            self._requests(*labels).inc(len(several))
            self._count(labels[0], several)
        self._log.write(lines)

    def _count(self, route: str, several: Sequence[Mapping[str, Any]]) -> None:
        """Count what requests of one route took and scored, or why they were refused."""
        if times := [facts["ms"] / 1000 for facts in several if "ms" in facts]:
            self._seconds(route).observe_all(times)
        if n_scored := sum([facts.get("n_scored", 0) for facts in several]):
            self._samples(route).inc(n_scored)
        reasons = [facts["reason"] for facts in several if "reason" in facts]
        for reason in dict.fromkeys(reasons):
            self._refusals(reason).inc(reasons.count(reason))

    def show_jobs(self, n_jobs: Mapping[str, int]) -> None:
        """Set the numbers of jobs by status, as a store tells them."""
        for status, n in n_jobs.items():
            self._jobs.labels(status).set(n)

    def shown(self) -> bytes:
        """The numbers as Prometheus reads them."""
        self.record()
        return generate_latest(self.registry)


def _facts(exchange: Exchange, now: float) -> dict[str, Any]:
    """The facts of a request whose answer is out by now, in the order of a line."""
    scope, code = exchange.scope, exchange.code
    facts: dict[str, Any] = {
        "logger": LOGGER,
        "request_id": exchange.request_id,
        "method": exchange.method,
        "status": exchange.status,
        "bytes_in": exchange.bytes_in,
        "bytes_out": exchange.bytes_out,
        "n_scored": exchange.n_scored,
        # The label is the template of a path, not the path, and unknown paths share one label.
        "route": scope["route"].path if "route" in scope else UNMATCHED,
        "ms": round((now - exchange.began) * 1e6) / 1000,
    }
    if code:
        facts["code"] = code
    if exchange.refusal:
        facts |= exchange.refusal
    if exchange.key or exchange.settings.trusted_proxies:  # only an operator who asks who calls is told
        facts["caller"] = exchange.caller
    level: LogLevel = "debug" if facts["route"] in PROBES and not code else "info"
    if exchange.error is not None:
        # Formatted here: a renderer may show the locals of each frame, and with them a request's body.
        level, facts["exception"] = "error", "".join(format_exception(exchange.error))
    facts["event"], facts["level"] = EVENT, level
    return facts
