"""Layouts: maps from the quantities of a batch's rows to the rows of a matrix, and lists of the rows that are summed.

A layout depends on the question and not on the numbers, so it is made once and kept.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import chain
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from app.core.batch.batches import Batch
from app.core.formulas.bins import lower_edges
from app.core.kernels.tallies import Asked
from app.core.options import Options
from app.core.rows.blocks import ROWS, Rows
from app.core.rows.kind import Kind
from app.core.sums.paired import paired_columns

if TYPE_CHECKING:
    from app.core.kernels.compiled import Grouping

Family: TypeAlias = Literal["loss", "share", "score", "row", "n_bytes", "n_words"]
Quantity: TypeAlias = Callable[[Any], Any]

ONES = -1
"""The number that stands for a row of ones; no matrix holds one."""

_SIZES: dict[Family, tuple[str, ...]] = {
    "share": ("size", "share"),
    "score": ("size",),
    "row": (),
    "n_bytes": ("n_bytes",),
    "n_words": ("n_words",),
}
"""The quantities, by family, whose product a row counts for before sample weights."""

_OF_TABLES: dict[str, tuple[str, ...]] = {
    "calibration": ("confidence", "frequency"),
    "class_frequencies": ("share",),
    "per_class": ("share", "cross_entropy", "brier_score", "accuracy"),
    "confusion": (),
    "decisions": (),
    "outcomes": (),
}
"""The quantities, by table, that are summed by group."""

_MARKS: dict[str, tuple[str, ...]] = {
    "calibration": (),
    "class_frequencies": ("labels",),
    "per_class": ("labels",),
    "confusion": ("labels", "predicted"),
    "decisions": ("labels", "predicted"),
    "outcomes": (),
}
"""The columns of class numbers, by table, that make the groups."""


@dataclass(frozen=True, slots=True, eq=False)
class Mean:
    """A quantity that is averaged over rows.

    Attributes:
        name: Its key in a state.
        numerator: The attribute of rows, or the function of them, or one by the kind of rows, that gives (n,) numbers
            before sample weights.
        family: The kind of what a row counts for before sample weights. `share` is its elements times its class
            weight. `loss` is the same, but its elements alone under the denominator `count`. `score` is its elements,
            `row` is 1, and `n_bytes` and `n_words` are its size in bytes and words.
        over: The column that stands in place of what a row counts for; empty where none does.
    """

    name: str
    numerator: str | Quantity | Mapping[type[Rows], Quantity]
    family: Family
    over: str = ""

    @property
    def key(self) -> str:
        """The name of the numerator."""
        return self.numerator if isinstance(self.numerator, str) else self.name

    def quantity(self, rows: type[Rows]) -> Quantity:
        """The numerator as a function of rows of one kind."""
        if isinstance(self.numerator, str):
            return attrgetter(self.numerator)
        return self.numerator[rows] if isinstance(self.numerator, Mapping) else self.numerator


@dataclass(frozen=True, slots=True, eq=False)
class Needs:
    """The sums that metrics and sections are made of: means, and tables of sums by group, by their names.

    Attributes:
        n_pairs: The number of candidates that are compared with a baseline; the batch brings their losses along.
    """

    means: tuple[Mean, ...]
    tables: tuple[str, ...] = ()
    n_pairs: int = 0


@dataclass(slots=True, eq=False)
class Layout:
    """The rows of a matrix, and what is made of them.

    Attributes:
        fingerprint: The fingerprint of the states that are made.
        rows: The row of each quantity before sample weights, by name.
        quantities: The function of a block of rows that fills a row, by row, where no kernel writes it.
        n_pairs: The number of pairs of candidates whose losses the first rows are made of.
        zeros: The rows that are 0 throughout.
        kernel: The rows that a kernel writes, in its order, -1 for none; empty where none does.
        weight: The row of the sample weights, or `ONES`.
        products: The rows whose product a row is, by row, in the order in which they are made.
        pairs: Rows of numerators and of denominators that are summed together, each with its number.
        distinct: The pairs in order.
        means: The number of the pair of each mean, by name.
        bins: The grouping by bin of confidence, as kernels take it, in a tuple; empty for none. Its rows are those of
            weights, weighted confidences and weighted frequencies.
        frequencies: The row that is summed by label, in a tuple; empty for none.
        listed: The tables of sections and of metrics on request, whose columns have one number a row.
        marks: The attributes of rows that hold integers or booleans.
        block_tables: The tables of which one needs all elements of a row at once; empty where none does.
        is_lean: Whether kernels write all quantities.
        is_compiled: Whether kernels do all of the work, so that NumPy has nothing to warn of.
        n_rows: The number of rows of the matrix.
        asked: What a kernel is asked for where one call does all of the work for rows of weight 1; else None.
    """

    fingerprint: str
    rows: dict[str, int] = field(default_factory=dict)
    quantities: dict[int, Quantity] = field(default_factory=dict)
    n_pairs: int = 0
    zeros: list[int] = field(default_factory=list)
    kernel: tuple[int, ...] = ()
    weight: int = ONES
    products: dict[int, tuple[int, ...]] = field(default_factory=dict)
    pairs: dict[tuple[int, int], int] = field(default_factory=dict)
    distinct: tuple[tuple[int, int], ...] = ()
    means: dict[str, int] = field(default_factory=dict)
    bins: tuple["Grouping", ...] = ()
    frequencies: tuple[int, ...] = ()
    listed: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    block_tables: tuple[str, ...] = ()
    is_lean: bool = False
    is_compiled: bool = False
    n_rows: int = 0
    asked: Asked | None = None

    def added_row(self) -> int:
        """Add a row and return its number."""
        self.n_rows += 1
        return self.n_rows - 1

    def product(self, *factors: int) -> int:
        """The row that holds the product of others; add it if the matrix has none yet."""
        kept = tuple(factor for factor in factors if factor != ONES)
        if len(kept) < 2:
            return kept[0] if kept else ONES
        for row, known in self.products.items():
            if known == kept:
                return row
        row = self.added_row()
        self.products[row] = kept
        return row

    def is_weighted(self, row: int) -> bool:
        """Tell whether a row is a product of which the sample weights are a factor."""
        return self.weight != ONES and self.weight in (row, *self.products.get(row, ()))

    def divides(self, row: int) -> bool:
        """Tell whether sums of a row are divisors: denominators of means, or the frequencies of classes."""
        return row in self.frequencies or any(row == v for _, v in self.distinct)


def layout_of(batch: Batch, needs: Needs) -> Layout:
    """The layout of the matrices of a batch."""
    is_soft, is_weighted = batch.targets is not None, batch.sample_weight is not None
    is_summed = "n_tokens" in batch.sizes
    kind = Kind(batch.task, batch.form, batch.options, is_soft, is_weighted, batch.n_classes, is_summed)
    return (_layout.__wrapped__ if batch.options.is_long else _layout)(kind, needs)


@lru_cache(maxsize=256)
def _layout(kind: Kind, needs: Needs) -> Layout:
    layout = _laid_out(kind, needs)
    is_written = layout.n_pairs or (layout.kernel and not layout.listed)
    if layout.is_compiled and is_written and layout.weight == ONES:
        parts = layout.kernel, tuple(layout.zeros), layout.distinct, layout.bins, layout.frequencies
        layout.asked = Asked(layout.n_rows, *parts)
    return layout


def _laid_out(kind: Kind, needs: Needs) -> Layout:
    layout = Layout(kind.options.fingerprint(kind.task, kind.n_classes))
    # the tables of multilabel need all elements of a row, so they are made block by block
    is_by_element = kind.task == "multilabel" and not needs.n_pairs
    tables = () if is_by_element else needs.tables
    _lay_means(layout, kind, needs, tables)
    layout.block_tables = needs.tables if is_by_element or (kind.is_soft and not needs.n_pairs) else ()
    if "calibration" in tables:
        summed = (layout.product(layout.weight, layout.rows[name]) for name in _OF_TABLES["calibration"])
        edges = lower_edges(kind.options.n_bins), kind.options.bin_edges == "left"
        layout.bins = ((layout.rows["confidence"], *edges, (layout.weight, *summed)),)
    if "class_frequencies" in tables and not kind.is_soft:
        layout.frequencies = (layout.product(layout.weight, layout.rows.get("share", ONES)),)
    is_listed = "per_class" in needs.tables
    layout.is_compiled = not (layout.quantities or layout.products or layout.block_tables or is_listed)
    layout.listed = tuple(table for table in tables if table not in ("calibration", "class_frequencies"))
    marks = {mark for table in tables for mark in _MARKS[table] if kind.is_soft or mark != "labels"}
    layout.marks = tuple(sorted(marks | ({"clipped"} if kind.options.epsilon and not needs.n_pairs else set())))
    return layout


def _lay_means(layout: Layout, kind: Kind, needs: Needs, tables: tuple[str, ...]) -> None:
    """Give each quantity a row, those of tables too, and each mean a pair of rows."""
    if needs.n_pairs:
        layout.n_pairs = needs.n_pairs
        layout.rows |= {name: layout.added_row() for name in paired_columns(needs.n_pairs)}
    row_of = _Rows(kind, layout)
    numerators, sizes = list(map(row_of.numerator, needs.means)), list(map(row_of.sizes, needs.means))
    for name in chain.from_iterable(_OF_TABLES[table] for table in tables):
        row_of(name)
    if not needs.n_pairs:
        row_of.give_to_kernel()
    if kind.is_weighted:
        layout.weight = layout.added_row()
    for mean, numerator, size in zip(needs.means, numerators, sizes, strict=True):
        weight = ONES if _is_counted(mean.family, kind.options) and not mean.over else layout.weight
        pair = layout.product(layout.weight, numerator), layout.product(weight, *size)
        layout.means[mean.name] = layout.pairs.setdefault(pair, len(layout.pairs))
    layout.distinct = tuple(layout.pairs)


class _Rows:
    """Finds the row of a quantity before sample weights, and adds one to the layout if it has none yet."""

    def __init__(self, kind: Kind, layout: Layout) -> None:
        self._kind, self._layout = kind, layout
        self._equal = ROWS[kind.task].equalities(kind)

    def __call__(self, name: str, quantity: Quantity | None = None) -> int:
        known, layout = self._equal.get(name, name), self._layout
        if known == 1.0:
            return ONES
        if isinstance(known, str) and known != name:
            layout.rows[name] = self(known)
        elif name not in layout.rows:
            layout.rows[name] = row = layout.added_row()
            if known == 0.0:
                layout.zeros.append(row)
            else:
                layout.quantities[row] = quantity or attrgetter(name)
        return layout.rows[name]

    def numerator(self, mean: Mean) -> int:
        """The row of the numerators of a mean."""
        return self(mean.key, mean.quantity(ROWS[self._kind.task]))

    def sizes(self, mean: Mean) -> tuple[int, ...]:
        """The rows whose product is what rows count for in a mean, before sample weights."""
        if mean.over:
            return (self(mean.over),)
        return tuple(map(self, _sizes(mean.family, self._kind.options)))

    def give_to_kernel(self) -> None:
        """Leave the quantities to the kernel that it writes."""
        written = ROWS[self._kind.task].kernel_quantities(self._kind)
        self._layout.kernel = tuple(self._layout.rows.get(name, ONES) for name in written)
        for row in self._layout.kernel:
            self._layout.quantities.pop(row, None)
        self._layout.is_lean = bool(written) and not self._layout.quantities


def _is_counted(family: Family, options: Options) -> bool:
    """Tell whether each row counts for its elements, without any weight."""
    return family == "loss" and options.denominator == "count"


def _sizes(family: Family, options: Options) -> tuple[str, ...]:
    """The quantities whose product a row counts for before sample weights."""
    if family == "loss":
        return ("size",) if _is_counted(family, options) else ("size", "share")
    return _SIZES[family]
