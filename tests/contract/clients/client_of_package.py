"""A program on the client that openapi-python-client makes; it prints what it sent and what came back."""

import json
import sys
from pathlib import Path

from generated import Client
from generated.api.compare import compare_binary
from generated.api.rows import score_binary_rows
from generated.api.score import score_binary
from generated.models import (
    BinaryCandidate,
    BinaryCompareRequest,
    BinaryCompareRequestCandidates,
    BinaryRequest,
    CompareAnswer,
    ScoreAnswer,
    Unit,
)
from generated.types import File

address, parquet = sys.argv[1:]
client = Client(base_url=address)

labels: list[bool | int | str] = [1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1, 1, 0, 1, 1, 0, 0, 0, 0, 1]
# fmt: off
probabilities = [0.9, 0.7, 0.8, 0.2, 0.7, 0.1, 0.6, 0.1, 0.6, 0.9, 0.2, 0.8, 0.2, 0.7, 0.6, 0.4, 0.2, 0.2, 0.3, 0.9]
# fmt: on
first = BinaryRequest(labels=labels, probabilities=probabilities)
scored = score_binary.sync(client=client, body=first)
assert isinstance(scored, ScoreAnswer)
loss: float | None = scored.metrics["cross_entropy"].value

candidates = BinaryCompareRequestCandidates()
candidates["old"] = BinaryCandidate(probabilities=[0.6, 0.5, 0.7, 0.4])
candidates["new"] = BinaryCandidate(logits=[2.0, -1.0, 0.5, -0.5])
comparison = BinaryCompareRequest(labels=[1, 0, 1, 0], candidates=candidates, baseline="old", unit=Unit.BITS)
compared = compare_binary.sync(client=client, body=comparison)
assert isinstance(compared, CompareAnswer)
verdict: str = compared.comparisons[0].verdict.value

with Path(parquet).open("rb") as file:
    rows = score_binary_rows.sync(client=client, body=File(payload=file), unit=Unit.BITS)
assert isinstance(rows, ScoreAnswer)

json.dump(
    {
        "cross_entropy": loss,
        "verdict": verdict,
        "score": [first.to_dict(), scored.to_dict()],
        "compare": [comparison.to_dict(), compared.to_dict()],
        "rows": rows.to_dict(),
    },
    sys.stdout,
)
