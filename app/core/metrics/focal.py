"""The focal loss."""

from app.core.columns import FloatArray
from app.core.formulas import losses
from app.core.metrics.metric import LOSS_OPTIONS, Metric, average
from app.core.rows.classes import ClassRows
from app.core.rows.elements import ElementRows
from app.core.sums.layout import Mean
from app.core.tasks import ONE_LABEL


def _of_classes(rows: ClassRows) -> FloatArray:
    alpha = 1.0 if rows.options.focal_alpha is None else rows.options.focal_alpha
    weight = alpha * losses.focal_weight(rows.clipped_probabilities, rows.options.focal_gamma or 0.0)
    return losses.cross_entropy(rows.loss_weights * weight, rows.log_probabilities)


def _of_elements(rows: ElementRows) -> FloatArray:
    gamma, alpha = rows.options.focal_gamma or 0.0, rows.options.focal_alpha
    p, t, (log_p, log_not_p) = rows.clipped_probabilities, rows.smoothed, rows.logs
    positive = rows.pos_weight * t * losses.focal_weight(p, gamma) * (1.0 if alpha is None else alpha)
    negative = (1.0 - t) * p**gamma * (1.0 if alpha is None else 1.0 - alpha)
    return rows.row_sum(0.0 - (losses.product(positive, log_p) + losses.product(negative, log_not_p)))


FOCAL_LOSS = Mean("focal_loss", {ClassRows: _of_classes, ElementRows: _of_elements}, "loss")

METRICS: tuple[Metric, ...] = (
    Metric(
        name="focal_loss",
        tasks=ONE_LABEL,
        unit="information",
        direction="lower is better",
        formula="weighted mean of -alpha_t (1 - p_t)^gamma log p_t",
        reference="Lin, Goyal, Girshick, He, Dollar, Focal Loss for Dense Object Detection, ICCV (2017), eq. 5",
        compute=average(FOCAL_LOSS),
        means=(FOCAL_LOSS,),
        when=lambda options, _: options.focal_gamma is not None or options.focal_alpha is not None,
        moved_by=LOSS_OPTIONS,
    ),
)
