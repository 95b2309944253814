"""The connections of a process: so many in all, and so many of one address."""

import resource
from collections import Counter

from app.api import callers
from app.server.refusals import ADDRESS, CONNECTIONS, Breach
from app.settings import Settings

N_SPARE = 32
"""The connections beyond the bound that are let in for probes, so that a full service is not taken for a dead one."""
SPARE_SECONDS = 1.0
"""The time in which a request must arrive on such a connection."""
N_FILES = 256
"""The descriptors left for everything else: bodies in files, listeners, the log."""


class Room:
    """The room for connections, which each of them enters and leaves."""

    def __init__(self, settings: Settings) -> None:
        """Ask the system for as many descriptors as the settings need; with fewer there is room for fewer."""
        self._settings = settings
        self._most = max(1, _descriptors(settings.max_connections) - N_SPARE - N_FILES)
        self._of_address: Counter[str] = Counter()
        self._n = 0

    @property
    def is_overfull(self) -> bool:
        """A sign that only probes are answered on the connection that has just entered."""
        return self._n > self._most

    def address(self, peer: str) -> str:
        """The address that a connection counts for; empty for a named proxy, which has no bound of its own."""
        return callers.address(peer, "", self._settings.trusted_proxies)

    def enter(self, address: str) -> Breach | None:
        """Count a connection, unless there is no room for it: then tell why."""
        if address and self._of_address[address] >= self._settings.max_connections_per_address:
            return ADDRESS
        if self._n >= self._most + N_SPARE:
            return CONNECTIONS
        self._n += 1
        self._of_address[address] += 1
        return None

    def leave(self, address: str) -> None:
        """Count a connection as gone that had entered."""
        self._n -= 1
        self._of_address[address] -= 1
        if not self._of_address[address]:
            del self._of_address[address]


def _descriptors(n_connections: int) -> int:
    """The descriptors that this process has for connections and all else, raised where needed and allowed."""
    needed = n_connections + N_SPARE + N_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return needed
    soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft
