"""The rules of `--require`: what a number must be for the command to end in success."""

import argparse
import math
import re
from collections.abc import Iterable
from typing import Any

RULE = re.compile(r"\s*([^\s<>=]+)\s*(<=|>=|<|>)\s*(\S+)\s*")


def rule(text: str) -> tuple[str, str, float]:
    """A rule such as `cross_entropy<0.45`: the metric, `min` or `max`, the bound, which is an allowed value.

    >>> rule("accuracy >= 0.9")
    ('accuracy', 'min', 0.9)

    Raises:
        argparse.ArgumentTypeError: It is no rule.
    """
    match = RULE.fullmatch(text)
    try:
        bound = float(match[3]) if match else math.nan
    except ValueError:
        bound = math.nan
    if not match or not math.isfinite(bound):
        raise argparse.ArgumentTypeError(f"must be a metric, one of < <= > >=, and a number, found {text[:80]!r}")
    return match[1], "max" if match[2].startswith("<") else "min", bound


def required(rules: Iterable[tuple[str, str, float]]) -> dict[str, Any]:
    """The option `require` of rules.

    >>> required([("accuracy", "min", 0.9), ("accuracy", "max", 1.0), ("next.perplexity", "max", 8.0)])
    {'accuracy': {'min': 0.9, 'max': 1.0}, 'next': {'perplexity': {'max': 8.0}}}
    """
    found: dict[str, Any] = {}
    for name, bound, number in rules:
        candidate, _, metric = name.rpartition(".")
        rules_of = found.setdefault(candidate, {}) if candidate else found
        rules_of.setdefault(metric, {})[bound] = number
    return found
