"""Outputs of vLLM with `prompt_logprobs`: how surprising the tokens of a given text were."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

BROKEN = "\N{REPLACEMENT CHARACTER}"
"""A part of a character, which no single token can show."""


def rows(outputs: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Yield a row of the task `tokens` for each text: log-probabilities and, where each token has its text, bytes.

    Outputs are objects of vLLM, or the decoded JSON of its server (`prompt_logprobs=0`, `return_token_ids=True`). The
    first token has nothing before it and so no log-probability; it is left out, and its bytes too.

    >>> entry = {"8": {"logprob": -0.5, "decoded_token": " a"}}
    >>> list(rows([{"prompt_token_ids": [7, 8], "prompt_logprobs": [None, entry]}]))
    [{'log_probabilities': [-0.5], 'n_bytes': 2}]

    Raises:
        ValueError: An output has no log-probabilities of its prompt.
    """
    for number, output in enumerate(outputs):
        for part in _parts(output):
            entries = _of(part, "prompt_logprobs")
            tokens = _of(part, "prompt_token_ids")
            if not entries or not tokens:
                raise ValueError(f"output {number} has no prompt_logprobs and prompt_token_ids: ask for both")
            pairs = zip(tokens, entries, strict=True)
            yield _row([_entry(entry, token) for token, entry in pairs if entry is not None])


def _parts(output: Any) -> Iterator[Any]:
    """Yield what holds the log-probabilities: the output itself, or the choices of the server's answer."""
    yield from output["choices"] if isinstance(output, Mapping) and "choices" in output else [output]


def _of(holder: Any, name: str) -> Any:
    return holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)


def _entry(entry: Mapping[Any, Any], token: int) -> Any:
    """The entry of the token that stands in the text, which JSON names by a string."""
    return entry[token] if token in entry else entry[str(token)]


def _row(entries: list[Any]) -> dict[str, Any]:
    texts = [_of(entry, "decoded_token") for entry in entries]
    is_whole = all(text is not None and BROKEN not in text for text in texts)
    n_bytes = {"n_bytes": sum(len(text.encode()) for text in texts)} if is_whole else {}
    return {"log_probabilities": [_of(entry, "logprob") for entry in entries], **n_bytes}
