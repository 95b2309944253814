"""The sums of a chunk of scored rows: quantities fill a matrix, and its rows are weighted and added up."""

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np

from app.core.batch.batches import Batch
from app.core.columns import BoolArray, FloatArray, IntArray, Ragged
from app.core.formulas.weights import places_of
from app.core.kernels import compiled
from app.core.kernels.quantities import Into
from app.core.rows.blocks import ROWS, blocks
from app.core.rows.blocks import Rows as Block
from app.core.sums.exact import Exact, exact_sum
from app.core.sums.groups import GroupSums
from app.core.sums.layout import ONES, Layout
from app.core.sums.moments import Moments, clustered_moments, moments_and_groups
from app.core.sums.small import NOTHING_SMALL, Small, moments_of_small, multiplied
from app.core.sums.tables import LISTED, block_tables, calibration, with_small_products
from app.errors import InvalidInput

if TYPE_CHECKING:
    from app.core.kernels.compiled import Grouped

# Freeing one block of 16 MiB raises glibc's threshold for mmap, so that bodies and temporaries come from memory that
# the process keeps. Fresh pages for every temporary cost up to a third of the time of scoring; after a block of 8 MiB,
# reading an archive of 9 MB still met them.
np.empty(1 << 21)

Rows: TypeAlias = slice | IntArray
"""The numbers of scored rows of a batch, as a slice where they follow each other."""


class SummedPair(NamedTuple):
    """Numerators and denominators of a mean, row by row.

    Attributes:
        z, v: (n,) numbers of band 0, without products that are too small for doubles.
        finite: (n,) the rows whose numerator is a number.
        counted: (n,) those of them that count for something.
        small: The products that are too small.
        z_places, v_places: The powers of two by which the true numbers are larger.
    """

    z: FloatArray
    v: FloatArray
    finite: BoolArray
    counted: BoolArray
    small: Small | None
    z_places: int
    v_places: int


