"""Log loss under LitServe: one worker, no batches."""

import sys
from typing import Any

import litserve
import numpy as np


class LogLoss(litserve.LitAPI):
    def setup(self, device: str) -> None:
        """Callback of LitServe: there is no model to load."""

    def decode_request(self, request: dict[str, Any]) -> tuple[Any, Any]:
        return np.array(request["labels"]), np.array(request["probabilities"])

    def predict(self, columns: tuple[Any, Any]) -> float:
        labels, probabilities = columns
        return float(-np.log(probabilities[np.arange(len(labels)), labels]).mean())

    def encode_response(self, loss: float) -> dict[str, float]:
        return {"loss": loss}


if __name__ == "__main__":
    server = litserve.LitServer(LogLoss(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False, access_log=False)
