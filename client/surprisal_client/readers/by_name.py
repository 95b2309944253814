"""The readers that the command knows by name."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from surprisal_client.errors import InputError
from surprisal_client.fields import PREDICTIONS
from surprisal_client.readers import lm_eval, openai, vllm

SHARED = ("labels", "n_bytes", "n_words")
"""Fields that runs on the same documents have in common."""


def rows_of(reader: str, path: str | Path, task: str) -> list[dict[str, Any]]:
    """The rows of a task in a file, or in a folder, that a program wrote.

    Raises:
        InputError: It cannot be read as such, or holds nothing of the task.
    """
    if rows := READERS[reader](path, task):
        return rows
    raise InputError(f"{path}: must hold something to score as {task}, found nothing")


def runs_of(reader: str, paths: Sequence[str | Path], task: str = "tokens") -> dict[str, Any]:
    """The fields of comparing several runs on the same documents: each path is a candidate, the first the baseline.

    Raises:
        InputError: One of them cannot be read, or has other documents than the first.
    """
    runs = {str(path): _columns(rows_of(reader, path, task)) for path in paths}
    first = next(iter(runs.values()))
    for path, run in runs.items():
        if {name: run.get(name) for name in SHARED} != {name: first.get(name) for name in SHARED}:
            raise InputError(f"{path}: must hold the documents of {paths[0]}, in the same order")
    form = next(name for name in PREDICTIONS if name in first)
    candidates = {path: {form: run[form]} for path, run in runs.items()}
    shared = {name: first[name] for name in SHARED if name in first}
    return {"candidates": candidates, "baseline": str(paths[0]), **shared}


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """The fields that all rows have: a text whose bytes cannot be told leaves out `n_bytes`."""
    names = [name for name in rows[0] if all(name in row for row in rows)]
    return {name: [row[name] for row in rows] for name in names}


def _lines(rows: Callable[[Iterable[Any]], Iterator[dict[str, Any]]], path: str | Path) -> list[dict[str, Any]]:
    """The rows of a file of JSON, or of a file with an object a line."""
    try:
        text = Path(path).read_text(encoding="utf-8")
        objects = _objects(text)
        return list(rows(objects))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}: {error}") from error


def _objects(text: str) -> list[Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return [_object(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    return found if isinstance(found, list) else [found]


def _object(number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError as error:
        raise ValueError(f"line {number} must be JSON: {error}") from error


READERS: dict[str, Callable[[str | Path, str], list[dict[str, Any]]]] = {
    "lm-eval": lambda path, task: lm_eval.read(path, task=task),
    "openai": lambda path, _: _lines(openai.rows, path),
    "vllm": lambda path, _: _lines(vllm.rows, path),
}
