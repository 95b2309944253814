"""null for an option or an optional field is as good as leaving it out."""

from typing import Any

import httpx
import pytest

from app.api.schemas import calibrate, compare, score

pytestmark = pytest.mark.anyio

ROWS = {"labels": [0, 1, 1], "logits": [[0.5, 0.1], [0.2, 0.9], [0.3, 0.4]]}
BODIES: dict[str, dict[str, Any]] = {
    "binary": {"labels": [0, 1, 1], "logits": [0.5, -0.25, 2.0]},
    "multiclass": ROWS,
    "multilabel": {"labels": [[0, 1], [1, 1], [0, 0]], "logits": ROWS["logits"]},
    "distributions": {"targets": [[0.5, 0.5], [1, 0], [0, 1]], "logits": ROWS["logits"]},
    "tokens": {"log_probabilities": [[-1.0, -2.0], [-0.5], []]},
}
MODELS = {
    "score": score.MODELS,
    "compare": compare.MODELS,
    "calibrate": calibrate.MODELS,
}


def body_of(path: str) -> dict[str, Any]:
    body = dict(BODIES[path.rpartition("/")[2]])
    if "compare" in path:
        form = next(name for name in ("logits", "log_probabilities") if name in body)
        values = body.pop(form)
        body |= {"candidates": {"a": {form: values}, "b": {form: values}}, "baseline": "a"}
    return body


UNSET = [
    (path, name)
    for noun, models in MODELS.items()
    for task, model in models.items()
    for path in [f"/v1/{noun}/{task}"]
    for name in model.model_fields
    if name not in body_of(path)
]


@pytest.mark.parametrize(("path", "name"), UNSET)
async def test_null_is_not_set(path: str, name: str, client: httpx.AsyncClient) -> None:
    body = body_of(path)
    plain, with_null = [(await client.post(path, json=fields)).json() for fields in (body, body | {name: None})]
    assert "options" in plain
    assert with_null == plain


@pytest.mark.parametrize("path", ["/v1/score/binary", "/v1/compare/binary", "/v1/calibrate/binary"])
async def test_null_makes_no_unknown_field_known(path: str, client: httpx.AsyncClient) -> None:
    problem = (await client.post(path, json=body_of(path) | {"treshold": None})).json()
    assert [error["pointer"] for error in problem["errors"]] == ["/treshold"]


async def test_null_is_not_set_within_options_and_candidates(client: httpx.AsyncClient) -> None:
    path = "/v1/score/binary"
    plain, with_null = [
        (await client.post(path, json=body_of(path) | {"bootstrap": plan})).json() for plan in ({}, {"seed": None})
    ]
    assert with_null == plain
    body = body_of("/v1/compare/binary")
    body["candidates"]["b"] = body["candidates"]["b"] | {"probabilities": None}
    assert (await client.post("/v1/compare/binary", json=body)).status_code == 200
