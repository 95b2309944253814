"""The questions of jobs: a query that rows would have had, kept so that it can travel to workers."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from starlette.datastructures import QueryParams

from app.api.schemas.query import SCORED_ROWS, query_naming, query_options
from app.api.schemas.questions import asked_of_rows
from app.core.tasks import TaskName
from app.jobs.requests import JobQuestion
from app.service import ScoreRequest


def dataset_question(task: TaskName, query: bytes) -> JobQuestion:
    """The question that a query asks of the rows of a data set.

    Args:
        query: The options and the columns, as the query of `/v1/score/{task}/rows` would hold them.

    Raises:
        InvalidInput: A parameter is unknown or wrong.
    """
    parameters = QueryParams(query)
    query_options(SCORED_ROWS, task, parameters)
    return JobQuestion(partial(asked_of_scored_rows, task, query), query_naming(SCORED_ROWS, task, parameters))


def asked_of_scored_rows(
    task: TaskName, query: bytes, columns: Mapping[str, Any], classes: tuple[str, ...] | None
) -> ScoreRequest:
    """The request that columns and a query make; a function by name, which can be pickled."""
    request: ScoreRequest = asked_of_rows(SCORED_ROWS, task, query, columns, classes)
    return request
