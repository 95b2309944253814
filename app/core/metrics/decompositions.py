"""The decompositions of the Brier score and of the log loss by isotonic recalibration."""

from operator import attrgetter

from app.core.metrics.metric import Direction, Metric, MetricUnit

DECOMPOSITIONS: tuple[tuple[str, str, MetricUnit], ...] = (
    ("brier", "brier_score = {}", "1"),
    (
        "log_loss",
        "cross_entropy = {}; epsilon, pos_weight, label_smoothing and denominator do not enter",
        "information",
    ),
)
PARTS: tuple[tuple[str, Direction, str], ...] = (
    ("miscalibration", "lower is better", "score that isotonic recalibration saves"),
    ("discrimination", "higher is better", "score that the recalibrated forecast saves over the constant one"),
    ("uncertainty", "descriptive", "score of the overall frequency as a constant forecast"),
)

_LIBRARY = {
    "brier_uncertainty": "numpy.var(labels)",
    "log_loss_uncertainty": "scipy.stats.entropy(numpy.bincount(labels))",
}


def _part(score: str, identity: str, unit: MetricUnit, part: tuple[str, Direction, str]) -> Metric:
    """The metric of one part of a score."""
    name, direction, formula = part
    whole = identity.format(f"{score}_miscalibration - {score}_discrimination + {score}_uncertainty")
    own = f"{score}_{name}"
    return Metric(
        name=own,
        tasks=("binary",),
        unit=unit,
        direction=direction,
        formula=f"{formula}; {whole}",
        reference="Dimitriadis, Gneiting, Jordan, Stable Reliability Diagrams (CORP), PNAS 118 (2021)",
        measure=attrgetter(f"{score}_decomposition.{name}"),
        on_request=True,
        library={"binary": _LIBRARY[own]} if own in _LIBRARY else {},
    )


METRICS: tuple[Metric, ...] = tuple(_part(*score, part) for score in DECOMPOSITIONS for part in PARTS)
