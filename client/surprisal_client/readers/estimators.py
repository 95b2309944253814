"""Estimators of scikit-learn, and of all that have `predict_proba` and `classes_`."""

from typing import Any

import numpy as np


def fields_of(model: Any, X: Any, y: Any) -> dict[str, Any]:
    """The fields and the task of scoring an estimator's probabilities on rows.

    Two classes are the task `binary`, more are `multiclass`, several outputs of two classes each `multilabel`. Classes
    that are not 0, 1, 2 ... are sent by their names.
    """
    probabilities = model.predict_proba(X)
    labels = np.asarray(y)
    if isinstance(probabilities, list):
        positive = np.column_stack([output[:, 1] for output in probabilities])
        return {"task": "multilabel", "labels": labels, "probabilities": positive}
    if labels.ndim == 2:
        return {"task": "multilabel", "labels": labels, "probabilities": probabilities}
    classes = np.asarray(model.classes_)
    named = {} if np.array_equal(classes, np.arange(len(classes))) else {"classes": classes.astype(str).tolist()}
    labels = labels.astype(str) if named else labels
    if len(classes) == 2:
        return {"task": "binary", "labels": labels, "probabilities": probabilities[:, 1], **named}
    return {"task": "multiclass", "labels": labels, "probabilities": probabilities, **named}
