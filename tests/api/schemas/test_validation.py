"""Lists with many wrong values are refused like those with few, without an error of pydantic for each."""

from typing import Any

import pytest

from app.api.schemas.score import LONG_LISTS, MODELS, score_request
from app.api.schemas.validation import MANY_ITEMS
from app.core.tasks import TASKS, TaskName
from app.errors import InvalidInput


def refusal(task: TaskName, **options: Any) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        score_request(task, {"labels": (), "logits": (), **options})
    return caught.value


@pytest.mark.parametrize(
    ("task", "name", "right", "wrong"),
    [
        ("multiclass", "class_weight", 1, "a"),
        ("multiclass", "class_weight", 0.5, -1),
        ("multiclass", "class_weight", 0, True),
        ("multilabel", "pos_weight", 1e100, 1e101),
        ("multilabel", "pos_weight", 1, None),
        ("multiclass", "classes", 1, ["a"]),
        ("multiclass", "classes", "", 0.5),
    ],
)
def test_many_wrong_values_are_told_as_few_are(task: TaskName, name: str, right: Any, wrong: Any) -> None:
    few = refusal(task, **{name: [right] * 3 + [wrong]})
    many = refusal(task, **{name: [right] * 1_000 + [wrong] * 300})
    assert [error.pointer for error in few.errors] == [f"/{name}/3"]
    assert [error.pointer for error in many.errors] == [f"/{name}/{at}" for at in range(1_000, 1_020)]
    assert {(error.code, error.detail) for error in many.errors} == {(few.errors[0].code, few.errors[0].detail)}
    assert many.n_errors == 300


@pytest.mark.parametrize("name", ["top_k", "include", "metrics"])
def test_a_list_that_must_be_short_is_refused_by_its_length(name: str) -> None:
    refused = refusal("multiclass", **{name: [""] * 5_000})
    (error,) = refused.errors
    assert (error.pointer, error.code) == (f"/{name}", "out_of_range")
    assert error.detail.startswith("must hold at most ")
    assert refused.n_errors == 1


def test_classes_are_of_one_type() -> None:
    for classes in (["a", 1], [1, "a"]):
        (error,) = refusal("multiclass", classes=classes).errors
        assert (error.pointer, error.code) == ("/classes/1", "wrong_type")
        assert error.detail == "must be all strings or all integers, found both"
    refused = refusal("multiclass", classes=[1.5, "a", True])
    found = [(error.pointer, error.detail) for error in refused.errors]
    assert found == [
        ("/classes/0", "must be a string or an integer, found 1.5"),
        ("/classes/2", "must be a string or an integer, found true"),
    ]


def test_every_long_list_is_known() -> None:
    found = set()
    for task in TASKS:
        for name, schema in MODELS[task].model_json_schema()["properties"].items():
            kinds = schema.get("anyOf", [schema])
            if any(kind.get("maxItems", 0) > MANY_ITEMS for kind in kinds):
                found.add(name)
    assert found == set(LONG_LISTS)
