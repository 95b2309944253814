"""A Dask cluster on loopback, as people have it: a scheduler and workers, each a process of its own."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from tests.api.servers import free_port
from tests.jobs.buckets import environment_with, wait_for_port

ROOT = Path(__file__).parents[2]
START_SECONDS = 60


class Cluster:
    """A scheduler and some workers of one thread; what is lost is started again by `tend`."""

    def __init__(self, folder: Path, n_workers: int, environment: dict[str, str]) -> None:
        self._folder = folder
        self._environment = environment_with({"OPENBLAS_NUM_THREADS": "1"} | environment)
        self.port, self._health = free_port(), free_port()
        self.scheduler = self._scheduler()
        wait_for_port(self.port)
        self.workers = [self._worker() for _ in range(n_workers)]

    @property
    def address(self) -> str:
        return f"tcp://127.0.0.1:{self.port}"

    def tend(self) -> None:
        """Start again what has ended, as an engine of containers does."""
        if self.scheduler.poll() is not None:
            self.scheduler = self._scheduler()
        self.workers = [worker if worker.poll() is None else self._worker() for worker in self.workers]

    def wait_for_workers(self) -> None:
        """Wait until the scheduler knows all workers."""
        deadline = time.monotonic() + START_SECONDS
        while self.n_known_workers() < len(self.workers):
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def n_known_workers(self) -> int:
        """The workers that the scheduler knows, as its metrics tell; 0 while it does not answer."""
        try:
            metrics = urlopen(f"http://127.0.0.1:{self._health}/metrics", timeout=START_SECONDS).read().decode()
        except OSError:
            return 0
        counts = [line.split()[-1] for line in metrics.splitlines() if line.startswith("dask_scheduler_workers{")]
        return int(sum(map(float, counts)))

    def log(self) -> str:
        """The lines that all processes have written."""
        return "".join(path.read_text() for path in sorted(self._folder.glob("*.log")))

    def end(self) -> None:
        """End all processes."""
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()

    def _scheduler(self) -> subprocess.Popen[bytes]:
        return self._started("scheduler", "--port", str(self.port), "--dashboard-address", f"127.0.0.1:{self._health}")

    def _worker(self) -> subprocess.Popen[bytes]:
        words = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--local-directory", str(self._folder))
        return self._started("worker", self.address, *words)

    def _started(self, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "dask", *words, "--host", "127.0.0.1"]
        with (self._folder / f"{words[0]}.log").open("ab") as log:
            return subprocess.Popen(command, cwd=ROOT, env=self._environment, stdout=log, stderr=log)


@contextmanager
def running_cluster(folder: Path, n_workers: int, environment: dict[str, str] | None = None) -> Iterator[Cluster]:
    """Run a cluster whose processes write their logs to a folder."""
    cluster = Cluster(folder, n_workers, environment or {})
    try:
        cluster.wait_for_workers()
        yield cluster
    finally:
        cluster.end()
