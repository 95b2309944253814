"""One suite for both databases."""

from tests.store.stores import address, server, store

__all__ = ["address", "server", "store"]
