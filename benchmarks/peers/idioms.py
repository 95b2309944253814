"""What is written first: FastAPI, lists of lists of numbers, and scikit-learn or NumPy.

The functions are `async`: handing them to FastAPI's threads would cost a small request more than it gains.
"""

import numpy as np
from fastapi import FastAPI
from pydantic import BaseModel
from sklearn.metrics import log_loss

app = FastAPI()


class Predictions(BaseModel):
    labels: list[int]
    probabilities: list[list[float]]


class Loss(BaseModel):
    loss: float


@app.post("/sklearn")
async def by_sklearn(body: Predictions) -> Loss:
    return Loss(loss=log_loss(body.labels, body.probabilities, labels=range(len(body.probabilities[0]))))


@app.post("/numpy")
async def by_numpy(body: Predictions) -> Loss:
    labels, probabilities = np.array(body.labels), np.array(body.probabilities)
    return Loss(loss=-np.log(probabilities[np.arange(len(labels)), labels]).mean())
