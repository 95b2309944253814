"""The account of memory that all requests share, and the lease of one request."""

from collections import Counter
from threading import Lock

from app.core.paying import Kind
from app.errors import TooLarge, Unavailable

QUARTER = 4
CROWD = 16
"""The part of the account beyond which what others hold counts as competition."""
ADVICE = "send fewer rows at once, or in a format that is scored while it arrives: Arrow stream, NDJSON or CSV"


class Account:
    """The memory that requests may hold together, in bytes.

    Bodies that are still arriving get at most half of it. One caller gets at most a quarter while others hold memory
    too, and alone at most three quarters, so that there is room for the next. Threads use it too.

    Attributes:
        size: The bytes of all requests together.
        kinds: The bytes that are held, by kind.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.kinds: Counter[str] = Counter()
        self._held = 0
        self._callers: Counter[object] = Counter()
        self._lock = Lock()

    @property
    def n_held(self) -> int:
        """The bytes that are held."""
        return self._held

    @property
    def n_left(self) -> int:
        """The bytes that nobody holds."""
        return self.size - self._held

    @property
    def most_alone(self) -> int:
        """The most bytes of one request, or of one caller while nobody else asks."""
        return self.size - self.size // QUARTER

    def take(self, kind: Kind, caller: object, n_bytes: int, n_before: int) -> None:
        """Take bytes for a request that holds `n_before` already.

        Raises:
            TooLarge: One request may never hold so much.
            Unavailable: Others hold it at present, or other requests of the same caller.
        """
        alone = self.most_alone
        if n_before + n_bytes > alone:
            raise TooLarge(f"the request must fit in {alone} bytes of memory once it is decoded: {ADVICE}")
        with self._lock:
            own = self._callers[caller] + n_bytes
            others = self._held - self._callers[caller]
            share = alone if others <= self.size // CROWD else self.size // QUARTER
            is_beyond = own > min(share, self.size - others)
            is_beyond |= kind == "arriving" and self.kinds[kind] + n_bytes > self.size // 2
            if is_beyond:
                raise Unavailable("other requests leave no room in memory for more")
            self._add(kind, caller, n_bytes)

    def give_back(self, kind: Kind, caller: object, n_bytes: int) -> None:
        """Give bytes back."""
        with self._lock:
            self._add(kind, caller, -n_bytes)

    def _add(self, kind: Kind, caller: object, n_bytes: int) -> None:
        self._held += n_bytes
        self.kinds[kind] += n_bytes
        self._callers[caller] += n_bytes
        if not self._callers[caller]:
            del self._callers[caller]


SMALL_BYTES = 2**16
"""The longest body of a small request."""
SMALL_NEED_BYTES = 2**20
"""The memory that a small request takes of the account for small ones; what it needs beyond is as that of others."""


class Lease:
    """The memory that one request holds; it is given back at the end of the request, all at once.

    Args:
        account: The account of all requests.
        small: The account of small requests, if this is one.
        caller: The caller of the request; a request without one is a caller of its own.
    """

    def __init__(self, account: Account, small: Account | None = None, caller: str = "") -> None:
        self._account = account
        self._small = small
        self._caller = caller or object()
        self._taken: Counter[tuple[Account, Kind]] = Counter()

    @property
    def n_bytes(self) -> int:
        """The bytes that are held."""
        return self._taken.total()

    def take(self, kind: Kind, n_bytes: int) -> None:
        """Take so many bytes more.

        Raises:
            TooLarge: One request may never hold so much.
            Unavailable: Others hold it at present.
        """
        n_before = self._taken.total()
        is_small = self._small is not None and n_before + n_bytes <= SMALL_NEED_BYTES
        account = self._small if self._small is not None and is_small else self._account
        account.take(kind, self._caller, n_bytes, n_before)
        self._taken[account, kind] += n_bytes

    def hold(self, kind: Kind, n_bytes: int) -> None:
        """Take what is missing of so many bytes of a kind; raise as `take` does."""
        n_before = sum(n for (_, held), n in self._taken.items() if held == kind)
        if n_bytes > n_before:
            self.take(kind, n_bytes - n_before)

    def arrived(self) -> None:
        """Count the body as one that is here."""
        if n_bytes := self.free("arriving"):
            self.take("body", n_bytes)

    def free(self, *kinds: Kind) -> int:
        """Give back what is held of some kinds, by default of all; return how much it was."""
        n_bytes = 0
        for account, kind in list(self._taken):
            if kind in kinds or not kinds:
                n_bytes += self._taken[account, kind]
                account.give_back(kind, self._caller, self._taken.pop((account, kind)))
        return n_bytes
