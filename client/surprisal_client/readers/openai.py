"""Completions of OpenAI, and of servers that speak its API, with the log-probabilities that they gave."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

SENTINEL = -9000.0
"""Log-probabilities at or below it stand for none: servers write -9999.0 where they have no number."""


def rows(completions: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Yield a row of the task `tokens` for each choice of each completion: log-probabilities and bytes.

    Chat completions (`logprobs=True`) and the older completions (`logprobs=1`, also with `echo`) are read, as objects
    of the package openai or as decoded JSON. A token without a log-probability is left out, and its bytes too.

    >>> tokens = [{"token": "Hi", "bytes": [72, 105], "logprob": -0.5}, {"token": "!", "logprob": -9999.0}]
    >>> list(rows([{"choices": [{"logprobs": {"content": tokens}}]}]))
    [{'log_probabilities': [-0.5], 'n_bytes': 2}]

    Raises:
        ValueError: A completion has no log-probabilities.
    """
    for number, completion in enumerate(completions):
        for choice in _choices(number, completion):
            if not (found := choice.get("logprobs")):
                raise ValueError(f"completion {number} has no logprobs: ask for them with logprobs=True")
            tokens = [pair for pair in _tokens(found) if pair[0] is not None and pair[0] > SENTINEL]
            yield {"log_probabilities": [pair[0] for pair in tokens], "n_bytes": sum(pair[1] for pair in tokens)}


def _choices(number: int, completion: Any) -> Iterable[Mapping[str, Any]]:
    """The choices of a completion, as decoded JSON."""
    plain = completion.model_dump() if hasattr(completion, "model_dump") else completion
    try:
        return plain["choices"]  # type: ignore[no-any-return]
    except (KeyError, TypeError):
        raise ValueError(f"completion {number} has no choices: rows takes a list of answers of the API") from None


def _tokens(found: Mapping[str, Any]) -> Iterator[tuple[float | None, int]]:
    """Yield the log-probability and the bytes of each token."""
    if found.get("content") is not None:
        for token in found["content"]:
            yield token["logprob"], len(token["token"].encode() if token.get("bytes") is None else token["bytes"])
    else:
        for logprob, token in zip(found["token_logprobs"], found["tokens"], strict=True):
            yield logprob, len(token.encode())
