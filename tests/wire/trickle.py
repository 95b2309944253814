"""A body that arrives slowly."""

import io

import numpy as np


class Trickle:
    """A source that gives few bytes at a time: so many, or with a seed anything up to that."""

    def __init__(self, body: bytes, most: int, seed: int | None = None) -> None:
        self._body, self._most = io.BytesIO(body), most
        self._sizes = None if seed is None else np.random.default_rng(seed)

    def read(self, n: int) -> bytes:
        most = self._most if self._sizes is None else int(self._sizes.integers(1, self._most + 1))
        return self._body.read(min(n, most))

    def tell(self) -> int:
        return self._body.tell()
