"""Simulates a cluster that scores a large data set: `python -m benchmarks.cluster_simulation`.

All costs were measured. The scheduler and the service are one server each, workers are many; some of them are slow,
some reads hang, and some workers are lost with what they had begun. Prints the table of docs/operating.md.
"""

import argparse
import heapq
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import TypeAlias

MEBIBYTE = 1 << 20
HOUR = 3600.0
BYTES_A_SECOND = 100e6
"""The bytes that one worker gets from another."""
FAN_IN = 8
"""The sums that one task adds, as in `app.jobs.dask_flight`."""
Task: TypeAlias = tuple[int, int, int]
"""The order, the group and the shards of a task."""


@dataclass(frozen=True)
class Parts:
    """The costs that were measured on one processor.

    Attributes:
        bytes_per_second: Bytes of Parquet that a worker scores.
        bytes_per_row: Bytes of a row of 5 classes in float32 and its label.
        state_bytes: The sums of a group as they travel.
        add_seconds: Reading and adding one sum.
        scheduler_seconds: The scheduler's work on one task, its shipping there and back included.
        send_seconds: The service's work on one task that it sends.
        store_seconds: The service's work on the sums of one group, with their way to the disk.
    """

    bytes_per_second: float = 64 * MEBIBYTE
    bytes_per_row: float = 23.2
    state_bytes: float = 16e3
    add_seconds: float = 0.0042
    scheduler_seconds: float = 0.002
    send_seconds: float = 0.0003
    store_seconds: float = 0.010


@dataclass(frozen=True)
class Cluster:
    """The workers, and what goes wrong among them.

    Attributes:
        slow_share: Workers that take `slow_times` as long.
        hang_share: Tasks that wait `hang_seconds` for a disk or a bucket.
        losses_an_hour: How often a worker is lost; another one takes its place after `return_seconds`.
    """

    workers: int = 1000
    slow_share: float = 0.01
    slow_times: float = 3.0
    hang_share: float = 0.001
    hang_seconds: float = 30.0
    losses_an_hour: float = 0.05
    return_seconds: float = 60.0


