"""Scores that pass the checks of a batch, with much in them that is special."""

import numpy as np

from app.core.columns import FloatArray
from app.core.kernels.quantities import FORMS

SPECIAL = {
    "probabilities": [0.0, -0.0, 1.0, 5e-324, 2.0**-1022, 1.0 - 2.0**-53],
    "logits": [0.0, -0.0, -np.inf, 5e-324, -745.2, 709.8, 1e300, -1e300],
    "log_probabilities": [0.0, -0.0, -np.inf, -5e-324, -745.2, -1e300],
}


def scores(form: str, n: int, k: int, seed: int = 0) -> FloatArray:
    """Rows (n, k), of which about a fifth of the numbers are special; no row of logits is minus infinity throughout."""
    rng = np.random.default_rng([seed, n, k, FORMS.index(form)])
    logits = rng.normal(0.0, rng.choice([0.1, 3.0, 200.0]), (n, k))
    kept = logits[:, -1].copy()
    if form != "logits":
        logits -= np.logaddexp.reduce(logits, axis=1, keepdims=True)
    usual = np.exp(np.minimum(logits, 0.0)) if form == "probabilities" else logits
    usual = np.minimum(usual, 0.0) if form == "log_probabilities" else usual
    found = np.where(rng.random((n, k)) < 0.2, rng.choice(SPECIAL[form], (n, k)), usual)
    if form == "logits":
        found[:, -1] = kept
    return found
