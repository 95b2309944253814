"""The account of the memory that work takes: whatever is large is told before it is made.

Like the check of `app.core.checkpoints`, the account belongs to the thread. As an argument it would pass through nearly
every function between a request and the reader of a format.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, TypeAlias, get_args

Kind: TypeAlias = Literal["arriving", "body", "decoded", "objects", "held", "answer"]
"""The use of memory: a body that is still arriving, one that is here, the same decoded and cast, objects of Python made
of it, rows held until the last one has come, the answer until it is read."""
KINDS: tuple[Kind, ...] = get_args(Kind)
Pay: TypeAlias = Callable[[Kind, int], None]


def _free(kind: Kind, n_bytes: int) -> None:
    """Let memory be taken: the account where nobody has set another."""


_PAY: ContextVar[Pay] = ContextVar("pay", default=_free)


@contextmanager
def paid_by(pay: Pay) -> Iterator[None]:
    """Let an account pay for the work of this thread within the context."""
    token = _PAY.set(pay)
    try:
        yield
    finally:
        _PAY.reset(token)


def hold(kind: Kind, n_bytes: int) -> None:
    """Pay for so much memory of a kind, less what the request has paid for it already.

    Raises:
        TooLarge: The request could never have so much.
        Unavailable: Others have it at present.
    """
    _PAY.get()(kind, n_bytes)
