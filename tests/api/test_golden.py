"""The worked cases of the contract, through the whole application."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.anyio

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "golden" / "cases.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["id"]))
async def test_case(case: dict[str, Any], client: httpx.AsyncClient) -> None:
    response = await client.post(case["path"], json=case["body"])
    answer = response.json()
    assert response.status_code == case["status"], answer
    if response.is_error:
        assert response.headers["content-type"] == "application/problem+json"
        assert {"type", "title", "status", "code", "detail", "request_id"} <= answer.keys()
        return
    for path, expected in case["expect"].items():
        assert at(answer, path) == close_to(expected, case["tolerance"]), path
    codes = {warning["code"] for warning in answer["warnings"]}
    assert set(case["warnings"]) <= codes
    assert codes.isdisjoint(case["absent_warnings"])


def at(node: Any, path: str) -> Any:
    for part in path.split("."):
        node = node[int(part)] if isinstance(node, list) else node[part]
    return node


def close_to(expected: Any, tolerance: float) -> Any:
    """Relative to 1 where the number is smaller than that, as the contract's own check has it."""
    if isinstance(expected, float):
        return pytest.approx(expected, rel=tolerance, abs=tolerance)
    return expected
