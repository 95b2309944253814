"""The service that most people would write first: FastAPI, lists of numbers, and scikit-learn or NumPy.

The functions are `async`: handing them to FastAPI's threads would cost a small request more than it gains.
"""

import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel
from sklearn.metrics import log_loss

app = FastAPI()


class Multiclass(BaseModel):
    labels: list[int]
    probabilities: list[list[float]]


class Binary(BaseModel):
    labels: list[int]
    probabilities: list[float]


class Multilabel(BaseModel):
    labels: list[list[int]]
    probabilities: list[list[float]]


class Tokens(BaseModel):
    log_probabilities: list[list[float]]


class Loss(BaseModel):
    loss: float


@app.post("/sklearn")
async def by_sklearn(body: Multiclass) -> Loss:
    return Loss(loss=log_loss(body.labels, body.probabilities, labels=range(len(body.probabilities[0]))))


@app.post("/numpy/multiclass")
async def multiclass(body: Multiclass) -> Loss:
    labels, probabilities = np.array(body.labels), np.array(body.probabilities)
    return Loss(loss=-np.log(probabilities[np.arange(len(labels)), labels]).mean())


@app.post("/numpy/binary")
async def binary(body: Binary) -> Loss:
    return _of_elements(body)


@app.post("/numpy/multilabel")
async def multilabel(body: Multilabel) -> Loss:
    return _of_elements(body)


def _of_elements(body: Binary | Multilabel) -> Loss:
    labels, probabilities = np.array(body.labels), np.array(body.probabilities)
    return Loss(loss=-np.log(np.where(labels == 1, probabilities, 1 - probabilities)).mean())


@app.post("/numpy/tokens")
async def tokens(body: Tokens) -> Loss:
    documents = map(np.array, body.log_probabilities)  # of any length
    return Loss(loss=-np.concatenate(list(documents)).mean())
