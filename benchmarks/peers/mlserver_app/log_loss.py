"""Log loss under MLServer: in its own process, no batches, arrays as its codecs read them."""

import numpy as np
from mlserver import MLModel
from mlserver.codecs import decode_args


class LogLoss(MLModel):
    @decode_args
    async def predict(self, labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        return np.array([-np.log(probabilities[np.arange(len(labels)), labels.ravel()]).mean()])
