"""Metrics of several workers: each counts in files of its own, and a scrape of any worker adds the files up.

A worker that takes the place of a dead one goes on in its files, so that counters never fall and no file is left over.
"""

import os
from collections.abc import Iterator, MutableSequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Metric, ProcessCollector, values
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

OLDEST = "process_start_time_seconds"
"""The metric of which the service shows the least value of its processes; of all others it shows the sum."""


@dataclass(frozen=True, slots=True)
class Counts:
    """The place in which the workers of a service count, and the number of this worker.

    Attributes:
        folder: The folder of the files of all workers.
        in_flight: Requests not yet answered, by worker, in memory that they share.
    """

    folder: str
    worker: int
    in_flight: MutableSequence[int]

    def begin(self, registry: CollectorRegistry) -> None:
        """Show the metrics of all workers; metrics that this process makes from now on are counted in files."""
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = self.folder
        values.ValueClass = values.MultiProcessValue(lambda: self.worker)  # type: ignore[no-untyped-call]
        MultiProcessCollector(registry, self.folder)  # type: ignore[no-untyped-call]
        registry.register(Processes(os.getppid()))


class Processes(Collector):
    """The numbers of `ProcessCollector` over a process and its children."""

    def __init__(self, parent: int) -> None:
        self._parent = parent

    def collect(self) -> Iterator[Metric]:
        """Callback of a scrape: add up the processes; the processor time of dead workers stays counted."""
        totals: dict[str, Metric] = {}
        for pid in self._pids():
            for metric in ProcessCollector(pid=partial(int, pid), registry=None).collect():
                total = totals.setdefault(metric.name, metric)
                if total is not metric:
                    _add(total, metric.samples[0].value)
        if "process_cpu_seconds" in totals:
            _add(totals["process_cpu_seconds"], self._buried_seconds())
        yield from totals.values()

    def _pids(self) -> list[int]:
        children = Path(f"/proc/{self._parent}/task/{self._parent}/children")
        return [self._parent, *map(int, children.read_text().split())] if children.exists() else [os.getpid()]

    def _buried_seconds(self) -> float:
        """Processor time of children that have ended."""
        fields = Path(f"/proc/{self._parent}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[13:15])) / os.sysconf("SC_CLK_TCK")


def _add(total: Metric, value: float) -> None:
    sample: Any = total.samples[0]
    value = min(sample.value, value) if total.name == OLDEST else sample.value + value
    total.samples[0] = sample._replace(value=value)
