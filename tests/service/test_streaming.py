"""Rows in parts: the answer is that of all rows at once, to the last bit."""

import io
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from app.core.columns import Ragged
from app.core.tasks import TASKS, TaskName
from app.errors import InvalidInput, TooLarge
from app.service import INCLUDES, ScoreRequest, row_parts, score, score_parts
from app.wire.arrow import stream as arrow
from app.wire.limits import Limits
from tests.bodies import random_body
from tests.requests import asking, mergeable_on_request, request_of, scoring
from tests.wire.mapped import own

HELD = 1 << 20
every_task = pytest.mark.parametrize("task", TASKS)


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts of a few rows stay parts."""
    monkeypatch.setattr(row_parts, "MIN_PART_BYTES", 0)
    monkeypatch.setattr(row_parts, "MIN_SLICED_BYTES", 0)


def n_rows(request: ScoreRequest) -> int:
    return len(next(iter(request.columns.values())))


def cut(request: ScoreRequest, places: list[int]) -> Iterator[ScoreRequest]:
    """The request in parts that end at the places given and at the end."""
    for start, stop in zip([0, *places], [*places, n_rows(request)], strict=True):
        if stop > start:
            rows = slice(start, stop)
            columns, slices = (
                {name: c.take(rows) if isinstance(c, Ragged) else c[rows] for name, c in held.items()}
                for held in (request.columns, request.slices)
            )
            yield request._replace(columns=columns, slices=slices)


def asked(task: TaskName, seed: int, *, gradient: bool = False) -> ScoreRequest:
    """A question for all sections of a task, on random rows in two slices."""
    rng = np.random.default_rng(seed)
    body = random_body(task, rng)
    n = n_rows(request_of(task, body))
    slices = {"parity": [int(v) for v in rng.integers(0, 3, n)], "name": [str(v) for v in rng.choice(["a", "b"], n)]}
    include = set(INCLUDES[task]) - (set() if gradient else {"gradient"})
    return request_of(task, body | {"slices": slices, "include": sorted(include), "n_worst": 3})


def plain(value: Any) -> Any:
    match value:
        case np.ndarray():
            return plain(value.tolist())
        case dict():
            return {name: plain(item) for name, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case float():
            return value.hex() if value == value else "nan"  # noqa: PLR0124
        case _:
            return value


@every_task
@pytest.mark.parametrize("seed", range(25))
def test_parts_give_the_answer_of_all_rows_at_once(task: TaskName, seed: int) -> None:
    request = asked(task, seed)
    places = sorted(np.random.default_rng(seed).integers(0, n_rows(request) + 1, 3).tolist())
    whole = plain(score(request))
    assert plain(score_parts(cut(request, places), HELD)) == whole


@every_task
@pytest.mark.parametrize("seed", range(10))
def test_what_needs_all_rows_gets_them(task: TaskName, seed: int) -> None:
    request = asked(task, seed)
    clusters = np.random.default_rng(seed).integers(0, 4, n_rows(request))
    columns = {**request.columns, "cluster_id": clusters}
    request = scoring(task, columns, request.options, request.include, request.slices)
    assert plain(score_parts(cut(request, [n_rows(request) // 2]), HELD)) == plain(score(request))


def rows(n: int, **more: Any) -> ScoreRequest:
    rng = np.random.default_rng(n)
    return request_of(
        "multiclass",
        {"labels": rng.integers(0, 3, n).tolist(), "probabilities": rng.dirichlet(np.ones(3), n).tolist()} | more,
    )


@pytest.mark.parametrize("more", [{"include": ["gradient"]}, {"n_bins": 7}])
def test_a_gradient_and_a_metric_on_request_of_parts(more: dict[str, Any]) -> None:
    request = rows(50, **more)
    if "include" not in more:
        request = asking(request, metrics=("smooth_calibration_error", "classwise_calibration_error"))
    assert plain(score_parts(cut(request, [10, 30]), HELD)) == plain(score(request))


def test_metrics_on_request_that_add_hold_no_rows() -> None:
    request = asking(rows(50), metrics=mergeable_on_request("multiclass"))
    assert plain(score_parts(cut(request, [10, 30]), 0)) == plain(score(request))
    with pytest.raises(TooLarge, match="metrics that do not merge need all rows at once"):
        score_parts(cut(asking(request, metrics=("roc_auc",)), [10, 30]), 0)


def test_small_parts_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_parts, "MIN_PART_BYTES", 700)
    monkeypatch.setattr(row_parts, "PART_BYTES", 0)
    request = rows(100)
    assert [len(part.columns["labels"]) for part in row_parts.gathered(cut(request, [1, 5, 30, 31, 99]))[1]] == [
        30,
        69,
        1,
    ]
    assert plain(score_parts(cut(request, [1, 5, 30, 31, 99]), HELD)) == plain(score(request))


def test_parts_with_slices_are_joined_to_larger_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_parts, "MIN_SLICED_BYTES", 1_600)
    monkeypatch.setattr(row_parts, "PART_BYTES", 0)
    request = rows(100)._replace(slices={"half": np.arange(100) // 50})
    sizes = [len(part.columns["labels"]) for part in row_parts.gathered(cut(request, [1, 5, 30, 31, 60, 99]))[1]]
    assert sizes == [60, 40]
    assert plain(score_parts(cut(request, [1, 5, 30, 31, 60, 99]), HELD)) == plain(score(request))


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"labels": [0, 1, 9]}, "/labels/6"),
        ({"sample_weight": [1.0, -1.0, 1.0]}, "/sample_weight/5"),
        ({"probabilities": [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.5, 1.5, 0.0]]}, "/probabilities/6/1"),
    ],
)
def test_errors_count_rows_from_the_first_part(body: dict[str, Any], pointer: str) -> None:
    sound = rows(3, sample_weight=[1.0, 1.0, 1.0])
    other = rows(3, sample_weight=[1.0, 1.0, 1.0])
    columns = {**other.columns, **{name: np.array(values) for name, values in body.items()}}
    parts = [sound, rows(1, sample_weight=[1.0]), other._replace(columns=columns)]
    with pytest.raises(InvalidInput) as refused:
        score_parts(parts, HELD)
    assert [error.pointer for error in refused.value.errors] == [pointer]


def test_errors_of_options_are_not_moved() -> None:
    request = rows(4, top_k=[9])
    with pytest.raises(InvalidInput) as refused:
        score_parts(cut(request, [2]), HELD)
    assert refused.value.errors[0].pointer == "/top_k/0"


def test_findings_name_rows_of_the_whole_body() -> None:
    request = rows(30)
    values = request.columns["probabilities"].copy()  # type: ignore[union-attr]
    values[[12, 25]] *= 0.9
    request = request._replace(columns={**request.columns, "probabilities": values})
    answer = score_parts(cut(request, [7, 14, 21]), HELD)
    assert {"code": "not_normalized", "count": 2, "rows": [12, 25]}.items() <= answer["warnings"][0].items()


@pytest.mark.parametrize(
    ("second", "pointer"),
    [
        (rows(2, sample_weight=[1.0, 2.0]), "/sample_weight"),
        (rows(2)._replace(columns={**rows(2).columns, "labels": np.array(["a", "b"], object)}), "/labels/3"),
        (rows(2)._replace(slices={"s": np.array([1, 2])}), "/slices/s"),
        (rows(2)._replace(columns={"labels": np.array([0, 1]), "probabilities": np.eye(4)[:2]}), "/probabilities/3"),
    ],
)
def test_parts_are_alike(second: ScoreRequest, pointer: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        score_parts([rows(3), second], HELD)
    assert refused.value.errors[0].pointer == pointer


def test_no_part_is_no_batch() -> None:
    with pytest.raises(InvalidInput, match="at least one sample"):
        score_parts([], HELD)


@pytest.mark.parametrize("more", [{"include": ["per_sample"]}, {"include": ["gradient"]}])
def test_what_is_held_of_rows_is_bounded(more: dict[str, Any]) -> None:
    request = rows(100, **more)
    assert score_parts(cut(request, [50]), 100 * 40)["n_samples"] == 100
    with pytest.raises(TooLarge):
        score_parts(cut(request, [50]), 100 * 8 - 1)


def test_different_values_of_slices_are_bounded() -> None:
    parts = [rows(600)._replace(slices={"id": np.arange(600) + start}) for start in (0, 600)]
    with pytest.raises(InvalidInput, match="at most 1000 different values"):
        score_parts(parts, HELD)


def test_no_part_is_taken_after_a_bad_one() -> None:
    taken = 0

    def many() -> Iterator[ScoreRequest]:
        nonlocal taken
        while True:
            taken += 1
            yield rows(10) if taken < 20 else rows(10)._replace(columns={**rows(10).columns, "labels": np.full(10, 7)})

    with pytest.raises(InvalidInput):
        score_parts(many(), HELD)
    assert taken == 20


@pytest.mark.parametrize("include", [[], ["gradient"]])
def test_record_batches_go_once_they_are_scored(include: list[str]) -> None:
    """Parts are views of their batch: neither the first part, nor rows that are kept, hold batches, of which most is
    an index that nobody asked for."""
    n = 1_000
    columns = {"labels": np.zeros(n, np.int64), "probabilities": np.full((n, 2), 0.5)}
    index = pa.array([f"{row:012000}" for row in range(n)])
    batch = pa.record_batch(
        {"labels": columns["labels"], "probabilities": list(columns["probabilities"]), "__index_level_0__": index}
    )
    with io.BytesIO() as file, pa.ipc.new_stream(file, batch.schema) as writer:
        for _ in range(5):
            writer.write_batch(batch)
        writer.close()
        body = io.BytesIO(file.getvalue())
    request = request_of(
        "multiclass", {name: column.tolist() for name, column in columns.items()} | {"include": include}
    )
    limits = Limits(max_decoded_bytes=1 << 30, max_ratio=1000, max_part_bytes=1 << 25, max_columns=40)
    parts = arrow.parts(body, limits, own("multiclass"))
    tracemalloc.start()
    answer = score_parts(map(request.with_columns, parts), HELD)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert answer["n_scored"] == 5 * n
    assert batch.nbytes < peak < 2.5 * batch.nbytes
