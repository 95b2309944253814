"""A process that runs the jobs of a store until it is ended: `python -m tests.jobs.serving ADDRESS FOLDER SECONDS`.

It has the parts that run jobs in a service, and no HTTP. Each group takes so many seconds longer than its rows do.
"""

import signal
import sys
import time
from pathlib import Path

from app.jobs.running import Rules, Runner
from app.store.jobs import JobStore
from tests.jobs.datasets import InPlace, means

LEASE_SECONDS = 1.0


def main(address: str, folder: str, seconds: float) -> None:
    """Run jobs until SIGTERM."""
    store = JobStore.open(address)
    engine = InPlace(lambda _: time.sleep(seconds))
    runner = Runner(store, means(Path(folder), engine), Rules(LEASE_SECONDS, 4, 30))
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    runner.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    signal.sigwait([signal.SIGTERM])
    runner.stop()
    store.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]))
