"""The worked cases of the contract, and inputs that once came out wrong, through the whole application."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.api.problems import MAX_PROBLEM_BYTES, MEDIA_TYPE

pytestmark = pytest.mark.anyio

GOLDEN = Path(__file__).parents[1] / "golden"
CASES: list[dict[str, Any]] = [
    case for name in ("cases.json", "faults.json") for case in json.loads((GOLDEN / name).read_text())
]
PROBLEM = {"type", "title", "status", "code", "detail", "request_id"}
ABSENT = object()


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["id"]))
async def test_case(case: dict[str, Any], client: httpx.AsyncClient) -> None:
    content = case["raw"].encode() if "raw" in case else json.dumps(case["body"]).encode()
    headers = {"content-type": case.get("content_type", "application/json")}
    response = await client.post(case["path"], content=content, headers=headers)
    answer = response.json()
    allowed = case["status"] if isinstance(case["status"], list) else [case["status"]]
    assert response.status_code in allowed, answer
    if response.is_error:
        assert response.headers["content-type"] == MEDIA_TYPE
        assert len(response.content) <= MAX_PROBLEM_BYTES
        assert answer.keys() >= PROBLEM
        for text in case.get("detail_has", ()):
            assert text.lower() in answer["detail"].lower()
    check_values(case, answer)
    codes = {warning["code"] for warning in answer.get("warnings", ())}
    assert set(case.get("warnings", ())) <= codes
    assert codes.isdisjoint(case.get("absent_warnings", ()))


def check_values(case: dict[str, Any], answer: dict[str, Any]) -> None:
    for path, expected in case["expect"].items():
        found = at(answer, path)
        assert found is not ABSENT, path
        assert found == near(expected, case), path
    for path, most in case.get("at_most", {}).items():
        assert len(at(answer, path)) <= most, path
    for path in case.get("absent", ()):
        assert at(answer, path) is ABSENT, path


def at(node: Any, path: str) -> Any:
    """The value at a path of names and positions."""
    for part in path.split("."):
        try:
            node = node[int(part)] if isinstance(node, list) else node[part]
        except (LookupError, TypeError, ValueError):
            return ABSENT
    return node


def near(expected: Any, case: dict[str, Any]) -> Any:
    """Relative to 1 where the number is smaller than that, unless the case says that it is relative throughout."""
    if not isinstance(expected, float):
        return expected
    tolerance = case.get("tolerance", 1e-12)
    return pytest.approx(expected, rel=tolerance, abs=0.0 if case.get("relative") else tolerance)
