"""The names that others give to the fields of a request and to metrics, to answer a wrong name with the right one."""

from collections.abc import Iterable
from difflib import get_close_matches

SYNONYMS = {
    "labels": "y y_true ytrue true truth truths class actual actuals ground_truth gold reference references observed",
    "targets": "y_soft soft_labels one_hot",
    "probabilities": (
        "p y_prob y_proba y_probs y_probas y_pred y_hat y_score y_scores yhat prob probs proba probas score scores "
        "pred preds prediction predictions predict_proba confidence confidences softmax"
    ),
    "logits": "logit y_logit y_logits margins raw_scores decision_function",
    "log_probabilities": "logprob logprobs log_prob log_probs token_logprobs logp log_p log_proba log_probas",
    "sample_weight": "w weight weights sample_weights",
    "cluster_id": "group groups group_id cluster clusters cluster_ids",
    "classes": "class_names label_names labels_names names categories",
    "mask": "masks scored valid",
    "n_tokens": "num_tokens token_count",
    "n_bytes": "bytes num_bytes byte_count",
    "n_words": "words num_words word_count",
    "ignore_index": "ignore ignore_label",
    "epsilon": "eps clip",
    "label_smoothing": "smoothing",
    "confidence_level": "confidence alpha_level",
    "n_bins": "bins num_bins",
    "cross_entropy": "log_loss logloss loss nll ce neg_log_loss negative_log_likelihood bce xent",
    "perplexity": "ppl",
    "brier_score": "brier brier_score_loss",
    "accuracy": "acc accuracy_score",
    "expected_calibration_error": "ece",
    "maximum_calibration_error": "mce",
    "bits_per_byte": "bpb",
}
FIELDS = {other: name for name, others in reversed(SYNONYMS.items()) for other in others.split()}


def meant(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name that another one means, as a synonym or with a slip; None if it means none.

    >>> meant("y_true", ["labels", "logits"]), meant("Labels", ["labels"]), meant("zzz", ["labels"])
    ('labels', 'labels', None)
    >>> meant("log_loss", ["d2_log_loss", "cross_entropy"])
    'cross_entropy'
    """
    lowered, names = name[:40].lower().replace("-", "_").replace(" ", "_"), list(known)
    synonym = FIELDS.get(lowered)
    if synonym in names:
        return synonym
    return next(iter(get_close_matches(lowered, names, n=1, cutoff=cutoff)), None)
