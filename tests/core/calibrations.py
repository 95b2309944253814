"""Questions to calibration as plain bodies, and rows to fit."""

from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from app.core.columns import FloatArray
from app.core.fits.temperature import fit_temperature
from app.core.tasks import COLUMN_NAMES, TaskName
from app.errors import InvalidInput
from app.service import CALIBRATED, CALIBRATING_OPTIONS, CalibrateRequest, calibrate, score
from tests.bodies import random_body
from tests.core.parts import Body, batch
from tests.requests import request_of

OWN = ("method", "n_folds", "seed", "include")
T_ERROR = 1e-12  # relative: the promise for a temperature
METHODS = [(task, method) for task in CALIBRATED for method in CALIBRATED[task]]
every_method = pytest.mark.parametrize(("task", "method"), METHODS)


def ask(task: TaskName, body: Body) -> dict[str, Any]:
    own = {name: body[name] for name in OWN if name in body}
    scoring = request_of(task, {name: value for name, value in body.items() if name not in OWN})
    include = frozenset(own.pop("include", ()))
    return calibrate(CalibrateRequest(task, scoring.columns, scoring.options, include=include, **own))


def answer_if_any(task: TaskName, body: Body) -> dict[str, Any] | None:
    """The answer; None where no row counts, or one has nothing but zeros."""
    try:
        return ask(task, body)
    except InvalidInput as refusal:
        if refusal.errors[0].code != "empty" and "positive sum" not in refusal.errors[0].detail:
            raise
        return None


def loss_at(task: TaskName, body: Body, temperature: float) -> float:
    """The loss that scoring finds for the divided logits."""
    divided = {**body, "logits": (np.array(body["logits"]) / temperature).tolist()}
    return float(score(request_of(task, divided))["metrics"]["cross_entropy"]["value"])


def fitted_temperature(task: TaskName, body: Body) -> float:
    whole = batch(task, body)
    return fit_temperature(whole, np.arange(len(whole))).temperature


def fitting_body(task: TaskName, seed: int) -> Body:
    """A random body of scoring without the options that a fit does not know."""
    body = random_body(task, np.random.default_rng(seed))
    return {name: value for name, value in body.items() if name in (*COLUMN_NAMES, *CALIBRATING_OPTIONS)}


def overconfident(n: int, k: int, temperature: float, seed: int = 0) -> tuple[FloatArray, Any]:
    """Logits and labels drawn from softmax(logits / temperature)."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, k)) * 3
    return logits, (logits / temperature + rng.gumbel(size=(n, k))).argmax(axis=1)


def overconfident_body(task: TaskName, n: int) -> Body:
    logits, labels = overconfident(n, 3, 2.0)
    if task == "multiclass":
        return {"labels": labels.tolist(), "logits": logits.tolist()}
    return {"labels": (labels == 0).astype(int).tolist(), "logits": logits[:, 0].tolist()}


def binary_body(n: int, seed: int, decimals: int = 8) -> Body:
    rng = np.random.default_rng(seed)
    logits = (rng.normal(size=n) * 3 + 1).round(decimals)
    labels = rng.random(n) < expit(logits / 2.5 - 0.8)
    return {"labels": labels.astype(int).tolist(), "logits": logits.tolist()}
