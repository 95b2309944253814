"""Twice the input costs at most two and a half times as much, whatever the input is made of."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson
import pytest
from starlette.datastructures import QueryParams

from app.api.negotiation.formats import FORMATS
from app.api.routes.compare import compared_parts
from app.api.routes.rows import scored_parts
from app.api.schemas.compare import COMPARED_ROWS
from app.api.schemas.merge import merge_request
from app.api.schemas.query import query_naming
from app.api.schemas.questions import asked
from app.api.schemas.score import score_request
from app.api.scoring import Rows, answered_rows
from app.core.tasks import TaskName
from app.errors import SurprisalError
from app.service import merge, score
from app.settings import DEFAULTS
from app.wire.mapping.naming import own_names
from tests.attacks.clients import GROWTH, growth
from tests.encoded import ENCODERS, encoded

Body = dict[str, Any]


def names(n: int) -> list[str]:
    return [format(i, "x") for i in range(n)]


def row(n: int, **options: Any) -> Body:
    """One row over n classes."""
    return {"labels": [0], "probabilities": [[1, *[0] * (n - 1)]], **options}


def rows(n: int, **columns: Any) -> Body:
    """Rows of two classes."""
    return {"labels": [1] * n, "probabilities": [0.25] * n, **columns}


BODIES: dict[str, tuple[TaskName, int, Callable[[int], Body]]] = {
    "a class named twice": ("multiclass", 20_000, lambda n: row(n, classes=[*names(n - 1), names(n)[n - 2]])),
    "class names": ("multiclass", 20_000, lambda n: row(n, classes=names(n), class_weight=[1] * n)),
    "wrong class weights": ("multiclass", 5_000, lambda n: row(n, class_weight=["a"] * n)),
    "wrong top_k": ("multiclass", 5_000, lambda n: row(2, top_k=["a"] * n)),
    "unknown fields": ("binary", 20_000, lambda n: rows(1) | dict.fromkeys(names(n), 1)),
    "too many slices": ("binary", 20_000, lambda n: rows(n, slices={"a": names(n)})),
    "too many columns of slices": ("binary", 10_000, lambda n: rows(1, slices={key: [1] for key in names(n)})),
    "clusters of names": ("binary", 20_000, lambda n: rows(n, cluster_id=names(n))),
    "clusters of numbers": ("binary", 20_000, lambda n: rows(n, cluster_id=list(range(n)))),
    "masks": ("binary", 20_000, lambda n: rows(n, mask=[True, False] * (n // 2))),
    "nulls": ("binary", 20_000, lambda n: rows(n, sample_weight=[None] * n)),
    "labels that are no classes": ("binary", 20_000, lambda n: rows(n, labels=["a", "b"] * (n // 2))),
    "rows of uneven length": ("multiclass", 20_000, lambda n: rows(n, probabilities=[[1], [0, 1]] * (n // 2))),
    "documents": ("tokens", 20_000, lambda n: {"log_probabilities": [[-1], [-1, -2]] * (n // 2)}),
    "labels a row": ("multilabel", 20_000, lambda n: {"labels": [[0] * n], "probabilities": [[0.5] * n]}),
    "soft labels": ("distributions", 20_000, lambda n: {"targets": [[0.5, 0.5]] * n, "probabilities": [[1, 0]] * n}),
}


def scored(task: TaskName, body: bytes) -> object:
    try:
        return score(asked(score_request, task, body, DEFAULTS.max_columns))
    except SurprisalError as error:
        return error


@pytest.mark.parametrize("kind", BODIES)
def test_bodies_of_json(kind: str) -> None:
    task, n, body_of = BODIES[kind]
    bodies = {size: orjson.dumps(body_of(size)) for size in (n, 2 * n)}
    assert growth(lambda size: scored(task, bodies[size]), n) <= GROWTH


COLUMNS: dict[str, Callable[[int], list[Any]]] = {
    "sample_weight": lambda n: [0.5] * n,
    "mask": lambda n: [True, False] * (n // 2),
    "cluster_id": names,
    "slices.region": lambda n: ["eu", "us"] * (n // 2),
    "slices.number": lambda n: [1, 2] * (n // 2),
}


@pytest.mark.parametrize("format_", ENCODERS)
@pytest.mark.parametrize("column", COLUMNS)
def test_columns_of_every_format(column: str, format_: str) -> None:
    n = 8_000
    bodies = {
        size: encoded(
            format_,
            {
                "labels": [0, 1] * (size // 2),
                "logits": np.linspace(-2, 2, size).tolist(),
                column: COLUMNS[column](size),
            },
            rows_at_once=1_000,
        )
        for size in (n, 2 * n)
    }
    request = Rows("binary", FORMATS[format_], "", b"", {}, own_names("binary"))
    assert (
        growth(lambda size: answered_rows(request, scored_parts, io.BytesIO(bodies[size]), DEFAULTS, lambda: None), n)
        <= GROWTH
    )


@pytest.mark.parametrize("format_", ENCODERS)
def test_rows_of_candidates(format_: str) -> None:
    n, query = 8_000, QueryParams("baseline=a")
    request = Rows(
        "binary", FORMATS[format_], "", b"baseline=a", {}, query_naming(COMPARED_ROWS, "binary", query), COMPARED_ROWS
    )
    columns = {
        size: {"labels": [0, 1] * (size // 2)}
        | {f"candidates.{name}.logits": np.linspace(-2, end, size).tolist() for name, end in (("a", 2), ("b", 3))}
        for size in (n, 2 * n)
    }
    bodies = {size: encoded(format_, rows, rows_at_once=1_000) for size, rows in columns.items()}
    assert (
        growth(lambda size: answered_rows(request, compared_parts, io.BytesIO(bodies[size]), DEFAULTS, lambda: None), n)
        <= GROWTH
    )


def test_states_of_clusters() -> None:
    """Each state added made all clusters before it anew: a hundred of a hundred clusters took 14 s."""

    def state_of(part: int) -> Any:
        columns = rows(99, cluster_id=[f"{part}/{name}" for name in names(99)], include=["state"])
        return score(asked(score_request, "binary", orjson.dumps(columns), DEFAULTS.max_columns))["state"]

    body = orjson.dumps({"states": list(map(state_of, range(100)))}, option=orjson.OPT_SERIALIZE_NUMPY)

    def merged(n: int) -> None:
        sent, _ = merge_request({"states": orjson.loads(body)["states"][:n]})
        assert merge(sent)["n_scored"] == n * 99

    assert growth(merged, 50) <= GROWTH
