"""The answer of comparing."""

from typing import Any

from pydantic import Field

from app.api.schemas import answers
from app.api.schemas.answers import Answer, MetricValue
from app.core.compare.verdicts import Verdict
from app.core.options import Unit
from app.core.tasks import TaskName


class Candidate(Answer):
    """The scores of one candidate."""

    metrics: dict[str, MetricValue] = Field(description="Metrics as `POST /v1/score/{task}` gives them.")


class Comparison(Answer):
    """One candidate against the baseline; fields without a value are left out."""

    candidate: str
    baseline: str
    verdict: Verdict = Field(
        description="The result that a gate reads. It says where the interval of the difference lies "
        "(`simultaneous_interval`, if there is one): `better` below -margin, `worse` above margin, for `accuracy` the "
        "other way round; `equivalent` within both if margin > 0; else `inconclusive`. An infinite loss of one "
        "decides. Too few rows, infinite losses of both, or a difference that is the same on every row are "
        "`inconclusive`."
    )
    reason: str | None = Field(None, description="Reason why the interval did not decide, where it did not.")
    difference: MetricValue = Field(
        description="Mean `metric` of the candidate minus that of the baseline, paired by row. Below 0 the candidate "
        "is better, for `accuracy` above 0. Infinite or undefined if a loss is infinite; `reason` says whose."
    )
    simultaneous_interval: tuple[float, float] | None = Field(
        None,
        description="Interval of the difference that holds together with all others of the family; only if "
        "there are several.",
    )
    t_statistic: float | None = Field(None, description="Difference in standard errors.")
    p_value: float | None = Field(None, description="Two-sided p-value of no difference, by Student's t.")
    p_value_adjusted: float | None = Field(
        None, description="The p-value by Holm's method over its family; only if there are several."
    )
    correlation: float | None = Field(
        None,
        description="Correlation of both losses over rows; with weights or clusters, of the share that each "
        "row or cluster has in the errors of both means. The nearer to 1, the more pairing gains.",
    )
    wins: int = Field(description="Rows in which the candidate is better.")
    losses: int = Field(description="Rows in which the candidate is worse.")
    ties: int = Field(description="Rows in which both are equal, but for rounding.")


class ComparedSlice(Answer):
    """The comparisons on the rows of one slice."""

    n_scored: int
    comparisons: list[Comparison]


class CompareAnswer(Answer):
    """The scores of all candidates, and how each differs from the baseline."""

    comparisons: list[Comparison] = Field(description="Every other candidate, in the order of the request.")
    task: TaskName
    unit: Unit
    n_scored: int
    candidates: dict[str, Candidate]
    slices: dict[str, dict[str, ComparedSlice]] | None = Field(
        None, description="Comparisons of each slice by name and value, if slices were sent."
    )
    state: dict[str, Any] | None = Field(None, description=answers.STATE)
    warnings: list[answers.Warning] = Field(description="Warnings; one about a prediction names its `candidate`.")
    options: dict[str, Any] = Field(description="Every option in force.")
    passed: bool | None = Field(None, description=answers.PASSED)
    failures: list[answers.Failure] | None = Field(None, description=answers.FAILURES)
