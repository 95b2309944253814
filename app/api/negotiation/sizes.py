"""The size of an answer, which is estimated and paid for before it is written."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from app.api.exchange import Exchange
from app.api.negotiation.media import ARROW
from app.core.paying import hold
from app.errors import TooLarge

NUMBER_BYTES = 20
"""The bytes of most floats in JSON, with their comma."""
LOSS_BYTES = 8
ANY_BYTES = 4 * 2**20
"""The longest answer to a body however short; a longer one has at most `max_ratio` bytes for each that was sent."""
ARRAYS = frozenset({"per_sample", "gradient", "confusion", "probabilities"})
"""The sections of an answer that may hold arrays."""


def pay_for_json(content: Mapping[str, Any], exchange: Exchange) -> None:
    """Pay for an answer in JSON that holds arrays.

    Raises:
        TooLarge: It holds more than the settings allow, or than ever fits into memory.
        Unavailable: Others hold the memory at present.
    """
    n_bytes, most = (
        sum(_json_bytes(content[name]) for name in ARRAYS & content.keys()),
        exchange.settings.max_answer_bytes,
    )
    if n_bytes > most:
        remedy = f"ask for the losses with `Accept: {ARROW}`" if "per_sample" in content else "send fewer rows at once"
        raise TooLarge(f"an answer in JSON must hold at most {most} bytes, which {n_bytes} would be: {remedy}")
    _pay(n_bytes, exchange)


def pay_for_losses(n_rows: int, exchange: Exchange) -> None:
    """Pay for losses of rows as an Arrow stream; raise as `pay_for_json` does."""
    _pay(LOSS_BYTES * n_rows, exchange)


def _pay(n_bytes: int, exchange: Exchange) -> None:
    most = max(ANY_BYTES, int(exchange.settings.max_ratio * exchange.bytes_in))
    if n_bytes > most:
        rule = f"an answer to {exchange.bytes_in} bytes must hold at most {most} bytes, which {n_bytes} would be"
        raise TooLarge(f"{rule}: send fewer rows at once, or without compression")
    hold("answer", 2 * n_bytes)  # for a moment a copy is there, or what it is made of


def _json_bytes(section: Any) -> int:
    if isinstance(section, Mapping):
        return sum(map(_json_bytes, section.values()))
    if isinstance(section, list):  # rows, of which some are null
        return sum(NUMBER_BYTES * len(row) for row in section if row is not None)
    values = section if isinstance(section, np.ndarray) else np.empty(0)
    if values.dtype.kind == "f" or not values.size:
        return NUMBER_BYTES * values.size
    return int(values.size * len(f"{values.max()},"))