class Chunk:
    """The quantities and sums of some scored rows of a batch, whose weights lie in one band.

    Attributes:
        rows: The numbers of its rows in the batch.
        n_rows: The number of its rows.
        matrix: (m, n) quantities of the rows in the order of the layout; weights in it are scaled to band 0.
        marks: (n,) numbers of classes and findings by name.
        tables: Sums by group, by name of the table.
        moments: The sums of each mean, by name.
    """

    def __init__(self, batch: Batch, rows: Rows, layout: Layout) -> None:
        self.rows, self._layout = rows, layout
        self.n_rows = rows.stop - rows.start if isinstance(rows, slice) else len(rows)
        self.matrix = matrix = np.empty((layout.n_rows, self.n_rows))
        for row in layout.zeros:
            matrix[row] = 0.0
        self.marks: dict[str, Any] = {}
        self.tables: dict[str, GroupSums] = {}
        self.weight: FloatArray | None = None
        self._places = 0
        self._small: Mapping[int, Small] = NOTHING_SMALL
        if batch.sample_weight is not None:
            self.weight = matrix[layout.weight]
            self._places = places_of(batch.sample_weight[rows])
            np.ldexp(batch.sample_weight[rows], -self._places, out=self.weight)
        if layout.is_compiled and batch.clusters is None:
            self._make(batch)
        else:
            with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
                self._make(batch)

    def _make(self, batch: Batch) -> None:
        is_paired = batch.losses is not None
        if is_paired:
            compiled.paired_rows(np.ascontiguousarray(batch.losses[:, self.rows]), self.matrix)  # type: ignore[index]
        if self._layout.quantities or not is_paired:
            self._fill(batch)
        if not is_paired and (batch.options.class_weight is not None or batch.options.pos_weight is not None):
            self._check_class_products(batch)
        if not batch.slices:  # else the sums of all rows may be made of those of slices
            self._add_up(batch)

    def column(self, name: str) -> Any:
        """The column (n,) of a quantity before sample weights, or of a mark, by name; None for ones."""
        row = self._layout.rows.get(name)
        return self.marks.get(name) if row is None else self.matrix[row]

    def take(self, places: IntArray, batch: Batch) -> "Chunk":
        """The chunk of some of the rows, by rising places, not added up: quantities are copied."""
        part = copy(self)
        part.reduce_to(places, batch)
        return part

    def reduce_to(self, places: IntArray, batch: Batch) -> None:
        """Drop all rows but those at `places`."""
        layout, self.rows, self.n_rows = self._layout, self.numbers[places], len(places)
        self.matrix = matrix = self.matrix.take(places, axis=1)
        self.marks = {name: values[places] for name, values in self.marks.items()}
        self.weight = None if self.weight is None else matrix[layout.weight]
        self.tables, start = {}, 0
        for block in blocks(batch, self.rows) if layout.block_tables else ():
            with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
                self._add_block_tables(block, start)
            start += len(block)

    def add_up(self, batch: Batch) -> None:
        """Add up the rows of a batch with slices, or of one of these."""
        with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
            self._add_up(batch)

    @property
    def numbers(self) -> IntArray:
        """The numbers of the rows in the batch, (n,)."""
        return np.arange(self.rows.start, self.rows.stop) if isinstance(self.rows, slice) else self.rows

    @property
    def has_weight(self) -> BoolArray | np.bool_:
        """The rows of positive sample weight, (n,); True for all."""
        return np.True_ if self.weight is None else self.weight > 0.0

    def _fill(self, batch: Batch) -> None:
        """Write the quantities block by block: first those that a kernel computes, then those that NumPy does."""
        layout, start = self._layout, 0
        values = batch.prediction.values if isinstance(batch.prediction, Ragged) else batch.prediction
        # one block will do where a kernel reads the numbers as they lie in memory: it makes no arrays over the classes
        is_lean = layout.is_lean and isinstance(self.rows, slice) and values.dtype == np.float64
        for block in (ROWS[batch.task](batch, self.rows),) if is_lean else blocks(batch, self.rows):
            end = self.n_rows if is_lean else start + len(block)
            if layout.kernel:
                block.write(Into(self.matrix, start, layout.kernel))
            for row, quantity in layout.quantities.items():
                self.matrix[row, start:end] = quantity(block)
            for name in layout.marks:
                self._mark(name, getattr(block, name), start)
            if layout.block_tables:
                self._add_block_tables(block, start)
            start = end
        if batch.labels is not None and batch.labels.ndim == 1:
            self.marks["labels"] = np.ascontiguousarray(batch.labels[self.rows])

    def _mark(self, name: str, values: Any, start: int) -> None:
        if name not in self.marks:
            self.marks[name] = values if len(values) == self.n_rows else np.empty(self.n_rows, values.dtype)
        if len(values) < self.n_rows:
            self.marks[name][start : start + len(values)] = values

    def _add_block_tables(self, block: Block, start: int) -> None:
        """Add the tables that need all elements of a row, of the rows of a block, the first of which is given."""
        weight = None if self.weight is None else self.weight[start : start + len(block)]
        for name, sums in block_tables(block, weight, self._layout.block_tables).items():
            self.tables[name] = self.tables[name] + sums if name in self.tables else sums

    def _add_up(self, batch: Batch) -> None:
        """Add up the rows, whose quantities before sample weights are all there."""
        codes = None if batch.clusters is None else batch.clusters.codes[self.rows]
        self._small = small = self._multiply(codes) if self._layout.products else NOTHING_SMALL
        layout, groupings = self._layout, self._layout.bins
        if layout.frequencies:
            groupings = (*groupings, (self.marks["labels"], batch.n_classes, layout.frequencies))
        pairs = layout.distinct if codes is None else ()
        moments, groups = moments_and_groups(self.matrix, layout.weight, pairs, groupings)
        self._add_tables(batch, groups, small)
        self.moments = self._moments(moments, codes, small)
        self.weight_sum = Exact(self.n_rows) if self.weight is None else exact_sum(self.weight).shifted(self._places)

    def summed_pairs(self) -> Iterator[SummedPair]:
        """Yield the columns behind the moments of independent rows, in the order of `distinct` of the layout."""
        for z, v in self._layout.distinct:
            numerators, denominators = self.matrix[z], np.ones(self.n_rows) if v == ONES else self.matrix[v]
            finite = np.isfinite(numerators)
            counted = finite & (denominators > 0.0) & self.has_weight
            v_places = self._places if self._layout.is_weighted(v) else 0
            places = self._places if self._layout.weight != ONES else 0
            yield SummedPair(numerators, denominators, finite, counted, self._small.get(z), places, v_places)

    def _multiply(self, codes: IntArray | None) -> dict[int, Small]:
        """Write the rows of products; return, by row, the products that are too small for doubles."""
        found = {}
        for row, (first, second, *others) in self._layout.products.items():
            small = multiplied(self.matrix[first], self.matrix[second], self.matrix[row], codes)
            if small is not None and self._layout.divides(row):
                # a small weight beside a large one of its cluster leaves no trace, but what was taken out is missing
                compiled.products(self.matrix[first], self.matrix[second], self.matrix[row])
            elif small is not None:
                found[row] = small
            for other in others:  # the factors of a denominator have no small products
                multiplied(self.matrix[row], self.matrix[other], self.matrix[row])
        return found

    def _add_tables(self, batch: Batch, groups: Sequence["Grouped"], small: Mapping[int, Small]) -> None:
        """Add the tables whose columns have one number a row, given the sums of calibration bins and of classes."""
        layout, tables = self._layout, self.tables
        if layout.bins:
            tables["calibration"] = calibration(groups[0])
            if small:
                products = map(small.get, layout.bins[0][-1])
                table, confidence = tables["calibration"], self.column("confidence")
                tables["calibration"] = with_small_products(table, confidence, products, batch.options)
        if layout.frequencies:
            _, (weights,), place = groups[-1]
            tables["class_frequencies"] = GroupSums({"weight": weights}, place)
        for name in layout.listed:
            columns = self.marks | {name: self.matrix[row] for name, row in layout.rows.items()}
            tables[name] = LISTED[name](columns, self.weight, batch)
        if self._places:
            self.tables = {name: sums.scaled(self._places) for name, sums in tables.items()}

    def _moments(self, sums: list[Moments], codes: IntArray | None, small: Mapping[int, Small]) -> dict[str, Moments]:
        """The moments by name of the mean, given those of distinct pairs where rows are independent."""
        layout = self._layout
        if codes is not None:
            sums = [clustered_moments(self.matrix, pair, layout.weight, codes) for pair in layout.distinct]
        if layout.weight != ONES:
            self._check_products(sums)
        for number, (z, v) in enumerate(layout.distinct if small else ()):
            if z in small:
                sums[number] += moments_of_small(small[z], None if v == ONES else self.matrix[v], codes)
        if self._places:
            sums = [
                moments.scaled(self._places, self._places if layout.is_weighted(v) else 0)
                for moments, (_, v) in zip(sums, layout.distinct, strict=True)
            ]
        return {name: sums[number] for name, number in layout.means.items()}

    def _check_products(self, sums: list[Moments]) -> None:
        """Refuse weights whose products with finite losses overflow."""
        for (z, v), moments in zip(self._layout.distinct, sums, strict=True):
            scaled_back = self._places > 0 and not self._layout.is_weighted(v)
            if not (moments.n_infinite or moments.n_undefined or scaled_back):
                continue
            products = np.ldexp(self.matrix[z], self._places) if scaled_back else self.matrix[z]
            numerators = self.matrix[self._layout.products[z][1]]
            overflown = self.numbers[~np.isfinite(products) & np.isfinite(numerators)]
            if overflown.size:
                rule = "must leave weight times loss a finite number, found an overflow"
                raise InvalidInput.at(f"/sample_weight/{overflown[0]}", "out_of_range", rule)

    def _check_class_products(self, batch: Batch) -> None:
        """Refuse class weights whose products with finite losses overflow; they would be taken for infinite losses.

        Only logits have losses of such a size.
        """
        if batch.form != "logits":
            return
        name = "pos_weight" if batch.options.class_weight is None else "class_weight"
        infinite = self.numbers[np.isinf(self.column("cross_entropy"))]
        if not infinite.size:
            return
        plain = replace(batch.options, class_weight=None, pos_weight=None)
        losses = [block.cross_entropy for block in blocks(replace(batch, options=plain), infinite)]
        overflown = infinite[np.isfinite(np.concatenate(losses))]
        if overflown.size:
            rule = f"must leave its product with the loss a finite number, found an overflow in row {overflown[0]}"
            raise InvalidInput.at(f"/{name}", "out_of_range", rule)
