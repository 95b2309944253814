"""Scores of decisions. They follow from the weights of rows by true and predicted class, which add over parts."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from app.core.metrics.metric import Compute, Metric
from app.core.metrics.state_view import StateView
from app.core.sums.decisions import DECISIONS
from app.core.tasks import LABELLED, ONE_LABEL, TaskName
from app.core.values import Value, undefined


class Decisions(NamedTuple):
    """The decisions about one class, as sums of weights in a unit that cancels.

    Attributes:
        weight: The weight of all of them; for one class among several, of those where it is the truth or predicted.
        true: The weight of those where the class is the truth.
        predicted: The weight of those where the class is predicted.
        hits: The weight of those where the class is both.
    """

    weight: int
    true: int
    predicted: int
    hits: int

    @property
    def others(self) -> "Decisions":
        """The decisions about the negative class."""
        negative, unpredicted = self.weight - self.true, self.weight - self.predicted
        return Decisions(self.weight, negative, unpredicted, negative - self.predicted + self.hits)


class Share(NamedTuple):
    """A share of decisions, such as the precision, with the reason for having none where its divisor is 0."""

    name: str
    of: Callable[[Decisions], tuple[int, int]]
    reason: str

    def mean(self, classes: Sequence[tuple[str, Decisions]]) -> Value:
        """The mean over classes of positive weight."""
        shares = []
        for name, decisions in classes:
            hits, divisor = self.of(decisions)
            if not divisor:
                return undefined(self.reason.format(name))
            shares.append(hits / divisor)
        return Value(value=math.fsum(shares) / len(shares))


F1 = Share("f1", lambda own: (2 * own.hits, own.true + own.predicted), "{} neither occurs nor is predicted")
PRECISION = Share("precision", lambda own: (own.hits, own.predicted), "{} is never predicted")
RECALL = Share("recall", lambda own: (own.hits, own.true), "{} never occurs in the truth")


def _decisions(view: StateView) -> list[tuple[str, Decisions]]:
    """The decisions about each class or label of positive weight, with its name for a reason."""
    table = view.state.groups["decisions"]
    columns = [table[column] for column in DECISIONS]
    if len(columns[0]) == 1:
        return [("the positive class", Decisions(*(column[0] for column in columns)))]
    found = [(f"column {number}", Decisions(*own)) for number, own in enumerate(zip(*columns, strict=True))]
    return [(name, own) for name, own in found if own.weight]


def _classes(view: StateView) -> list[tuple[str, Decisions]]:
    """The decisions about each class; for binary, about both classes."""
    found = _decisions(view)
    return [("the negative class", found[0][1].others), *found] if found[0][0] == "the positive class" else found


def macro(share: Share) -> Compute:
    """The share of the positive class, or its mean over classes or labels."""
    return lambda view: share.mean(_decisions(view))


def balanced_accuracy(view: StateView) -> Value:
    """The mean recall of the classes that occur in the truth."""
    return RECALL.mean([(name, own) for name, own in _classes(view) if own.true])


def matthews_correlation(view: StateView) -> Value:
    """The correlation of truth and prediction as indicators of classes (Gorodkin 2004, eq. 8), from integers."""
    classes = [own for _, own in _classes(view)]
    hits, weight = sum(own.hits for own in classes), sum(own.true for own in classes)
    covariance = hits * weight - sum(own.true * own.predicted for own in classes)
    truth = weight**2 - sum(own.true**2 for own in classes)
    prediction = weight**2 - sum(own.predicted**2 for own in classes)
    if not truth or not prediction:
        return undefined(f"the {'prediction' if truth else 'truth'} is of one class only")
    size = math.sqrt(covariance**2 / (truth * prediction))
    return Value(value=-size if covariance < 0 else size)  # as a float the covariance may overflow


_AVERAGE = "of the positive class; multiclass: mean over classes that occur or are predicted; multilabel: over labels"
_VAN_RIJSBERGEN = "van Rijsbergen, Information Retrieval, 2nd ed. (1979), chapter 7"


def _calls(function: str) -> dict[TaskName, str]:
    return {
        "binary": f"sklearn.metrics.{function}(labels, probabilities >= 0.5)",
        "multiclass": f"sklearn.metrics.{function}(labels, probabilities.argmax(axis=1), average='macro')",
        "multilabel": f"sklearn.metrics.{function}(labels, probabilities >= 0.5, average='macro')",
    }


def _share(name: str, share: Share, formula: str) -> Metric:
    return Metric(
        name=name,
        tasks=LABELLED,
        unit="1",
        direction="higher is better",
        formula=f"{formula} {_AVERAGE}",
        reference=_VAN_RIJSBERGEN,
        compute=macro(share),
        tables=("decisions",),
        on_request=True,
        library=_calls(f"{share.name}_score"),
    )


METRICS: tuple[Metric, ...] = (
    _share("f1_score", F1, "2 hits / (true + predicted)"),
    _share("precision", PRECISION, "hits / predicted"),
    _share("recall", RECALL, "hits / true"),
    Metric(
        name="balanced_accuracy",
        tasks=ONE_LABEL,
        unit="1",
        direction="higher is better",
        formula="mean over the classes that occur in the truth of hits / true",
        reference="Brodersen et al., The Balanced Accuracy and Its Posterior Distribution, ICPR (2010)",
        compute=balanced_accuracy,
        tables=("decisions",),
        on_request=True,
        library={
            "binary": "sklearn.metrics.balanced_accuracy_score(labels, probabilities >= 0.5)",
            "multiclass": "sklearn.metrics.balanced_accuracy_score(labels, probabilities.argmax(axis=1))",
        },
    ),
    Metric(
        name="matthews_correlation",
        tasks=ONE_LABEL,
        unit="1",
        direction="higher is better",
        formula="(h s - sum_c t_c p_c) / sqrt((s^2 - sum_c t_c^2) (s^2 - sum_c p_c^2)), h the weight of hits, s "
        "of all, t_c of the class, p_c of rows predicted to be of it",
        reference="Gorodkin, Comparing Two K-Category Assignments by a K-Category Correlation Coefficient, "
        "Comput. Biol. Chem. 28 (2004)",
        compute=matthews_correlation,
        tables=("decisions",),
        on_request=True,
        library={
            "binary": "sklearn.metrics.matthews_corrcoef(labels, probabilities >= 0.5)",
            "multiclass": "sklearn.metrics.matthews_corrcoef(labels, probabilities.argmax(axis=1))",
        },
    ),
)
