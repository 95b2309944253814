"""Log loss under BentoML: one worker, no batches, arrays as its own types read them."""

import bentoml
import numpy as np


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class LogLoss:
    @bentoml.api
    async def log_loss(self, labels: np.ndarray, probabilities: np.ndarray) -> float:
        return float(-np.log(probabilities[np.arange(len(labels)), labels.astype(int)]).mean())
