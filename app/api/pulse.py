"""A beat of the event loop that shows in metrics how late it comes, by whose doing, and what the process holds."""

import asyncio
import gc
import sys
from time import perf_counter, process_time, thread_time

from prometheus_client import Counter, Gauge, Histogram

from app.api import logs
from app.api.capacity import Capacity
from app.api.telemetry import Telemetry
from app.core.paying import KINDS
from app.jobs.work import Work

BEAT_SECONDS = 0.02
"""The time between two beats. A beat takes some microseconds; a stall that falls between two of them is not seen."""
STALL_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""The upper bounds of the buckets of stalls, in seconds."""
BEATS_A_SHOW = 50
"""The beats after which gauges are set again: one second."""
BEATS_A_WINDOW = 1500
"""The beats of a window of the greatest stall, half a minute: it is that of this window and of the one before."""

MANY_YOUNG = 10
"""The looks of the garbage collector at young objects after which it looks at all, Python's own number."""
FEW_BLOCKS = 300_000
"""The blocks of memory beyond those of a server that has just begun, among which garbage is found in some 10 ms."""
LONG_BUSY_SECONDS = 60
"""The time after which it is looked for among more, and while large bodies are in work."""


OF_JOBS = {
    "n_rows": "Rows read by jobs.",
    "n_bytes": "Bytes of files read by jobs.",
    "n_retried": "Groups of shards that jobs tried again.",
}
"""The counters of the work of jobs, and their texts."""


class Pulse:
    """The beat. As it stands still with the event loop, its delay is what a request would have waited."""

    def __init__(self, telemetry: Telemetry, capacity: Capacity, work: Work) -> None:
        self._telemetry = telemetry
        self._pools = {"whole": capacity.whole, "light": capacity.light, "arriving": capacity.arriving}
        self._accounts = {"all": capacity.memory, "small": capacity.small}
        registry = telemetry.counted
        self._stalls = Histogram(
            "surprisal_loop_stall_seconds",
            "Delays of a beat of the event loop.",
            buckets=STALL_SECONDS,
            registry=registry,
        )

        self._worked = Histogram(
            "surprisal_loop_work_seconds",
            "The part of these delays in which the event loop itself worked.",
            buckets=STALL_SECONDS,
            registry=registry,
        )
        self._held_up = Histogram(
            "surprisal_loop_held_seconds",
            "The part of these delays in which the process, threads included, worked.",
            buckets=STALL_SECONDS,
            registry=registry,
        )

        def gauge(name: str, text: str, labels: tuple[str, ...] = (), mode: str = "livesum") -> Gauge:
            return Gauge(f"surprisal_{name}", text, labels, registry=registry, multiprocess_mode=mode)  # type: ignore[arg-type]

        self._greatest = gauge(
            "loop_stall_greatest_seconds",
            "The greatest of these delays in the last half minute to minute.",
            mode="livemax",
        )
        self._busy = gauge("threads_busy", "Threads at work.", ("pool",))
        self._waiting = gauge("threads_waiting", "Work that waits for a thread.", ("pool",))
        self._memory = gauge("memory_held_bytes", "Memory that requests hold.", ("account", "kind"))
        self._memory_size = gauge("memory_account_bytes", "Memory that requests may hold.", ("account",))
        self._connections = gauge("connections", "Open connections.")
        self._held = gauge("answers_unread", "Connections whose client is slow to read its answer.")
        self._lost = Counter(
            "surprisal_log_lines_lost", "Lines of the log that nobody read in time.", registry=registry
        )
        self._work, self._shown_work = work, Work()
        self._of_jobs = {
            name: Counter(f"surprisal_job_{name.removeprefix('n_')}", text, registry=registry)
            for name, text in OF_JOBS.items()
        }
        self._n_lost = self._n_beats = 0
        self._collected = perf_counter()
        self._windows = [0.0, 0.0]

    def begin(self) -> None:
        """Beat from now on, on the event loop that runs."""
        self._loop = asyncio.get_running_loop()
        self._few_blocks = sys.getallocatedblocks() + FEW_BLOCKS
        self._show()
        self._wait()

    def end(self) -> None:
        """Beat no more."""
        self._timer.cancel()

    def _wait(self) -> None:
        self._worked_before, self._ran_before = thread_time(), process_time()
        self._due = perf_counter() + BEAT_SECONDS
        self._timer = self._loop.call_later(BEAT_SECONDS, self._beat)

    def _beat(self) -> None:
        late = max(0.0, perf_counter() - self._due)
        self._stalls.observe(late)
        self._worked.observe(min(late, thread_time() - self._worked_before))
        self._held_up.observe(min(late, process_time() - self._ran_before))
        self._n_beats += 1
        if late > self._windows[0]:
            self._windows[0] = late
            self._greatest.set(max(self._windows))
        if self._n_beats % BEATS_A_WINDOW == 0:
            self._windows = [0.0, self._windows[0]]
        if self._n_beats % BEATS_A_SHOW == 0:
            self._show()
            self._collect()
        self._wait()

    def _collect(self) -> None:
        """Look for garbage among all objects in a calm moment: it takes the longer the more objects there are."""
        now = perf_counter()
        is_calm = sys.getallocatedblocks() < self._few_blocks or not any(pool.n_busy for pool in self._pools.values())
        if gc.get_count()[2] > MANY_YOUNG and (is_calm or now > self._collected + LONG_BUSY_SECONDS):
            gc.collect()
            self._collected = now

    def _show(self) -> None:
        self._greatest.set(max(self._windows))
        for name, pool in self._pools.items():
            self._busy.labels(name).set(pool.n_busy)
            self._waiting.labels(name).set(pool.n_waiting)
        for name, account in self._accounts.items():
            self._memory_size.labels(name).set(account.size)
            for kind in KINDS:
                self._memory.labels(name, kind).set(account.kinds[kind])
        connections = self._telemetry.connections
        self._connections.set(len(connections))
        self._held.set(sum(connection.flow.write_paused for connection in connections))
        for name, counter in self._of_jobs.items():
            n = getattr(self._work, name)
            counter.inc(n - getattr(self._shown_work, name))
            setattr(self._shown_work, name, n)
        n_lost = logs.n_lost()
        self._lost.inc(n_lost - self._n_lost)
        self._n_lost = n_lost
