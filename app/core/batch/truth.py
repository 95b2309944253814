"""The truth of a batch: labels, class names, soft targets, and the rows that are scored."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.core.batch.checks import Interval, check_interval, check_row_sums, found, within_bounds
from app.core.batch.findings import Finding
from app.core.columns import BoolArray, Column, IntArray, Ragged, marked_rows
from app.core.options import Options
from app.core.tasks import TaskName
from app.errors import MAX_LISTED_ERRORS, FieldError, InvalidInput, clip

MAX_SUGGESTED = 100
"""The most classes among which an error looks for one that is like a label of none."""
MAX_SHOWN = 10
"""The most classes that an error lists."""
ONE_BASED = "these look 1-based"
MAX_LOOKED_AT = 1_000
"""The most labels in which an error looks for names."""
TWO_COLUMNS = {
    "probabilities": "; send one probability a row, of the positive class, or use multiclass",
    "logits": "; send one logit a row, the second less the first (of margins that are [1 - m, m], m alone), or use "
    "multiclass",
}
"""The hint, by field, for a binary prediction that has a column for each class."""


def shaped(field: str, values: Column, n_dimensions: int, scored: BoolArray | None = None) -> NDArray[Any]:
    """The `values`, checked to have as many dimensions as the field must have.

    Args:
        scored: (n,) or (n, l), False where nothing is scored: such a row may have any length.

    Raises:
        InvalidInput: Rows of uneven length, rows where numbers belong, or numbers where rows belong.
    """
    if isinstance(values, Ragged):
        if n_dimensions == 1:
            raise InvalidInput.at(f"/{field}/0", "wrong_shape", "must be a single value, found a list")
        return _even(field, values, rowwise(scored))
    if values.ndim != n_dimensions:
        wanted = "single values" if n_dimensions == 1 else "lists of equal length, one a row"
        given = "single values" if values.ndim == 1 else "lists"
        hint = _columns_hint(field, values) if n_dimensions == 1 else ""
        if values.ndim == 1 and field in TWO_COLUMNS:
            hint = "; one number a row goes to the task binary"
        raise InvalidInput.at(f"/{field}", "wrong_shape", f"must hold {wanted}, found {given}{hint}")
    return values


def _columns_hint(field: str, values: NDArray[Any]) -> str:
    """The hint for values (n, k) where (n,) belong; empty if no advice is known."""
    if values.shape[1:] == (1,):
        return "; each list has one value: send the values without lists around them"
    if field == "labels":
        return "; one-hot rows go to `targets`, of multiclass or distributions; several labels a row to multilabel"
    return TWO_COLUMNS.get(field, "") if values.shape[1:] == (2,) else ""


def rowwise(scored: Column | None) -> BoolArray | None:
    """The rows that are scored, at least in part, (n,); None for all."""
    return None if scored is None else marked_rows(scored)


def _even(field: str, values: Ragged, scored: BoolArray | None) -> NDArray[Any]:
    """The rows as an array, as long as most scored rows are; an unscored row of another length becomes empty values."""
    lengths = np.diff(values.offsets)
    width = _usual(lengths if scored is None or not scored.any() else lengths[scored])
    if not width:
        raise InvalidInput.at(f"/{field}", "wrong_shape", "must hold rows of at least one value, found empty rows")
    odd = lengths != width
    wrong = np.flatnonzero(odd if scored is None else odd & scored)
    if len(wrong):
        rule = f"must have {width} values like the other rows"
        errors = [
            FieldError(f"/{field}/{row}", "wrong_shape", f"{rule}, found {lengths[row]}")
            for row in wrong[:MAX_LISTED_ERRORS].tolist()
        ]
        raise InvalidInput(errors, len(wrong))
    even = np.zeros((len(values), width), values.values.dtype)
    even[~odd] = values.values[np.repeat(~odd, lengths)].reshape(-1, width)
    return even


def _usual(lengths: IntArray) -> int:
    """The length that most rows have; among equals the one that comes first."""
    _, first, counts = np.unique(lengths, return_index=True, return_counts=True)
    return int(lengths[first[counts == counts.max()].min()])


def mask_of(columns: Mapping[str, Column], shape: tuple[int, ...], task: TaskName) -> BoolArray | None:
    """The mask, (n,) or for multilabel also (n, l); None where none was sent or it is true throughout."""
    if "mask" not in columns:
        return None
    elementwise = task == "multilabel" and getattr(columns["mask"], "ndim", 2) == 2
    mask = shaped("mask", columns["mask"], 2 if elementwise else 1)
    if mask.shape != shape[: mask.ndim]:
        raise InvalidInput.at("/mask", "wrong_shape", f"must have shape {list(shape)}, found {list(mask.shape)}")
    return None if mask.all() else mask


def labels_of(
    values: Column, scored: BoolArray | None, shape: tuple[int, ...], n_classes: int, options: Options
) -> tuple[IntArray, BoolArray | None]:
    """The labels as class indices, and the mask without the rows of `ignore_index`, whose labels become 0.

    Raises:
        InvalidInput: A scored label is no class, a name is unknown, or names lack `classes`.
    """
    sent = shaped("labels", values, len(shape), scored)
    if sent.shape != shape:
        raise InvalidInput.at("/labels", "wrong_shape", f"must have shape {list(shape)}, found {list(sent.shape)}")
    scored = _without_ignored(sent, scored, options.ignore_index)
    labels = _indices(sent, scored, options)
    top = 1 if len(shape) == 2 else n_classes - 1
    rule = "must be 0 or 1" if top == 1 else f"must be a class index in [0, {top}]"
    try:
        check_interval("labels", labels, scored, (0, top), rule)
    except InvalidInput:  # the hint reads all labels again, which sound labels need not pay for
        check_interval("labels", labels, scored, (0, top), rule + _label_hint(labels, scored, top))
    return (labels if scored is None else np.where(_full(scored, labels), labels, 0)), scored


def _label_hint(labels: IntArray, scored: BoolArray | None, top: int) -> str:
    """The hint for wrong labels that a shift or a map would make 0-based; empty for others."""
    chosen = labels if scored is None else labels[scored]
    if chosen.min() >= 1 and chosen.max() == top + 1:
        return f"; labels are 0-based, and {ONE_BASED}: send them less 1, as 0 to {top}"
    if top == 1 and np.isin(chosen, (-1, 1)).all():
        return "; send 0 in place of -1"
    return ""


def refuse_booleans(labels: Column) -> None:
    """Refuse booleans as labels of more than two classes, since a boolean names none of them."""
    if isinstance(labels, np.ndarray) and labels.dtype.kind == "b":
        raise InvalidInput.at("/labels", "wrong_type", "must be class indices or names, found booleans")


def _full(scored: BoolArray, values: NDArray[Any]) -> BoolArray:
    return scored if scored.ndim == values.ndim else scored[:, None]


def _without_ignored(labels: IntArray, scored: BoolArray | None, ignore_index: int | None) -> BoolArray | None:
    if ignore_index is None or not (labels == ignore_index).any():
        return scored
    kept: BoolArray = labels != ignore_index
    return kept if scored is None else kept & scored


def _indices(labels: NDArray[Any], scored: BoolArray | None, options: Options) -> IntArray:
    kind, classes = labels.dtype.kind, options.classes
    if classes is None and kind != "O":
        return labels.astype(np.int64, copy=False)
    if classes is None:
        raise lacking_classes((labels if scored is None else labels[scored]).tolist())
    are_integers = bool(classes) and isinstance(classes[0], int)
    if kind != ("i" if are_integers else "O"):
        words = {"O": "names", "b": "booleans, which are no names"}.get(kind, "numbers")
        rule = "must be integers like `classes`" if are_integers else "must be names when `classes` is given"
        row = 0 if scored is None else int(scored.argmax())
        raise InvalidInput.at(f"/labels/{row}", "wrong_type", f"{rule}, found {words}")
    return _places(labels, scored, classes)


def lacking_classes(names: Sequence[str]) -> InvalidInput:
    """The error of labels that are names where the class names are not given."""
    found = clip(",".join(sorted(set(names[:MAX_LOOKED_AT]))))
    rule = f"must give the class names in column order when labels are names, such as {found}"
    return InvalidInput.at("/classes", "missing", rule)


def _places(values: NDArray[Any], scored: BoolArray | None, classes: tuple[str | int, ...]) -> IntArray:
    """The places in `classes` of labels (n,) that are some of them, 0 for rows that are not scored."""
    hint = cache(partial(_class_hint, classes))
    index = {value: place for place, value in enumerate(classes)}
    sent = values.tolist()
    labels = np.array([index.get(value, -1) for value in sent], dtype=np.int64)
    unknown = labels < 0 if scored is None else (labels < 0) & scored
    if unknown.any():
        raise InvalidInput(
            (
                FieldError(
                    f"/labels/{row}", "out_of_range", found("must be one of `classes`", sent[row]) + hint(sent[row])
                )
                for row in np.flatnonzero(unknown).tolist()
            ),
            int(unknown.sum()),
        )
    return np.where(labels < 0, 0, labels)


def _class_hint(classes: tuple[str | int, ...], label: str | int) -> str:
    """The class that a label of none probably means, or the first classes, to end an error with."""
    folded = {str(name).strip().casefold(): name for name in classes[:MAX_SUGGESTED]}
    close = get_close_matches(str(label)[:40].strip().casefold(), folded, n=1, cutoff=0.75)
    if close:
        return f'; did you mean "{clip(str(folded[close[0]]))}"?'
    return f"; they are {clip(', '.join(map(str, classes[:MAX_SHOWN])))}"


def targets_of(
    task: TaskName, values: Column, scored: BoolArray | None, shape: tuple[int, ...], options: Options
) -> tuple[NDArray[Any], Finding]:
    """The soft targets in the shape of the prediction, and the rows in which rounding had moved one out of [0, 1].

    Raises:
        InvalidInput: A scored target is negative or above 1, or a row that must sum to 1 does not.
    """
    targets = shaped("targets", values, len(shape), scored)
    if targets.shape != shape:
        raise InvalidInput.at("/targets", "wrong_shape", f"must have shape {list(shape)}, found {list(targets.shape)}")
    sums = task in ("multiclass", "distributions")
    rule = "must be at least 0 and sum to 1 over the row" if sums else "must lie in [0, 1]"
    targets, rounded = within_bounds("targets", targets, scored, Interval(0.0, 1.0, options.tolerance, rule))
    if sums:
        check_row_sums("targets", targets, scored, options.tolerance)
    return targets, rounded
