"""A chunk of scored rows as columns, gathered block by block, and the sums of those columns."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from app.core.batch.batches import Batch
from app.core.columns import BoolArray, FloatArray, IntArray
from app.core.formulas.weights import places_of, times, weighted
from app.core.rows.blocks import Rows, blocks
from app.core.rows.elements import ElementRows
from app.core.rows.tokens import TokenRows
from app.core.sums.exact import ONE, NotFinite, exact_dot, exact_power_sums, exact_sum, shifted
from app.core.sums.moments import Entry, Identities, clustered_moments, hits, holds_floats, plain_moments, runs
from app.core.sums.state import GroupSums, Moments
from app.core.sums.tables import (
    calibration,
    class_frequencies,
    confusion,
    label_confusion,
    per_class,
    per_label,
    target_frequencies,
)
from app.errors import InvalidInput

# Once freed, glibc serves arrays of this size and less from memory it keeps: fresh pages for every temporary of every
# block cost up to a third of the time of scoring.
np.empty(1 << 20)

Family: TypeAlias = Literal["loss", "share", "score", "row", "n_bytes", "n_words"]


@dataclass(frozen=True, slots=True)
class Mean:
    """A quantity that is averaged over rows.

    Attributes:
        name: Its key in a state.
        numerator: Gives (n,) numbers of rows, before sample weights; None for all zeros.
        family: What a row counts for, before sample weights: `share` is its elements times its class weight, `loss`
            the same (under denominator `count` its elements, without any weight), `score` its elements, `row` is 1,
            `n_bytes` and `n_words` its size in those.
    """

    name: str
    numerator: Callable[[Any], FloatArray | BoolArray | None]
    family: Family


class Chunk:
    """Some scored rows of a batch, of weights of one band.

    Attributes:
        weight: (n,) their sample weights, scaled to band 0; None for ones.
        columns: (n,) arrays by name: the numerators asked for, and what a row counts for.
        tables: Sums by group, by name of the table.
        moments: The sums of each mean, by name.
    """

    def __init__(self, batch: Batch, rows: slice | IntArray, means: Sequence[Mean], tables: Sequence[str]) -> None:
        self._rows = rows
        self.weight = None if batch.sample_weight is None else batch.sample_weight[rows]
        self._places = places_of(self.weight)
        if self._places and self.weight is not None:
            self.weight = np.ldexp(self.weight, -self._places)
        self._means = means
        self._clusters = None if batch.clusters is None else runs(batch.clusters.codes[rows])
        self._denominators: dict[Family, FloatArray | None] = {}
        self._by_count = batch.options.denominator == "count"
        self.tables: dict[str, GroupSums] = {}
        self.columns: dict[str, Any] = {}
        with np.errstate(divide="ignore", invalid="ignore", over="ignore", under="ignore"):
            self._gather(batch, tables)
            self._check_class_products(batch)
            self._add_tables(batch, tables)
            self.moments = self._moments()
        if self._places:
            self._scale_back()

    def _scale_back(self) -> None:
        """Give the sums the size that the weights as sent would have given them."""
        self.tables = {name: sums.shifted(self._places) for name, sums in self.tables.items()}
        for mean in self._means:
            counted = mean.family == "loss" and self._by_count
            self.moments[mean.name] = self.moments[mean.name].shifted(self._places, 0 if counted else self._places)

    def __len__(self) -> int:
        return self._rows.stop - self._rows.start if isinstance(self._rows, slice) else len(self._rows)

    @property
    def numbers(self) -> IntArray:
        """(n,) row numbers in the batch."""
        return np.arange(self._rows.start, self._rows.stop) if isinstance(self._rows, slice) else self._rows

    def _gather(self, batch: Batch, tables: Sequence[str]) -> None:
        start = 0
        names = _names(batch, tables)
        for block in blocks(batch, self._rows, {*names, *tables, *(mean.name for mean in self._means)}):
            self._add_columns(block, start, names)
            self._add_block_tables(block, tables, start)
            start += len(block)

    def _add_columns(self, block: Rows, start: int, names: Sequence[str]) -> None:
        """Keep what a block has behind what earlier blocks had; names of one array share one column."""
        parts = {mean.name: mean.numerator(block) for mean in self._means}
        parts |= {name: getattr(block, name) for name in names}
        if len(block) == len(self):
            self.columns = {name: part for name, part in parts.items() if part is not None}
            return
        numbers = Identities()
        written: dict[int, Any] = {}
        for name, part in parts.items():
            if part is None:
                continue
            number = numbers.number(part)
            if number not in written:
                column = self.columns.get(name)
                written[number] = np.empty(len(self), part.dtype) if column is None else column
                written[number][start : start + len(block)] = part
            self.columns[name] = written[number]

    def _add_block_tables(self, block: Rows, tables: Sequence[str], start: int) -> None:
        """Add the tables that need all classes of a row at once."""
        weight = None if self.weight is None else self.weight[start : start + len(block)]
        if isinstance(block, TokenRows):
            return
        if "class_frequencies" in tables and not block.has_labels:
            self._add_table("class_frequencies", target_frequencies(block, weight))
        if isinstance(block, ElementRows) and block.is_multilabel:
            if "confusion" in tables:
                self._add_table("confusion", label_confusion(block))
            if "per_class" in tables:
                self._add_table("per_class", per_label(block, weight))

    def _add_table(self, name: str, sums: GroupSums) -> None:
        self.tables[name] = self.tables[name] + sums if name in self.tables else sums

    def _add_tables(self, batch: Batch, tables: Sequence[str]) -> None:
        missing = set(tables) - set(self.tables)
        if "calibration" in missing:
            self.tables["calibration"] = calibration(self.columns, self.weight, batch.options)
        if "class_frequencies" in missing:
            self.tables["class_frequencies"] = class_frequencies(self.columns, self.weight, batch.n_classes)
        if "confusion" in missing:
            self.tables["confusion"] = confusion(self.columns, batch.n_classes)
        if "per_class" in missing:
            self.tables["per_class"] = per_class(self.columns, self.weight, batch.n_classes)

    @property
    def weight_sum(self) -> int:
        """Exact sum of the sample weights."""
        return len(self) * ONE if self.weight is None else shifted(exact_sum(self.weight), self._places)

    @property
    def weighs(self) -> BoolArray | np.bool_:
        """(n,) rows of positive sample weight."""
        return np.True_ if self.weight is None else self.weight > 0.0

    def _moments(self) -> dict[str, Moments]:
        """Means of one column over one denominator share their sums."""
        terms: dict[tuple[int, int], tuple[Any, FloatArray | None]] = {}
        keys: dict[str, tuple[int, int]] = {}
        numbers = Identities()
        for mean in self._means:
            column, v = self.columns.get(mean.name), self._denominator(mean.family)
            keys[mean.name] = key = numbers.number(column), numbers.number(v)
            terms[key] = column, v
        known = self._plain_moments({key: column for key, (column, v) in terms.items() if v is None})
        powers: dict[int, tuple[int, int]] = {}
        for key, (column, v) in terms.items():
            if key not in known:
                known[key] = self._moments_of(column, np.ones(len(self)) if v is None else v, powers, key[1])
        return {name: known[key] for name, key in keys.items()}

    def _plain_moments(self, columns: Mapping[tuple[int, int], Any]) -> dict[tuple[int, int], Moments]:
        """The moments of columns whose rows count for 1 each; none where one is infinite."""
        n = len(self)
        known: dict[tuple[int, int], Moments] = {}
        numbers: dict[tuple[int, int], FloatArray] = {}
        for key, column in columns.items():
            if holds_floats(column):
                numbers[key] = column
            else:
                known[key] = plain_moments(n, hits(column))
        try:
            sums = {key: exact_power_sums(column) for key, column in numbers.items()}
        except NotFinite:
            return known
        return known | {key: plain_moments(n, own) for key, own in sums.items()}

    def _moments_of(self, column: Any, v: FloatArray, powers: dict[int, tuple[int, int]], own: int) -> Moments:
        """The moments of a column over a denominator, whose sums are kept in `powers` under `own`."""
        column = np.zeros(len(self)) if column is None else column
        entry = self._entry(column, v)
        if self._clusters is not None:
            return clustered_moments(entry, self._clusters, self.weighs)
        sums, squares = exact_power_sums(entry.z)
        if entry.v is not v:
            v_sum, v_squares = exact_power_sums(entry.v)
        else:
            if own not in powers:
                powers[own] = exact_power_sums(v)
            v_sum, v_squares = powers[own]
        products = squares, exact_dot(entry.z, entry.v), v_squares
        return Moments(entry.n, entry.n_infinite, sums, v_sum, *products, entry.n_undefined)

    def _entry(self, column: Any, v: FloatArray) -> Entry:
        """Numerators and denominators of the rows, those without a finite number taken out."""
        z = weighted(self.weight, column) * 1.0
        finite = np.isfinite(np.ldexp(z, self._places) if self._places > 0 and self._by_count else z)
        n = int(np.count_nonzero(finite & self.weighs & (v > 0.0)))
        if finite.all():
            return Entry(z, v, n)
        self._check_products(column, finite)
        n_infinite, n_undefined = int(np.count_nonzero(np.isinf(z))), int(np.count_nonzero(np.isnan(z)))
        return Entry(np.where(finite, z, 0.0), np.where(finite, v, 0.0), n, n_infinite, n_undefined)

    def _check_class_products(self, batch: Batch) -> None:
        """Refuse weights of classes whose products with losses are beyond all doubles, but would be taken as infinite.

        Only logits have losses of such a size.
        """
        name = "pos_weight" if batch.options.class_weight is None else "class_weight"
        loss = self.columns.get("cross_entropy")
        if getattr(batch.options, name) is None or batch.form != "logits" or loss is None:
            return
        infinite = self.numbers[np.isinf(loss)]
        if not infinite.size:
            return
        plain = replace(batch.options, class_weight=None, pos_weight=None)
        losses = [block.cross_entropy for block in blocks(replace(batch, options=plain), infinite)]
        overflown = infinite[np.isfinite(np.concatenate(losses))]
        if overflown.size:
            rule = f"must leave its product with the loss a finite number, found an overflow in row {overflown[0]}"
            raise InvalidInput.at(f"/{name}", "out_of_range", rule)

    def _check_products(self, column: FloatArray, finite: BoolArray) -> None:
        overflown = self.numbers[~finite & np.isfinite(column)]
        if overflown.size:
            rule = "must leave weight times loss a finite number, found an overflow"
            raise InvalidInput.at(f"/sample_weight/{overflown[0]}", "out_of_range", rule)

    def _denominator(self, family: Family) -> FloatArray | None:
        """What the rows count for; None where each counts for 1 and none is weighted or in a cluster."""
        if family not in self._denominators:
            v = self._new_denominator(family)
            plain = self.weight is None and self._clusters is None
            self._denominators[family] = np.ones(len(self)) if v is None and not plain else v
        return self._denominators[family]

    def _new_denominator(self, family: Family) -> FloatArray | None:
        size, share = self.columns.get("size"), self.columns.get("share")
        if family == "loss":
            return size if self._by_count else self._denominator("share")
        if family == "share":
            return times(times(self.weight, size), share)
        if family == "score":
            return times(self.weight, size)
        return self.weight if family == "row" else times(self.weight, self.columns[family])


def _names(batch: Batch, tables: Sequence[str]) -> list[str]:
    """Columns besides the numerators."""
    names = ["size", "share", *batch.sizes]
    if batch.options.epsilon:
        names.append("clipped")
    if "calibration" in tables:
        names += ["confidence", "frequency"]
    if "class_frequencies" in tables or "per_class" in tables:
        names.append("labels")
    if "confusion" in tables and batch.task != "multilabel":
        names += ["labels", "predicted"]
    return names
