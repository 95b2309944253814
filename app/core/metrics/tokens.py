"""The metrics of documents of tokens: the loss by document, by byte and by word."""

import math

from app.core.metrics.entropies import CROSS_ENTROPY
from app.core.metrics.metric import Metric, exponential_average
from app.core.metrics.state_view import StateView
from app.core.sums.layout import Mean
from app.core.values import INFINITE, Value, undefined

MACRO_PERPLEXITY = Mean("macro_perplexity", "macro_perplexity", "row")
LOSS_PER_BYTE = Mean("loss_per_byte", "cross_entropy", "n_bytes")
LOSS_PER_WORD = Mean("loss_per_word", "cross_entropy", "n_words")


def macro_perplexity(view: StateView) -> Value:
    """The mean over documents of the exponential of their mean loss."""
    if view.state.moments["cross_entropy"].n_infinite:
        return INFINITE
    value = view.means["macro_perplexity"]
    return undefined("overflow") if value.status == "infinite" else value


def bits_per_byte(view: StateView) -> Value:
    """The loss of all documents, in bits, divided by their bytes."""
    return view.means["loss_per_byte"].scaled(math.log(2.0))


_LOSS = "-numpy.concatenate(log_probabilities).sum()"

METRICS: tuple[Metric, ...] = (
    Metric(
        name="macro_perplexity",
        tasks=("tokens",),
        unit="1",
        direction="lower is better",
        formula="mean over documents of exp(mean loss of the document in nats)",
        reference="Jelinek, Mercer, Bahl, Baker, Perplexity, J. Acoust. Soc. Am. 62 (1977)",
        compute=macro_perplexity,
        means=(CROSS_ENTROPY, MACRO_PERPLEXITY),
        moved_by=("epsilon",),
        library={"tokens": "numpy.mean([numpy.exp(-numpy.mean(document)) for document in log_probabilities])"},
    ),
    Metric(
        name="bits_per_byte",
        tasks=("tokens",),
        unit="bits",
        direction="lower is better",
        formula="sum of -log p / (ln 2 * sum of n_bytes)",
        reference="Gao et al., The Pile: An 800GB Dataset of Diverse Text (2020), section 3.1",
        compute=bits_per_byte,
        means=(LOSS_PER_BYTE,),
        when=lambda _, columns: "n_bytes" in columns,
        moved_by=("epsilon",),
        library={"tokens": f"{_LOSS} / numpy.log(2) / numpy.sum(n_bytes)"},
    ),
    Metric(
        name="byte_perplexity",
        tasks=("tokens",),
        unit="1",
        direction="lower is better",
        formula="exp(sum of -log p / sum of n_bytes)",
        reference="Gao et al., The Pile: An 800GB Dataset of Diverse Text (2020), section 3.1",
        compute=exponential_average(LOSS_PER_BYTE),
        means=(LOSS_PER_BYTE,),
        when=lambda _, columns: "n_bytes" in columns,
        moved_by=("epsilon",),
        library={"tokens": f"numpy.exp({_LOSS} / numpy.sum(n_bytes))"},
    ),
    Metric(
        name="word_perplexity",
        tasks=("tokens",),
        unit="1",
        direction="lower is better",
        formula="exp(sum of -log p / sum of n_words)",
        reference="Jelinek, Mercer, Bahl, Baker, Perplexity, J. Acoust. Soc. Am. 62 (1977)",
        compute=exponential_average(LOSS_PER_WORD),
        means=(LOSS_PER_WORD,),
        when=lambda _, columns: "n_words" in columns,
        moved_by=("epsilon",),
        library={"tokens": f"numpy.exp({_LOSS} / numpy.sum(n_words))"},
    ),
)
