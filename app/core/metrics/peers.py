"""Calls of scikit-learn, SciPy and NumPy that give the same numbers, for options left alone: by metric and task.

The fields of a request stand in them as arrays, `log_probabilities` of tokens as a list of lists.
"""

from collections.abc import Mapping

from app.core.tasks import TaskName

_CLASSES = "labels=numpy.arange(probabilities.shape[1])"
_LOG_LOSS: dict[TaskName, str] = {
    "binary": "sklearn.metrics.log_loss(labels, probabilities)",
    "multiclass": f"sklearn.metrics.log_loss(labels, probabilities, {_CLASSES})",
    "multilabel": "sklearn.metrics.log_loss(labels.ravel(), probabilities.ravel())",
    "distributions": "-scipy.special.xlogy(targets, probabilities).sum(axis=1).mean()",
    "tokens": "-numpy.concatenate(log_probabilities).mean()",
}
_RIGHT = "sklearn.metrics.accuracy_score(labels, probabilities >= 0.5)"
_SQUARES = "sklearn.metrics.brier_score_loss"
_TOKENS = "-numpy.concatenate(log_probabilities).sum()"


def _entropy(of: str) -> dict[TaskName, str]:
    elements = f"(scipy.special.entr({of}) + scipy.special.entr(1 - {of})).mean()"
    return {
        "binary": elements,
        "multiclass": f"scipy.stats.entropy({of}, axis=1).mean()",
        "multilabel": elements,
    }


def _relative_entropy(p: str, q: str) -> str:
    return f"scipy.special.rel_entr({p}, {q}).sum(axis=1).mean()"


_ELEMENTS_APART = (
    "(scipy.special.rel_entr(targets, probabilities) + scipy.special.rel_entr(1 - targets, 1 - probabilities)).mean()"
)
_JENSEN_SHANNON = "(scipy.spatial.distance.jensenshannon(targets, probabilities, axis=1) ** 2).mean()"

CALLS: dict[str, Mapping[TaskName, str]] = {
    "cross_entropy": _LOG_LOSS,
    "perplexity": {task: f"numpy.exp({call})" for task, call in _LOG_LOSS.items() if task != "multilabel"},
    "target_entropy": {**_entropy("targets"), "distributions": "scipy.stats.entropy(targets, axis=1).mean()"},
    "kl_divergence": {
        "binary": _ELEMENTS_APART,
        "multiclass": _relative_entropy("targets", "probabilities"),
        "multilabel": _ELEMENTS_APART,
        "distributions": _relative_entropy("targets", "probabilities"),
    },
    "predictive_entropy": _entropy("probabilities"),
    "baseline_cross_entropy": {
        "binary": "scipy.stats.entropy(numpy.bincount(labels))",
        "multiclass": "scipy.stats.entropy(numpy.bincount(labels))",
    },
    "d2_log_loss": {
        "binary": "sklearn.metrics.d2_log_loss_score(labels, probabilities)",
        "multiclass": f"sklearn.metrics.d2_log_loss_score(labels, probabilities, {_CLASSES})",
    },
    "brier_score": {
        "binary": f"{_SQUARES}(labels, probabilities)",
        "multiclass": f"{_SQUARES}(labels, probabilities, {_CLASSES}, scale_by_half=False)",
        "multilabel": "sklearn.metrics.mean_squared_error(labels, probabilities)",
    },
    "accuracy": {
        "binary": _RIGHT,
        "multiclass": "sklearn.metrics.accuracy_score(labels, probabilities.argmax(axis=1))",
        "multilabel": "1 - sklearn.metrics.hamming_loss(labels, probabilities >= 0.5)",
    },
    "top_{k}_accuracy": {
        "multiclass": f"sklearn.metrics.top_k_accuracy_score(labels, probabilities, k=2, {_CLASSES})",
    },
    "subset_accuracy": {"multilabel": _RIGHT},
    "reverse_kl_divergence": {"distributions": _relative_entropy("probabilities", "targets")},
    "js_divergence": {"distributions": _JENSEN_SHANNON},
    "js_distance": {"distributions": f"numpy.sqrt({_JENSEN_SHANNON})"},
    "macro_perplexity": {"tokens": "numpy.mean([numpy.exp(-numpy.mean(document)) for document in log_probabilities])"},
    "bits_per_byte": {"tokens": f"{_TOKENS} / numpy.log(2) / numpy.sum(n_bytes)"},
    "byte_perplexity": {"tokens": f"numpy.exp({_TOKENS} / numpy.sum(n_bytes))"},
    "word_perplexity": {"tokens": f"numpy.exp({_TOKENS} / numpy.sum(n_words))"},
    "brier_uncertainty": {"binary": "numpy.var(labels)"},
    "log_loss_uncertainty": {"binary": "scipy.stats.entropy(numpy.bincount(labels))"},
}
