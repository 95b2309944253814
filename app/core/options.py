"""Every option of a scoring request, in one frozen value.

A field below is the whole definition of an option: its type and bounds, its default, the tasks it belongs to and
what it says. The request schemas, the echo in an answer and the fingerprint of a state are made from it.
"""

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cache, lru_cache
from operator import attrgetter
from typing import Annotated, Any, Literal, TypeAlias, get_type_hints

from annotated_types import Ge, Gt, Le, Lt, MaxLen

from app.core.tasks import ALL, LABELLED, ONE_LABEL, TaskName

MAX_WEIGHT = 1e100
"""The largest weight of a row or class. Products of weights then stay far below the largest double."""

MIN_WEIGHT = 1e-100
"""The least weight of a class, 0 aside. Products with losses then stay far above the smallest double."""

MAX_KEPT_ENTRIES, MAX_KEPT_CHARACTERS = 1_000, 2**16
"""The most class names and weights, and characters of names, of options by which plans are kept; 100,000 hold 10 MB."""

Unit: TypeAlias = Literal["nats", "bits", "hartleys"]
# the size of each unit in nats
_NATS_PER_UNIT: dict[Unit, float] = {"nats": 1.0, "bits": math.log(2.0), "hartleys": math.log(10.0)}
NonNegative: TypeAlias = Annotated[float, Ge(0)]
Weight: TypeAlias = Annotated[float, Ge(0), Le(MAX_WEIGHT)]
Share: TypeAlias = Annotated[float, Ge(0), Le(1)]
PerClass: TypeAlias = Annotated[tuple[Weight, ...], MaxLen(100_000)]

PROBABILISTIC: tuple[TaskName, ...] = ("multiclass", "distributions")


def _option(default: Any, tasks: tuple[TaskName, ...], doc: str, *, shapes_sums: bool = True) -> Any:
    return field(default=default, metadata={"tasks": tasks, "doc": doc, "shapes_sums": shapes_sums})


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The choices of how to score; the request schemas hold values to the annotated types and bounds."""

    unit: Unit = _option("nats", ALL, "Unit of every loss, divergence and entropy.", shapes_sums=False)
    epsilon: Annotated[float, Ge(0), Lt(0.5)] = _option(
        0.0, ALL, "Clips probabilities to [epsilon, 1 - epsilon] before any logarithm; 0 clips nothing."
    )
    normalization: Literal["warn", "error", "renormalize"] = _option(
        "warn",
        PROBABILISTIC,
        "Treatment of a row that does not sum to 1: score it as sent, refuse it, or divide it by its sum.",
    )
    tolerance: Share = _option(
        1e-6, ALL, "Largest distance of a row sum from 1, and of a probability outside [0, 1] from its bound."
    )
    denominator: Literal["weights", "count"] = _option(
        "weights", ALL, "Divisor of a weighted loss: the sum of the weights, or the number of scored rows."
    )
    classes: Annotated[tuple[str | int, ...], MaxLen(100_000)] | None = _option(
        None, ONE_LABEL, "Class names in column order, all strings or all integers; binary: [negative, positive]."
    )
    class_weight: PerClass | None = _option(None, ("multiclass",), "One weight a class, (k,).")
    pos_weight: Weight | PerClass | None = _option(
        None, ("binary", "multilabel"), "Weight of the positive class; multilabel: one number or one a label."
    )
    label_smoothing: Share = _option(0.0, LABELLED, "Share of each target spread evenly over the classes.")
    focal_gamma: NonNegative | None = _option(None, ONE_LABEL, "Focusing exponent; adds the metric focal_loss.")
    focal_alpha: Share | None = _option(
        None, ONE_LABEL, "Weight of the positive class (binary) or of every class; adds the metric focal_loss."
    )
    ignore_index: int | None = _option(None, ONE_LABEL, "Rows with this label are not scored.")
    threshold: Share = _option(0.5, ("binary", "multilabel"), "Probability from which a label is predicted.")
    top_k: Annotated[tuple[Annotated[int, Ge(1)], ...], MaxLen(20)] = _option(
        (), ("multiclass",), "Adds top_{k}_accuracy for each k; at most 20 of them."
    )
    n_bins: Annotated[int, Ge(1), Le(10_000)] = _option(15, ONE_LABEL, "Equal-width calibration bins.")
    bin_edges: Literal["left", "right"] = _option("left", ONE_LABEL, "Edge that a calibration bin includes.")
    n_worst: Annotated[int, Ge(1), Le(1_000)] = _option(
        10, ALL, "Number of rows that `worst` lists.", shapes_sums=False
    )
    confidence_level: Annotated[float, Gt(0), Lt(1)] = _option(
        0.95, ALL, "Coverage of every confidence interval.", shapes_sums=False
    )

    def __hash__(self) -> int:
        """Hash some of the choices: all of them take longer than to find what is kept by them."""
        return hash((self.unit, self.epsilon, self.n_bins))

    @property
    def nats_per_unit(self) -> float:
        """The size of the unit of losses, divergences and entropies, in nats."""
        return _NATS_PER_UNIT[self.unit]

    def for_task(self, task: TaskName) -> dict[str, object]:
        """The options in force for a task, by name and without unset ones, as every answer echoes them."""
        values = zip(option_names(task), _values_for(task)(self), strict=True)
        return {name: value for name, value in values if value is not None}

    @property
    def is_long(self) -> bool:
        """Tell if lists are long: what is kept by such options holds megabytes, and there may be hundreds of them."""
        weights = self.pos_weight if isinstance(self.pos_weight, tuple) else ()
        if not (self.classes or self.class_weight or weights):
            return False
        names = self.classes or ()
        n_entries = len(names) + len(self.class_weight or ()) + len(weights)
        return n_entries > MAX_KEPT_ENTRIES or sum(map(len, map(str, names))) > MAX_KEPT_CHARACTERS

    def fingerprint(self, task: TaskName, n_classes: int) -> str:
        """A fingerprint of 16 hexadecimal digits, equal only for options under which sums mean the same."""
        return (_fingerprint_of_long if self.is_long else _fingerprint)(self, task, n_classes)


@lru_cache(maxsize=32)
def _fingerprint(options: Options, task: TaskName, n_classes: int) -> str:
    shaping = {f.name: getattr(options, f.name) for f in fields(options) if f.metadata["shapes_sums"]}
    text = repr((task, n_classes, [(name, _canonical(shaping[name])) for name in sorted(shaping)]))
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


_fingerprint_of_long = lru_cache(maxsize=2)(_fingerprint.__wrapped__)


def _canonical(value: object) -> object:
    """Write numbers that compare equal in one form: 0, 0.0 and -0.0."""
    if isinstance(value, tuple):
        return tuple(map(_canonical, value))
    return float(value) + 0.0 if isinstance(value, int | float) else value


@cache
def option_names(task: TaskName) -> list[str]:
    """The names of the options a task knows, in the order of the contract."""
    return [f.name for f in fields(Options) if task in f.metadata["tasks"]]


@cache
def _values_for(task: TaskName) -> Callable[[Options], tuple[object, ...]]:
    return attrgetter(*option_names(task))


@cache
def option_types() -> dict[str, Any]:
    """The annotated type of every option by name, bounds included."""
    return get_type_hints(Options, include_extras=True)
