"""Rows of the task tokens: one document each, a list of natural log-probabilities of observed tokens."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core import kernels
from app.core.batch.batches import Batch
from app.core.columns import FloatArray, IntArray, Ragged
from app.core.formulas.losses import log_bounds
from app.core.kernels import compiled
from app.core.kernels.quantities import TOKEN_QUANTITIES, Into, token_rows
from app.core.kernels.tallies import Asked, Kept, Tally
from app.core.lazy import lazy
from app.core.rows.kind import Kind


class TokenRows:
    """Some documents of a batch, all of at least one token."""

    has_labels = False
    """The observed tokens are the truth."""

    share = None
    """The factor beside `size` in what a row counts for; None is 1, for tokens have no class weights."""

    def __init__(self, batch: Batch, rows: slice | IntArray) -> None:
        documents = batch.prediction
        if not isinstance(documents, Ragged):
            raise TypeError("tokens come as a list a document")
        self.options = batch.options
        self._batch, self._rows = batch, rows
        if isinstance(rows, slice):
            self._values, self._offsets = documents.values, documents.offsets[rows.start : rows.stop + 1]
        else:
            documents = documents.take(rows)
            self._values, self._offsets = documents.values, documents.offsets

    @staticmethod
    def equalities(kind: Kind) -> dict[str, str | float]:  # noqa: ARG004 as of other rows
        """The quantities that equal another quantity, or a number, in all rows of a kind."""
        return {"share": 1.0}

    @staticmethod
    def kernel_quantities(kind: Kind) -> tuple[str, ...]:
        """The quantities that `write` gives; none where probabilities are clipped or come as sums."""
        return () if kind.options.epsilon or kind.is_summed else TOKEN_QUANTITIES

    def write(self, into: Into) -> None:
        """Write the quantities of the kernel into a matrix."""
        offsets = self._offsets - self._offsets[0]
        token_rows(np.ascontiguousarray(self._tokens, np.float64), offsets, into)

    @staticmethod
    def tally(batch: Batch, rows: slice, asked: Asked, kept: Kept) -> Tally:
        """The sums of documents of which the kernel writes all quantities; copy those that are kept."""
        documents = batch.prediction
        return compiled.token_tally(documents.values, documents.offsets, rows.start, rows.stop, asked, kept)  # type: ignore[union-attr]

    def __len__(self) -> int:
        return len(self._offsets) - 1

    @lazy
    def _starts(self) -> IntArray:
        """The positions in `_tokens` at which documents begin."""
        starts: IntArray = self._offsets[:-1] - self._offsets[0]
        return starts

    @lazy
    def _tokens(self) -> NDArray[Any]:
        return self._values[self._offsets[0] : self._offsets[-1]]

    @lazy
    def size(self) -> FloatArray:
        """The number of tokens of each document."""
        if "n_tokens" in self._batch.sizes:
            return self._sizes("n_tokens")
        return np.diff(self._offsets).astype(np.float64)

    @lazy
    def cross_entropy(self) -> FloatArray:
        """The loss of each document: the sum over its tokens."""
        tokens = self._tokens.astype(np.float64, copy=False)
        if self.options.epsilon:
            tokens = np.clip(tokens, *log_bounds(self.options.epsilon))
        return 0.0 - np.add.reduceat(tokens, self._starts)

    @lazy
    def clipped(self) -> FloatArray:
        """Documents in which epsilon moved a probability."""
        low, high = log_bounds(self.options.epsilon)
        outside = (self._tokens < low) | (self._tokens > high)
        return np.logical_or.reduceat(outside, self._starts)

    @lazy
    def macro_perplexity(self) -> FloatArray:
        """The exponential of the mean loss of each document."""
        return kernels.exp(self.cross_entropy / self.size)

    @property
    def n_bytes(self) -> FloatArray:
        """The number of UTF-8 bytes of each document."""
        return self._sizes("n_bytes")

    @property
    def n_words(self) -> FloatArray:
        """The number of words of each document."""
        return self._sizes("n_words")

    def _sizes(self, name: str) -> FloatArray:
        return self._batch.sizes[name][self._rows].astype(np.float64)