@dataclass(frozen=True)
class Job:
    """A data set as a plan cuts it.

    Attributes:
        max_groups: The most sums that are stored.
        max_pieces: The most tasks of a group.
    """

    rows: float
    shard_bytes: float = 64 * MEBIBYTE
    max_groups: int = 1000
    max_pieces: int = 32

    def tasks(self, parts: Parts) -> Iterator[tuple[int, int]]:
        """Yield the group and the shards of each task."""
        n_shards = max(1, round(self.rows * parts.bytes_per_row / self.shard_bytes))
        size = -(-n_shards // self.max_groups)
        for group, first in enumerate(range(0, n_shards, size)):
            in_group = min(size, n_shards - first)
            step = -(-in_group // self.max_pieces)
            for start in range(0, in_group, step):
                yield group, min(step, in_group - start)


@dataclass
class Outcome:
    """The time that a simulated job took, and where it went."""

    seconds: float = 0.0
    work_seconds: float = 0.0
    scheduler_seconds: float = 0.0
    service_seconds: float = 0.0
    tail_seconds: float = 0.0
    tasks: int = 0
    groups: int = 0
    lost: int = 0


def simulated(job: Job, parts: Parts, cluster: Cluster, seed: int = 14) -> Outcome:
    """The course of a job: workers ask the scheduler for tasks in the order of the plan, until all sums are stored."""
    return _Course(job, parts, cluster, random.Random(seed)).run()  # noqa: S311


class _Course:
    """The state of a simulated job: what waits, the time at which each server is free, and what happens next."""

    def __init__(self, job: Job, parts: Parts, cluster: Cluster, chance: random.Random) -> None:
        self.job, self.parts, self.cluster, self.chance = job, parts, cluster, chance
        self.waiting: list[Task] = [(order, *task) for order, task in enumerate(job.tasks(parts))]
        self.n_pieces = Counter(group for _, group, _ in self.waiting)
        self.left = Counter(self.n_pieces)
        self.outcome = Outcome(tasks=len(self.waiting), groups=len(self.left))
        self.scheduler_free = self.service_free = self.last_begun = 0.0
        self.slowness = [
            cluster.slow_times if chance.random() < cluster.slow_share else 1.0 for _ in range(cluster.workers)
        ]
        self.idle = list(range(cluster.workers))
        self.events: list[tuple[float, int, int, Task | None, bool]] = []
        self.number = count()

    def run(self) -> Outcome:
        """Follow the events to the end."""
        self._begin(0.0)
        while self.events:
            now, _, worker, task, is_lost = heapq.heappop(self.events)
            if is_lost and task is not None:
                heapq.heappush(self.waiting, task)
                self._then(now + self.cluster.return_seconds, worker, None)
            else:
                self.idle.append(worker)
                if task is not None:
                    self._finished(now, task[1])
            self._begin(now)
        self.outcome.tail_seconds = self.outcome.seconds - self.last_begun
        return self.outcome

    def _begin(self, now: float) -> None:
        """Give waiting tasks to idle workers."""
        while self.waiting and self.idle:
            worker, task = self.idle.pop(), heapq.heappop(self.waiting)
            begun = self._scheduled(max(now, task[0] * self.parts.send_seconds))
            seconds = self._seconds(task[2]) * self.slowness[worker]
            lost_after = self.chance.expovariate(self.cluster.losses_an_hour / HOUR)
            self.outcome.lost += lost_after < seconds
            self.outcome.work_seconds += min(seconds, lost_after)
            self.last_begun = max(self.last_begun, begun)
            self._then(begun + min(seconds, lost_after), worker, task, is_lost=lost_after < seconds)

    def _then(self, when: float, worker: int, task: Task | None, *, is_lost: bool = False) -> None:
        heapq.heappush(self.events, (when, next(self.number), worker, task, is_lost))

    def _scheduled(self, now: float) -> float:
        """The time at which the scheduler has handled one more task."""
        self.scheduler_free = max(now, self.scheduler_free) + self.parts.scheduler_seconds
        self.outcome.scheduler_seconds += self.parts.scheduler_seconds
        self.outcome.service_seconds += self.parts.send_seconds
        return self.scheduler_free

    def _seconds(self, shards: int) -> float:
        seconds = shards * self.job.shard_bytes / self.parts.bytes_per_second * self.chance.lognormvariate(0.0, 0.2)
        return seconds + (self.cluster.hang_seconds if self.chance.random() < self.cluster.hang_share else 0.0)

    def _finished(self, now: float, group: int) -> None:
        """Add up and store a group whose last task is done."""
        self.left[group] -= 1
        if self.left[group]:
            return
        n_adds = self.n_pieces[group] - 1
        n_add_tasks = -(-n_adds // (FAN_IN - 1))
        for _ in range(n_add_tasks):
            now = self._scheduled(now)
        self.outcome.tasks += n_add_tasks
        self.outcome.work_seconds += n_adds * self.parts.add_seconds
        added = now + n_adds * (self.parts.add_seconds + self.parts.state_bytes / BYTES_A_SECOND)
        self.service_free = max(added, self.service_free) + self.parts.store_seconds
        self.outcome.service_seconds += self.parts.store_seconds
        self.outcome.seconds = max(self.outcome.seconds, self.service_free)


def table(parts: Parts, workers: tuple[int, ...]) -> Iterator[str]:
    """Yield the lines of a table of data sets, sizes of shards and numbers of workers."""
    yield "| rows | shard | workers | tasks | processor hours | takes | at best | scheduler busy | bottleneck |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |"
    for power in (10, 12):
        for n_workers in workers:
            for mebibytes in (16, 64, 256, 1024):
                job = Job(10.0**power, mebibytes * MEBIBYTE)
                found = simulated(job, parts, Cluster(n_workers))
                ideal = job.rows * parts.bytes_per_row / parts.bytes_per_second / n_workers
                shares = {
                    "the scheduler": found.scheduler_seconds / found.seconds,
                    "the service": found.service_seconds / found.seconds,
                    "workers": ideal / found.seconds,
                    "the last tasks": found.tail_seconds / found.seconds,
                }
                yield (
                    f"| 10^{power} | {mebibytes} MiB | {n_workers} | {found.tasks} | {found.work_seconds / HOUR:.1f} "
                    f"| {_time(found.seconds)} | {_time(ideal)} | {shares['the scheduler']:.0%} "
                    f"| {max(shares, key=lambda name: shares[name])} |"
                )


def _time(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 600
        else f"{seconds / 60:.0f} min"
        if seconds < 2 * HOUR
        else f"{seconds / HOUR:.1f} h"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Simulate a cluster that scores a large data set.")
    parser.add_argument("--workers", type=int, nargs="+", default=[100, 1000])
    arguments = parser.parse_args()
    print(*table(Parts(), tuple(arguments.workers)), sep="\n")


if __name__ == "__main__":
    main()
