"""The work that the runner of this process has had done, since its start."""

from dataclasses import dataclass


@dataclass(slots=True)
class Work:
    """Plain counters, which one thread adds to and others read."""

    n_rows: int = 0
    n_bytes: int = 0
    n_retried: int = 0
