"""Checks of the options that have an entry for each class: the number of entries, repeated names, tiny weights."""

from functools import lru_cache

from app.core.options import MIN_WEIGHT, Options
from app.core.tasks import TaskName
from app.errors import InvalidInput


def check_class_counts(task: TaskName, options: Options, n_classes: int) -> None:
    """Refuse options that do not go with the number of classes, or of labels.

    Raises:
        InvalidInput: A list does not have one entry for each class, a name comes twice, or a weight is too small.
    """
    is_unset = options.classes is None and options.class_weight is None and options.pos_weight is None
    if options.top_k or not is_unset:
        (_check_long_lists if options.is_long else _check_lists)(task, options, n_classes)


@lru_cache(maxsize=256)
def _check_lists(task: TaskName, options: Options, n_classes: int) -> None:
    pos_weight = options.pos_weight if isinstance(options.pos_weight, tuple) else None
    if task == "binary" and pos_weight is not None:
        raise InvalidInput.at("/pos_weight", "wrong_type", "must be one number, found a list")
    lists = {"classes": options.classes, "class_weight": options.class_weight, "pos_weight": pos_weight}
    for name, values in lists.items():
        if values is not None and len(values) != n_classes:
            rule = f"must have one entry for each of {n_classes} columns, found {len(values)}"
            joined = name == "classes" and len(values) == 1 and "," in str(values[0])
            hint = "; a comma does not part names: send each by itself" if joined else ""
            raise InvalidInput.at(f"/{name}", "wrong_length", rule + hint)
    _check_weight_size("class_weight", options.class_weight or ())
    _check_weight_size("pos_weight", pos_weight or ())
    if isinstance(options.pos_weight, float | int):
        _check_weight_size("pos_weight", (options.pos_weight,))
    _check_once("classes", options.classes or ())
    _check_once("top_k", options.top_k)
    for position, k in enumerate(options.top_k):
        if k > n_classes:
            rule = f"must be at most the number of classes, {n_classes}, found {k}"
            raise InvalidInput.at(f"/top_k/{position}", "out_of_range", rule)


_check_long_lists = lru_cache(maxsize=2)(_check_lists.__wrapped__)


def _check_weight_size(name: str, values: tuple[float, ...]) -> None:
    """Refuse weights so small that their products with losses would underflow."""
    for position, value in enumerate(values):
        if 0.0 < value < MIN_WEIGHT:
            rule = f"must be 0 or at least {MIN_WEIGHT:g}, found {value:g}: too small to be multiplied with losses"
            hint = "; only ratios of class weights matter, so send larger ones" if name == "class_weight" else ""
            pointer = f"/{name}/{position}" if len(values) > 1 else f"/{name}"
            raise InvalidInput.at(pointer, "out_of_range", rule + hint)


def _check_once(name: str, values: tuple[object, ...]) -> None:
    if len(set(values)) == len(values):
        return
    seen: set[object] = set()
    for position, value in enumerate(values):
        if value in seen:
            raise InvalidInput.at(f"/{name}/{position}", "duplicate", "must hold each value once, found one again")
        seen.add(value)
