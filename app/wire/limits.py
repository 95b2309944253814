"""How much a body may become once it is decoded."""

from dataclasses import dataclass

from app.errors import TooLarge


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on what a body may become.

    Attributes:
        max_decoded_bytes: Of a whole body, with all compression undone.
        max_ratio: Decoded bytes for each encoded one, of bodies that become more than `max_part_bytes`: shorter ones of
            equal rows compress without bound.
        max_part_bytes: Of what is in memory at once: a record batch, a page.
        max_columns: Of a table; a CSV table has one for each class.
        max_line_bytes: Of a row of text with its line end, for it takes several times that once it is read.
        advice: What the sender of a body that is too large can do.
    """

    max_decoded_bytes: int
    max_ratio: float
    max_part_bytes: int
    max_columns: int
    max_line_bytes: int = 8 * 2**20
    advice: str = "send the rows in several requests"


class Tally:
    """Counts what was encoded and what it became, and refuses what becomes too much."""

    def __init__(self, limits: Limits) -> None:
        self.encoded = self.decoded = 0
        self._limits = limits

    def add(self, encoded: int, decoded: int) -> None:
        """Count more bytes.

        Raises:
            TooLarge: The bytes so far break `max_decoded_bytes` or `max_ratio`.
        """
        self.encoded += encoded
        self.decoded += decoded
        if self.decoded > self._limits.max_decoded_bytes:
            rule = f"the decoded body must hold at most {self._limits.max_decoded_bytes} bytes"
            raise TooLarge(f"{rule}; {self._limits.advice}")
        if self.decoded > max(self._limits.max_part_bytes, self._limits.max_ratio * self.encoded):
            rule = f"a body that becomes more than {self._limits.max_part_bytes} bytes must not become more than"
            raise TooLarge(f"{rule} {self._limits.max_ratio:g} times its size: send it without compression")


def check_part(n_bytes: int, limits: Limits, what: str, remedy: str) -> None:
    """Refuse a part before it is read.

    Args:
        remedy: What its writer can do.

    Raises:
        TooLarge: It is said to hold more than `max_part_bytes`.
    """
    if n_bytes > limits.max_part_bytes:
        raise TooLarge(f"{what} must hold at most {limits.max_part_bytes} bytes, found {n_bytes}: {remedy}")
