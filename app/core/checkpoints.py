"""Checkpoints: the places in long work at which it can be ended.

The check belongs to the thread. As an argument it would pass through nearly every function between a request and the
innermost loop.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias, TypeVar

Check: TypeAlias = Callable[[], None]
"""A function that raises the error that ends the work at hand, if there is one."""
Item = TypeVar("Item")


def never() -> None:
    """Let work go on: the check where nobody has set another."""


_CHECK: ContextVar[Check] = ContextVar("check", default=never)


@contextmanager
def ended_by(check: Check) -> Iterator[None]:
    """Let a check end the work of this thread within the context."""
    token = _CHECK.set(check)
    try:
        yield
    finally:
        _CHECK.reset(token)


def checkpoint() -> None:
    """Raise the error that ends the work at hand, if there is one; loops ask at least every 100 ms."""
    _CHECK.get()()


def at_checkpoints(items: Iterable[Item]) -> Iterator[Item]:
    """The items, with a checkpoint at each; none is held here while the next is made, for it may be large."""
    return map(_passed, items)


def _passed(item: Item) -> Item:
    checkpoint()
    return item
