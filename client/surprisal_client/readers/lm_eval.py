"""Samples of lm-evaluation-harness, which `--log_samples` writes: one line a document."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from surprisal_client.errors import InputError
from surprisal_client.fields import PREDICTIONS

PAD = float("-inf")
"""The logit of a choice that a question does not have."""
RUN = re.compile(r"samples_(.+?)(_\d{4}-\d\d-\d\dT[\d.:-]+)?\.jsonl")
"""The name of a file of samples: the task of lm_eval, and when it ran."""
FORMS = {"tokens": "log_probabilities", "multiclass": "logits"}
"""The prediction in the rows of a task."""
Row = dict[str, Any]
Counter = Callable[[str], int] | None


def read(path: str | Path, *, task: str | None = None, n_tokens: Counter = None) -> list[Row]:
    """The rows of a file of samples, or of all of them in a folder.

    Args:
        path: A file, or a folder with one run of lm_eval.
        task: `tokens` or `multiclass`, where a folder holds samples of both.
        n_tokens: Counts the tokens of a text, such as `lambda text: len(tokenizer.encode(text))`. lm_eval does not tell
            them, and without them a text counts as one token: `perplexity` is then that of texts.

    Raises:
        InputError: There is no such file, a line is no sample, or the folder holds a task twice.
    """
    found = [row for each in _files(Path(path)) for row in _rows(each, n_tokens)]
    return _filled([row for row in found if FORMS.get(task or "", "") in ("", *row)])


def _files(place: Path) -> list[Path]:
    paths = sorted(place.rglob("samples_*.jsonl")) if place.is_dir() else [place]
    if not paths:
        raise InputError(f"{place}: must hold samples_*.jsonl, as lm_eval --log_samples writes them")
    seen: dict[str, Path] = {}
    for path in paths:
        name = match[1] if (match := RUN.fullmatch(path.name)) else path.name
        if name in seen:
            raise InputError(f"{place}: must hold one run of {name}, found {seen[name]} and {path}; name one of them")
        seen[name] = path
    return paths


def _rows(path: Path, n_tokens: Counter) -> list[Row]:
    try:
        with path.open(encoding="utf-8") as file:
            return [_row_of(f"{path}: line {number}", line, n_tokens) for number, line in enumerate(file, 1)]
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def _row_of(place: str, line: str, n_tokens: Counter) -> Row:
    try:
        return _row(json.loads(line), n_tokens)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        told = f"{error} is missing" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{place} must be a sample with filtered_resps: {told}") from error


def rows(samples: Iterable[Mapping[str, Any]], *, n_tokens: Counter = None) -> list[Row]:
    """The rows of samples: of the task `tokens` for log-likelihoods of texts, of `multiclass` for multiple choice.

    The log-likelihood of a text is one sum, so its row has one token, and bytes and words to share it over. The
    log-likelihoods of choices are logits; where questions have different numbers of choices, the shorter ones are
    filled with minus infinity, which is a probability of 0.

    >>> rows([{"target": "abc", "filtered_resps": ["-2.5"]}])
    [{'log_probabilities': [-2.5], 'n_bytes': 3, 'n_words': 1}]
    >>> rows([{"target": "1", "filtered_resps": [["-9.5", "False"], ["-7.25", "True"]]}])
    [{'labels': 1, 'logits': [-9.5, -7.25]}]

    Raises:
        InputError: A sample has no log-likelihoods, or there are texts and choices.
    """
    return _filled([_row(sample, n_tokens) for sample in samples])


def _filled(found: list[Row]) -> list[Row]:
    if len({name for row in found for name in PREDICTIONS if name in row}) > 1:
        raise InputError("samples must be of one kind, found texts and choices; name the task, tokens or multiclass")
    width = max((len(row["logits"]) for row in found if "logits" in row), default=0)
    for row in found:
        if "logits" in row:
            row["logits"] += [PAD] * (width - len(row["logits"]))
    return found


def _row(sample: Mapping[str, Any], n_tokens: Counter) -> Row:
    responses = sample["filtered_resps"]
    if len(responses) > 1:
        logits = [_number(choice[0]) for choice in responses]
        return {"labels": _label(sample, logits), "logits": logits}
    (response,) = responses
    return _text_row(sample, _number(response[0] if isinstance(response, list | tuple) else response), n_tokens)


def _number(response: Any) -> float:
    try:
        return float(response)
    except ValueError as error:
        rule = "must hold log-likelihoods; samples of generate_until have none"
        raise InputError(f"{rule}, found {str(response)[:40]!r}") from error


def _text_row(sample: Mapping[str, Any], log_likelihood: float, n_tokens: Counter) -> Row:
    text = str(sample["target"])
    return {
        "log_probabilities": [log_likelihood],
        "n_bytes": _counted(sample, ("bits_per_byte", "byte_perplexity"), len(text.encode())),
        "n_words": _counted(sample, ("word_perplexity",), len(re.split(r"\s+", text))),
        **({"n_tokens": n_tokens(text)} if n_tokens else {}),
    }


def _counted(sample: Mapping[str, Any], metrics: tuple[str, ...], otherwise: int) -> int:
    """The size of a document as the task itself counted it, which stands beside the loss in its metrics."""
    pair = next((sample[name] for name in metrics if isinstance(sample.get(name), list)), None)
    return int(pair[1]) if pair else otherwise


def _label(sample: Mapping[str, Any], logits: list[float]) -> int:
    """The place of the right choice, which a sample gives as a number or as its text.

    Where choices are numbers themselves, it may be either: then `acc` says whether the likeliest one was right.
    """
    target = str(sample["target"]).strip()
    texts = [_text(argument).strip() for argument in _arguments(sample)]
    found = {int(target)} if target.isdecimal() and int(target) < len(logits) else set()
    found |= {texts.index(target)} if target in texts else set()
    if len(found) > 1 and "acc" in sample:
        found = {place for place in found if (logits[place] == max(logits)) == bool(sample["acc"])}
    if len(found) != 1:
        raise InputError(f"a sample must name one of its choices as the target, found {target[:80]!r}")
    return found.pop()


def _arguments(sample: Mapping[str, Any]) -> list[Any]:
    found = sample.get("arguments", [])
    return list(found.values()) if isinstance(found, dict) else found


def _text(argument: Any) -> str:
    """The continuation of a request: the second of its arguments."""
    return str(argument["arg_1"] if isinstance(argument, dict) else argument[1])
