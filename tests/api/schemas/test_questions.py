"""Questions are checked once: bodies that differ in their numbers alone share one, and no others do."""

import gc
import tracemalloc
from collections.abc import Iterator
from random import Random
from typing import Any

import numpy as np
import orjson
import pytest

from app.api.contract.openapi import ENDPOINTS
from app.api.schemas import questions
from app.api.schemas.calibrate import calibrate_request
from app.api.schemas.compare import compare_request
from app.api.schemas.query import SCORED_ROWS
from app.api.schemas.questions import MAX_KEPT, MAX_KEPT_BYTES, Schema, asked, asked_of_rows
from app.api.schemas.score import score_request
from app.core.columns import Ragged
from app.core.tasks import TASKS, TaskName
from app.errors import InvalidInput, SurprisalError, TooLarge
from app.service import CalibrateRequest, ScoreRequest, score
from app.wire.json import reader as json
from tests.bodies import random_body

MAX_COLUMNS = 1_000
SCHEMAS: dict[str, Schema[Any]] = {"score": score_request, "compare": compare_request, "calibrate": calibrate_request}
ROWS: dict[str, Any] = {"labels": [1, 0], "probabilities": [0.5, 0.25]}


@pytest.fixture(autouse=True)
def _nothing_kept() -> Iterator[None]:
    questions._asked_with.cache_clear()
    yield
    questions._asked_with.cache_clear()


def scoring_of(body: dict[str, Any] | bytes, task: TaskName = "binary") -> ScoreRequest:
    return asked(score_request, task, body if isinstance(body, bytes) else orjson.dumps(body), MAX_COLUMNS)


def values(request: ScoreRequest, name: str) -> list[Any]:
    column = request.columns[name]
    assert isinstance(column, np.ndarray)
    found: list[Any] = column.tolist()
    return found


def content(value: Any) -> Any:
    """The content that two equal requests have in common, whichever objects they are made of."""
    match value:
        case np.ndarray():
            return value.dtype.str, value.shape, value.tolist() if value.dtype == object else value.tobytes()
        case Ragged():
            return content(value.values), content(value.offsets)
        case dict():
            return {name: content(entry) for name, entry in value.items()}
        case tuple() | list():
            return [content(entry) for entry in value]
        case _ if hasattr(value, "__dataclass_fields__"):
            return [type(value), *(content(getattr(value, name)) for name in value.__dataclass_fields__)]
        case _:
            return value


def outcome(schema: Schema[Any], task: TaskName, body: bytes, *, exactly: bool) -> Any:
    try:
        if exactly:
            return content(schema(task, json.fields_of(body, None, task)))
        return content(asked(schema, task, body, MAX_COLUMNS))
    except SurprisalError as error:
        return type(error), str(error), getattr(error, "errors", None)


def test_bodies_that_differ_in_their_numbers_share_a_question() -> None:
    one = scoring_of(b'{"labels": [1, 0], "probabilities": [0.5, 0.25], "unit": "bits"}')
    other = scoring_of(b'{"labels": [true, false, true], "probabilities": [[0.5], [0.25], [1]], "unit": "bits"}')
    assert one.question is other.question
    assert [values(request, "labels") for request in (one, other)] == [[1, 0], [True, False, True]]


@pytest.mark.parametrize(
    "other",
    [
        ROWS | {"unit": "nats"},
        ROWS | {"mask": [True, True]},
        ROWS | {"slices": {"a": [1, 2]}},
        {"probabilities": [0.5, 0.25], "targets": [1, 0]},
        {"logits": [0.5, 0.25], "labels": [1, 0]},
    ],
)
def test_bodies_that_ask_for_something_else_do_not(other: dict[str, Any]) -> None:
    first, second = scoring_of(ROWS).question, scoring_of(other).question
    assert first is not second
    assert scoring_of(other).question is second


def test_tasks_and_nouns_do_not_share_questions() -> None:
    body = orjson.dumps({"labels": [1, 0], "logits": [[0.5, 0.25], [1, 2]]})
    assert isinstance(asked(score_request, "multiclass", body, MAX_COLUMNS), ScoreRequest)
    assert isinstance(asked(calibrate_request, "multiclass", body, MAX_COLUMNS), CalibrateRequest)
    multilabel = {"labels": [[1, 0]], "logits": [[0.5, 0.25]]}
    assert scoring_of(multilabel, "multilabel").task == "multilabel"
    assert scoring_of(multilabel, "multiclass").task == "multiclass"


@pytest.mark.parametrize(
    "body",
    [
        b'{"labels": [], "probabilities": [], "labels": []}',
        b'{"labels": [], "labels": [1], "probabilities": [0.5]}',
        b'{"labels": [1], "probabilities": [0.5], "labels": [0]}',
        b'{"labels": [1], "probabilities": [0.5], "l\\u0061bels": [0]}',
        b'{"labels": [1], "probabilities": [0.5], "slices": {"a": [1], "a": [1]}}',
    ],
)
def test_a_name_that_comes_again_is_refused_though_its_like_was_kept(body: bytes) -> None:
    """A list that was read leaves an empty one in the text, so a name that comes again must not."""
    scoring_of(b'{"labels": [1], "probabilities": [0.5]}')
    for _ in range(2):
        with pytest.raises(InvalidInput, match="must be named once"):
            scoring_of(body)


