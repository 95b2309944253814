"""The fields of a request, and the task that their shapes tell."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from surprisal_client.errors import FieldError, InputError

TRUTHS = ("labels", "targets")
PREDICTIONS = ("probabilities", "log_probabilities", "logits")
DETAILS = ("sample_weight", "mask", "cluster_id", "n_bytes", "n_words", "n_tokens", "slices")
FIELDS = (*TRUTHS, *PREDICTIONS, *DETAILS)
"""Values a row; everything else in a request is an option."""
SHAPES = {
    ("labels", 1, 1): "binary",
    ("labels", 1, 2): "multiclass",
    ("labels", 2, 2): "multilabel",
    ("targets", 1, 1): "binary",
}
"""The task by the truth and by the dimensions of truth and prediction."""
OTHER_NAMES = {
    "labels": ("y", "y_true", "label", "target", "outcome", "truth"),
    "probabilities": ("p", "y_prob", "y_proba", "y_pred", "y_score", "proba", "probs", "preds", "predictions"),
    "sample_weight": ("weight", "weights", "sample_weights"),
    "cluster_id": ("cluster", "clusters", "group", "groups"),
}
"""Names that other libraries and people give to fields."""
WORDS = {1: "(n,)", 2: "(n, k)"}
MOST_OPTION_VALUES = 1000
"""An option with more values than that under a name that nobody knows is a column with a typing error."""


def split(given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Split keyword arguments into fields and options, and leave out those that are None.

    >>> split({"labels": [1, 0], "unit": "bits", "mask": None})
    ({'labels': [1, 0]}, {'unit': 'bits'})
    """
    present = {name: value for name, value in given.items() if value is not None}
    fields = {name: value for name, value in present.items() if name in FIELDS}
    options = {name: value for name, value in present.items() if name not in FIELDS}
    for name, value in options.items():
        _check_option(name, value)
    return fields, options


def _check_option(name: str, value: Any) -> None:
    close = [field for field, names in OTHER_NAMES.items() if name in names]
    close += get_close_matches(name, FIELDS, n=1, cutoff=0.75)
    if close and hasattr(value, "__len__"):
        raise wrong(name, "unknown_field", f'must be a field or an option; did you mean "{close[0]}"?')
    is_long = hasattr(value, "__len__") and not isinstance(value, str | Mapping) and len(value) > MOST_OPTION_VALUES
    if is_long and name not in ("classes", "class_weight", "pos_weight"):
        raise wrong(name, "unknown_field", f"must be one of {', '.join(FIELDS)} to hold a value a row")


def wrong(name: str, code: str, detail: str) -> InputError:
    """The error of an argument that is found to be wrong before anything is sent.

    >>> str(wrong("labels", "missing", "must be a column"))
    'labels: must be a column'
    """
    found = FieldError(f"/{name}", code, detail)
    return InputError(str(found), (found,))


def inferred_task(dimensions: Mapping[str, int]) -> tuple[str, str]:
    """The task that the dimensions of the fields tell, and how they tell it.

    Nothing is told from values: soft targets of k numbers a row may be classes, labels or distributions.

    >>> inferred_task({"labels": 1, "probabilities": 2})
    ('multiclass', 'multiclass, as labels are (n,) and probabilities (n, k)')

    Raises:
        InputError: No task or several tasks have such fields.
    """
    truths = [name for name in TRUTHS if name in dimensions]
    predictions = [name for name in PREDICTIONS if name in dimensions]
    if not truths and predictions == ["log_probabilities"]:
        return "tokens", "tokens, as there are log_probabilities and no truth"
    if len(truths) != 1 or len(predictions) != 1:
        rule = f"one of {', '.join(TRUTHS)} and one of {', '.join(PREDICTIONS)}"
        raise InputError(f"a request holds {rule}; found {', '.join([*truths, *predictions]) or 'none of them'}")
    shape = truths[0], dimensions[truths[0]], dimensions[predictions[0]]
    told = f"{truths[0]} are {WORDS[shape[1]]} and {predictions[0]} {WORDS[shape[2]]}"
    if task := SHAPES.get(shape):
        return task, f"{task}, as {told}"
    if shape == ("targets", 2, 2):
        raise InputError(f"{told}: name the task, which may be multiclass, multilabel or distributions")
    hint = "; labels come before probabilities" if shape == ("labels", 2, 1) else ""
    raise InputError(f"{told}: no task has such fields{hint}")
