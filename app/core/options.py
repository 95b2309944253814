"""Every option of a scoring request, in one frozen value.

A field below is the whole definition of an option: its type and bounds, its default, the tasks it belongs to and
what it says. The request schemas, the echo in an answer and the fingerprint of a state are made from it.
"""

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Annotated, Any, Literal, TypeAlias, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Le, Lt

from app.core.tasks import TASKS, TaskName
from app.errors import FieldError, InvalidInput

Unit: TypeAlias = Literal["nats", "bits", "hartleys"]
NonNegative: TypeAlias = Annotated[float, Ge(0)]
Share: TypeAlias = Annotated[float, Ge(0), Le(1)]

PROBABILISTIC: tuple[TaskName, ...] = ("multiclass", "distributions")
LABELLED: tuple[TaskName, ...] = ("binary", "multiclass", "multilabel")
ONE_LABEL: tuple[TaskName, ...] = ("binary", "multiclass")


def _option(default: Any, tasks: tuple[TaskName, ...], doc: str, *, shapes_sums: bool = True) -> Any:
    return field(default=default, metadata={"tasks": tasks, "doc": doc, "shapes_sums": shapes_sums})


ALL = tuple(TASKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to score. Every value is checked on construction.

    Raises:
        InvalidInput: A value lies outside the bounds of its field; the pointer names the field.
    """

    unit: Unit = _option("nats", ALL, "Unit of every loss, divergence and entropy.", shapes_sums=False)
    epsilon: Annotated[float, Ge(0), Lt(0.5)] = _option(
        0.0, ALL, "Clips probabilities to [epsilon, 1 - epsilon] before any logarithm; 0 clips nothing."
    )
    normalization: Literal["warn", "error", "renormalize"] = _option(
        "warn", PROBABILISTIC, "What to do with a row that does not sum to 1: score as sent, refuse, or divide."
    )
    tolerance: NonNegative = _option(1e-6, PROBABILISTIC, "How far a row sum may lie from 1.")
    denominator: Literal["weights", "count"] = _option(
        "weights", ALL, "What a weighted loss is divided by: the sum of the weights or the number of scored rows."
    )
    classes: tuple[str, ...] | None = _option(
        None, ONE_LABEL, "Class names in column order; binary: [negative, positive]."
    )
    class_weight: tuple[NonNegative, ...] | None = _option(None, ("multiclass",), "One weight a class, (k,).")
    pos_weight: NonNegative | tuple[NonNegative, ...] | None = _option(
        None, ("binary", "multilabel"), "Weight of the positive class; multilabel: one number or one a label."
    )
    label_smoothing: Share = _option(0.0, LABELLED, "Share of each target spread evenly over the classes.")
    focal_gamma: NonNegative | None = _option(None, ONE_LABEL, "Focusing exponent; adds the metric focal_loss.")
    focal_alpha: Share | None = _option(
        None, ONE_LABEL, "Weight of the positive class (binary) or of every class; adds the metric focal_loss."
    )
    ignore_index: int | None = _option(None, ONE_LABEL, "Rows with this label are not scored.")
    threshold: Share = _option(0.5, ("binary", "multilabel"), "Probability from which a label is predicted.")
    top_k: tuple[Annotated[int, Ge(1)], ...] = _option((), ("multiclass",), "Adds top_{k}_accuracy for each k.")
    n_bins: Annotated[int, Ge(1), Le(10_000)] = _option(15, ONE_LABEL, "Equal-width calibration bins.")
    bin_edges: Literal["left", "right"] = _option("left", ONE_LABEL, "Which edge a calibration bin includes.")
    confidence_level: Annotated[float, Gt(0), Lt(1)] = _option(
        0.95, ALL, "Coverage of every confidence interval.", shapes_sums=False
    )

    def __post_init__(self) -> None:
        hints = option_types()
        errors = [
            FieldError(pointer, "out_of_range", detail)
            for name, hint in hints.items()
            for pointer, detail in _violations(hint, getattr(self, name), f"/{name}")
        ]
        if errors:
            raise InvalidInput(errors)

    def for_task(self, task: TaskName) -> dict[str, object]:
        """The options in force for a task, by name, unset ones left out: the echo in every answer."""
        values = {name: getattr(self, name) for name in option_names(task)}
        return {name: value for name, value in values.items() if value is not None}

    def fingerprint(self, task: TaskName, n_classes: int) -> str:
        """16 hex digits that are equal only for options under which sums mean the same."""
        shaping = {f.name: getattr(self, f.name) for f in fields(self) if f.metadata["shapes_sums"]}
        text = repr((task, n_classes, sorted(shaping.items())))
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def option_names(task: TaskName) -> list[str]:
    """Names of the options a task knows, in the order of the contract."""
    return [f.name for f in fields(Options) if task in f.metadata["tasks"]]


@cache
def option_types() -> dict[str, Any]:
    """The annotated type of every option by name, bounds included."""
    return get_type_hints(Options, include_extras=True)


_BOUNDS = {
    Ge: ("at least", "ge", float.__ge__),
    Gt: ("greater than", "gt", float.__gt__),
    Le: ("at most", "le", float.__le__),
    Lt: ("less than", "lt", float.__lt__),
}


def _violations(hint: Any, value: Any, pointer: str) -> Iterator[tuple[str, str]]:
    if get_origin(hint) is Annotated:
        yield from _bound_violations(hint.__metadata__, float(value), pointer)
    elif get_origin(hint) is Literal:
        if value not in get_args(hint):
            yield pointer, f"must be one of {', '.join(map(str, get_args(hint)))}"
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _violations(_item_type(hint), item, f"{pointer}/{index}")
    elif value is not None and get_args(hint):
        yield from _violations(get_args(hint)[0], value, pointer)


def _item_type(hint: Any) -> Any:
    sequence = next(h for h in (hint, *get_args(hint)) if get_origin(h) is tuple)
    return get_args(sequence)[0]


def _bound_violations(bounds: tuple[Any, ...], value: float, pointer: str) -> Iterator[tuple[str, str]]:
    if not math.isfinite(value):
        yield pointer, f"must be a finite number, found {value}"
        return
    for bound in bounds:
        words, attribute, holds = _BOUNDS[type(bound)]
        limit = getattr(bound, attribute)
        if not holds(value, float(limit)):
            yield pointer, f"must be {words} {limit}, found {value:g}"
