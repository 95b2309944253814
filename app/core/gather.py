"""A chunk of scored rows as columns, gathered block by block, and the sums of those columns."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from app.core.batches import Batch
from app.core.columns import BoolArray, FloatArray, IntArray
from app.core.rows import Rows, blocks
from app.core.rows.elements import ElementRows
from app.core.rows.tokens import TokenRows
from app.core.state import GroupSums, Moments
from app.core.sums import ONE, exact_dot, exact_power_sums, exact_sum
from app.core.tables import calibration, class_frequencies, per_class, per_label, target_frequencies, times, weighted
from app.errors import InvalidInput

Family: TypeAlias = Literal["loss", "score", "row", "n_bytes", "n_words"]


@dataclass(frozen=True, slots=True)
class Mean:
    """Something averaged over rows.

    Attributes:
        name: Its key in a state.
        numerator: Gives (n,) numbers of rows, before sample weights.
        family: What a row counts for, before sample weights: `loss` is its elements times its class weight (under
            denominator `count` its elements, without any weight), `score` its elements, `row` is 1, `n_bytes` and
            `n_words` its size in those.
    """

    name: str
    numerator: Callable[[Any], FloatArray | BoolArray]
    family: Family


class Chunk:
    """Some scored rows of a batch.

    Attributes:
        numbers: (n,) their row numbers in the batch.
        columns: (n,) arrays by name: the numerators asked for, and what a row counts for.
        tables: Sums by group, by name of the table.
    """

    def __init__(self, batch: Batch, rows: slice | IntArray, means: Sequence[Mean], tables: Sequence[str]) -> None:
        self.numbers = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
        self._weight = None if batch.sample_weight is None else batch.sample_weight[rows]
        self._by_count = batch.options.denominator == "count"
        self.tables: dict[str, GroupSums] = {}
        gathered: dict[str, list[Any]] = {}
        start = 0
        for block in blocks(batch, rows):
            for name, column in _block_columns(block, batch, means, tables):
                gathered.setdefault(name, []).append(column)
            self._add_block_tables(block, tables, start)
            start += len(block)
        self.columns = _joined(gathered)
        self._moments: dict[tuple[int, Family], Moments] = {}
        self._add_tables(batch, tables)

    def _add_block_tables(self, block: Rows, tables: Sequence[str], start: int) -> None:
        """Add the tables that need all classes of a row at once."""
        weight = None if self._weight is None else self._weight[start : start + len(block)]
        if isinstance(block, TokenRows):
            return
        if "class_frequencies" in tables and not block.has_labels:
            self._add_table("class_frequencies", target_frequencies(block, weight))
        if "per_class" in tables and isinstance(block, ElementRows) and block.is_multilabel:
            self._add_table("per_class", per_label(block, weight))

    def _add_table(self, name: str, sums: GroupSums) -> None:
        self.tables[name] = self.tables[name] + sums if name in self.tables else sums

    def _add_tables(self, batch: Batch, tables: Sequence[str]) -> None:
        missing = set(tables) - set(self.tables)
        if "calibration" in missing:
            self.tables["calibration"] = calibration(self.columns, self._weight, batch.options)
        if "class_frequencies" in missing:
            self.tables["class_frequencies"] = class_frequencies(self.columns, self._weight, batch.n_classes)
        if "per_class" in missing:
            self.tables["per_class"] = per_class(self.columns, self._weight, batch.n_classes)

    @property
    def weight_sum(self) -> int:
        """Exact sum of the sample weights."""
        return len(self.numbers) * ONE if self._weight is None else exact_sum(self._weight)

    @property
    def weighs(self) -> BoolArray | np.bool_:
        """(n,) rows of positive sample weight."""
        return np.True_ if self._weight is None else self._weight > 0.0

    def moments(self, mean: Mean) -> Moments:
        """The sums of one mean; worked out once for means of the same column."""
        key = id(self.columns[mean.name]), mean.family
        if key not in self._moments:
            self._moments[key] = self._sums(mean)
        return self._moments[key]

    def _sums(self, mean: Mean) -> Moments:
        column, v = self.columns[mean.name], self._denominator(mean.family)
        if self._weight is None and v is None:
            n = len(column)
            if column.dtype == bool:
                total = int(np.count_nonzero(column)) * ONE
                return Moments(n, 0, total, n * ONE, total, total, n * ONE)
            if np.isfinite(column).all():
                total, squares = exact_power_sums(column)
                return Moments(n, 0, total, n * ONE, squares, total, n * ONE)
        return self._weighted_sums(column, np.ones(len(column)) if v is None else v)

    def _weighted_sums(self, column: FloatArray, v: FloatArray) -> Moments:
        z = weighted(self._weight, column) * 1.0  # booleans count as 0 and 1
        finite = np.isfinite(z)
        self._check_products(column, finite)
        counted = finite & self.weighs & (v > 0.0)
        z, v = np.where(finite, z, 0.0), np.where(finite, v, 0.0)
        (z_sum, zz), (v_sum, vv) = exact_power_sums(z), exact_power_sums(v)
        n, n_infinite = int(np.count_nonzero(counted)), int(np.count_nonzero(~finite))
        return Moments(n, n_infinite, z_sum, v_sum, zz, exact_dot(z, v), vv)

    def _check_products(self, column: FloatArray, finite: BoolArray) -> None:
        overflown = self.numbers[~finite & np.isfinite(column)]
        if overflown.size:
            rule = "must leave weight times loss a finite number, found an overflow"
            raise InvalidInput.at(f"/sample_weight/{overflown[0]}", "out_of_range", rule)

    def _denominator(self, family: Family) -> FloatArray | None:
        size, share = self.columns.get("size"), self.columns.get("share")
        if family == "loss":
            return size if self._by_count else times(times(self._weight, size), share)
        if family == "score":
            return times(self._weight, size)
        return self._weight if family == "row" else times(self._weight, self.columns[family])


def _joined(gathered: dict[str, list[Any]]) -> dict[str, Any]:
    """Blocks end to end; names whose blocks are the same arrays share one column."""
    joined: dict[tuple[int, ...], Any] = {}
    for parts in gathered.values():
        key = tuple(map(id, parts))
        if key not in joined:
            joined[key] = parts[0] if len(parts) == 1 else np.concatenate(parts)
    return {name: joined[tuple(map(id, parts))] for name, parts in gathered.items()}


def _block_columns(
    block: Rows, batch: Batch, means: Sequence[Mean], tables: Sequence[str]
) -> Iterator[tuple[str, FloatArray | BoolArray]]:
    for mean in means:
        yield mean.name, mean.numerator(block)
    names = ["size", "share", *batch.sizes]
    if batch.options.epsilon:
        names.append("clipped")
    if "calibration" in tables:
        names += ["confidence", "frequency"]
    if "class_frequencies" in tables or "per_class" in tables:
        names.append("labels")
    for name in names:
        if (column := getattr(block, name)) is not None:
            yield name, column
