"""The route `GET /v1/metrics`: the catalogue."""

from collections.abc import Sequence

from fastapi import APIRouter

from app.api.application import BareRoute
from app.api.exchange import Exchange
from app.api.schemas.answers import MetricCatalogue, MetricEntry, example
from app.core.metrics.metric import Metric
from app.core.metrics.registry import METRICS

UNCERTAINTY = (
    "Rows of positive weight are taken for independent; for tokens, documents; with "
    "`cluster_id`, clusters. Standard errors are those of the linearised ratio estimator. "
    "Intervals are Student's t with one degree of freedom less than there are independent "
    "units."
)

router = APIRouter(tags=["catalogue"], route_class=BareRoute)


def catalogue_of(metrics: Sequence[Metric]) -> MetricCatalogue:
    """The entries of some metrics."""
    return MetricCatalogue(metrics=[MetricEntry.model_validate(metric) for metric in metrics], uncertainty=UNCERTAINTY)


@router.get(
    "/v1/metrics",
    operation_id="metrics",
    summary="Every metric, explained",
    response_description="The catalogue; the example shows its first entry.",
    responses=example(catalogue_of(METRICS[:1])),
)
def catalogue(_: Exchange) -> MetricCatalogue:
    """Name, tasks, unit, formula, direction, whether parts of a batch add up to it, and a reference."""
    return catalogue_of(METRICS)
