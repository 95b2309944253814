"""Samples of lm-evaluation-harness, which `--log_samples` writes: one line a document."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from surprisal_client.errors import InputError

PAD = float("-inf")
"""The logit of a choice that a question does not have."""


def read(path: str | Path) -> list[dict[str, Any]]:
    """The rows of a file of samples, or of all of them in a folder.

    Raises:
        InputError: There is no such file, or a line is no sample.
    """
    place = Path(path)
    paths = sorted(place.rglob("samples_*.jsonl")) if place.is_dir() else [place]
    if not paths:
        raise InputError(f"{place}: must hold samples_*.jsonl, as lm_eval --log_samples writes them")
    return rows(sample for each in paths for sample in _samples(each))


def _samples(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file):
                yield _sample(path, number, line)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def _sample(path: Path, number: int, line: str) -> Mapping[str, Any]:
    try:
        sample = json.loads(line)
        found: Mapping[str, Any] = {"filtered_resps": sample["filtered_resps"], **sample}
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: line {number + 1} must be a sample with filtered_resps: {error}") from error
    return found


def rows(samples: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows of samples: of the task `tokens` for rolling log-likelihoods, of `multiclass` for multiple choice.

    A rolling log-likelihood is one sum a document, so its row has one token, and bytes and words to share it over. The
    log-likelihoods of choices are logits; where questions have different numbers of choices, the shorter ones are
    filled with minus infinity, which is a probability of 0.

    >>> rows([{"target": "abc", "filtered_resps": ["-2.5"]}])
    [{'log_probabilities': [-2.5], 'n_bytes': 3, 'n_words': 1}]
    >>> rows([{"target": "1", "filtered_resps": [["-9.5", "False"], ["-7.25", "True"]]}])
    [{'labels': 1, 'logits': [-9.5, -7.25]}]
    """
    found = [_rolling(sample) if _is_rolling(sample) else _choices(sample) for sample in samples]
    width = max((len(row["logits"]) for row in found if "logits" in row), default=0)
    for row in found:
        if "logits" in row:
            row["logits"] += [PAD] * (width - len(row["logits"]))
    return found


def _is_rolling(sample: Mapping[str, Any]) -> bool:
    return not isinstance(sample["filtered_resps"][0], list | tuple)


def _rolling(sample: Mapping[str, Any]) -> dict[str, Any]:
    text = str(sample["target"])
    return {
        "log_probabilities": [float(sample["filtered_resps"][0])],
        "n_bytes": _counted(sample, ("bits_per_byte", "byte_perplexity"), len(text.encode())),
        "n_words": _counted(sample, ("word_perplexity",), len(re.split(r"\s+", text))),
    }


def _counted(sample: Mapping[str, Any], metrics: tuple[str, ...], otherwise: int) -> int:
    """The size of a document as the task itself counted it, which stands beside the loss in its metrics."""
    pair = next((sample[name] for name in metrics if isinstance(sample.get(name), list)), None)
    return int(pair[1]) if pair else otherwise


def _choices(sample: Mapping[str, Any]) -> dict[str, Any]:
    logits = [float(choice[0]) for choice in sample["filtered_resps"]]
    return {"labels": _label(sample), "logits": logits}


def _label(sample: Mapping[str, Any]) -> int:
    """The place of the right choice, which a sample gives as a number or as its text."""
    target = str(sample["target"])
    if re.fullmatch(r"\d+", target):
        return int(target)
    texts = [_text(argument).strip() for argument in _arguments(sample)]
    if target.strip() not in texts:
        raise InputError(f"a sample must name one of its choices as the target, found {target[:80]!r}")
    return texts.index(target.strip())


def _arguments(sample: Mapping[str, Any]) -> list[Any]:
    found = sample.get("arguments", [])
    return list(found.values()) if isinstance(found, dict) else found


def _text(argument: Any) -> str:
    """The continuation of a request: the second of its arguments."""
    return str(argument["arg_1"] if isinstance(argument, dict) else argument[1])
