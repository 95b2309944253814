"""A program on the models that datamodel-code-generator makes; it prints what it sent and what came back."""

import json
import sys
from pathlib import Path

import httpx
from generated_models import (
    BinaryCandidate,
    BinaryCompareRequest,
    BinaryRequest,
    CompareAnswer,
    ScoreAnswer,
    Unit,
)
from pydantic import BaseModel

address, parquet = sys.argv[1:]
client = httpx.Client(base_url=address)


def written(model: BaseModel) -> object:
    return model.model_dump(mode="json", exclude_unset=True)


def answer(path: str, request: BaseModel) -> bytes:
    return client.post(path, json=written(request)).raise_for_status().content


labels: list[bool | int | str] = [1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 0, 1, 1, 0, 0, 0, 0, 1]
# fmt: off
probabilities = [0.9, 0.7, 0.8, 0.2, 0.7, 0.1, 0.6, 0.1, 0.6, 0.9, 0.2, 0.8, 0.2, 0.7, 0.6, 0.4, 0.2, 0.2, 0.3, 0.9]
# fmt: on
first = BinaryRequest(labels=labels, probabilities=probabilities)
scored = ScoreAnswer.model_validate_json(answer("/v1/score/binary", first))
loss: float | None = scored.metrics["cross_entropy"].value

comparison = BinaryCompareRequest(
    labels=[1, 0, 1, 0],
    candidates={
        "old": BinaryCandidate(probabilities=[0.6, 0.5, 0.7, 0.4]),
        "new": BinaryCandidate(logits=[2.0, -1.0, 0.5, -0.5]),
    },
    baseline="old",
    unit=Unit.bits,
)
compared = CompareAnswer.model_validate_json(answer("/v1/compare/binary", comparison))
verdict: str = compared.comparisons[0].verdict.value

sent = client.post(
    "/v1/score/binary/rows",
    params={"unit": "bits"},
    content=Path(parquet).read_bytes(),
    headers={"Content-Type": "application/vnd.apache.parquet"},
)
rows = ScoreAnswer.model_validate_json(sent.raise_for_status().content)

json.dump(
    {
        "cross_entropy": loss,
        "verdict": verdict,
        "score": [written(first), written(scored)],
        "compare": [written(comparison), written(compared)],
        "rows": written(rows),
    },
    sys.stdout,
)