def test_columns_that_are_not_numbers_are_not_kept() -> None:
    """The text holds such columns, where another body may hold an empty list that was read."""
    scoring_of(b'{"labels": [1], "probabilities": [0.5]}')
    with pytest.raises(InvalidInput, match="/labels"):
        scoring_of(b'{"labels": ["x", 1], "probabilities": [0.5]}')
    found = scoring_of(b'{"labels": [], "probabilities": [0.5]}')
    assert values(found, "labels") == []
    odd = {"labels": [1, None], "probabilities": [0.5, 0.5], "mask": [True, False]}
    assert values(scoring_of(odd), "labels") == [1, 1]
    assert questions._asked_with.cache_info().currsize == 1


def test_errors_are_not_kept() -> None:
    for _ in range(2):
        with pytest.raises(InvalidInput, match="/unit: must be"):
            scoring_of(ROWS | {"unit": "meters"})
    assert questions._asked_with.cache_info().currsize == 0


def test_a_table_that_is_too_wide_is_refused_though_its_like_was_kept() -> None:
    scoring_of({"labels": [1], "logits": [[0.5, 1]]}, "multiclass")
    with pytest.raises(TooLarge, match="logits must have at most 1000 columns, found 1001"):
        scoring_of({"labels": [1], "logits": [[0.5] * 1001]}, "multiclass")


def test_what_is_kept_is_bounded() -> None:
    for i in range(MAX_KEPT + 10):
        scoring_of(ROWS | {"threshold": i / 1000})
    assert questions._asked_with.cache_info().currsize == MAX_KEPT
    questions._asked_with.cache_clear()
    long = {"labels": [1, 0], "logits": [[0, 1], [1, 0]], "classes": ["a" * MAX_KEPT_BYTES, "b"]}
    assert scoring_of(long, "multiclass").question is not scoring_of(long, "multiclass").question
    assert questions._asked_with.cache_info().currsize == 0


@pytest.mark.parametrize("names", [[f"{'x' * 60}{i}" for i in range(1_001)], ["x" * 60_060, "y"]], ids=len)
def test_memory_of_long_names_is_not_kept(names: list[str]) -> None:
    """Each list of names was held by a plan and more, hundreds of them: 40 requests of 60,000 names held 300 MB."""
    k = len(names)
    columns = {"logits": [[0.5] * k]}

    def score_names(first: str) -> None:
        named = [first + name for name in names]
        body = orjson.dumps(columns | {"labels": named[:1], "classes": named})
        score(asked(score_request, "multiclass", body, 2_000))

    score_names("warm ")
    tracemalloc.start()
    try:
        for number in range(20):
            score_names(f"{'x' * 6_000 * (k == 2)}{number} ")
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < 10 * sum(map(len, names))
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("noun", SCHEMAS)
def test_examples_are_asked_alike_at_first_and_again(noun: str) -> None:
    for task, examples in ENDPOINTS[noun].examples.items():
        for example in examples.values():
            body = orjson.dumps(example.body)
            expected = outcome(SCHEMAS[noun], task, body, exactly=True)
            assert [outcome(SCHEMAS[noun], task, body, exactly=False) for _ in range(2)] == [expected] * 2


@pytest.mark.parametrize("task", TASKS)
def test_random_bodies_are_asked_alike_at_first_and_again(task: TaskName) -> None:
    """Some bodies have a field of another one, whose name may come again."""
    random, rng = Random(5), np.random.default_rng(5)
    for _ in range(300):
        body, other = (orjson.loads(orjson.dumps(random_body(task, rng))) for _ in range(2))
        fields = [*body.items(), *random.sample(list(other.items()), random.randrange(2))]
        text = b"{%b}" % b",".join(b"%b:%b" % (orjson.dumps(name), orjson.dumps(value)) for name, value in fields)
        expected = outcome(score_request, task, text, exactly=True)
        assert [outcome(score_request, task, text, exactly=False) for _ in range(2)] == [expected] * 2


def test_rows_of_other_formats_share_a_question_by_their_query_and_names() -> None:
    columns = {"labels": np.array([1, 0]), "probabilities": np.array([0.5, 0.25])}
    one = asked_of_rows(SCORED_ROWS, "binary", b"unit=bits", columns)
    assert one.options.unit == "bits"
    assert (
        asked_of_rows(SCORED_ROWS, "binary", b"unit=bits", columns | {"labels": np.array([0, 1])}).question
        is one.question
    )
    assert asked_of_rows(SCORED_ROWS, "binary", b"unit=nats", columns).question is not one.question
    sliced = asked_of_rows(SCORED_ROWS, "binary", b"unit=bits", columns | {"slices": {"a": np.array([1, 2])}})
    assert sliced.question is not one.question
    assert content(sliced.slices["a"]) == content(np.array([1, 2]))
    for _ in range(2):
        with pytest.raises(InvalidInput, match="must hold exactly one of"):
            asked_of_rows(SCORED_ROWS, "binary", b"", columns | {"targets": np.array([0.5, 0.5])})
