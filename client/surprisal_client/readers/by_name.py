"""The readers that the command knows by name."""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from surprisal_client.errors import InputError
from surprisal_client.readers import lm_eval, openai, vllm


def rows_of(reader: str, path: str | Path, task: str) -> list[dict[str, Any]]:
    """The rows of a task in a file, or in a folder, that a program wrote.

    Raises:
        InputError: It cannot be read as such.
    """
    return READERS[reader](path, task)


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
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    return found if isinstance(found, list) else [found]


READERS: dict[str, Callable[[str | Path, str], list[dict[str, Any]]]] = {
    "lm-eval": lambda path, task: lm_eval.read(path, task=task),
    "openai": lambda path, _: _lines(openai.rows, path),
    "vllm": lambda path, _: _lines(vllm.rows, path),
}
