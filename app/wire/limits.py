"""The bounds on the bytes that a body may become once it is decoded."""

from dataclasses import dataclass

from app.errors import TooLarge


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds on one body, in bytes unless another unit is named.

    Attributes:
        max_decoded_bytes: The most of a whole body with all compression undone.
        max_ratio: The most decoded bytes for each encoded one, in bodies that become more than `max_part_bytes`:
            shorter ones of equal rows may compress without bound.
        max_part_bytes: The most that is decoded in one piece: a record batch, a page.
        max_columns: The most columns of a table; a CSV table has one for each class.
        max_line_bytes: The most of a row of text with its line end; when read it takes several times that.
        advice: The way out for the sender of a body that is too large.
    """

    max_decoded_bytes: int
    max_ratio: float
    max_part_bytes: int
    max_columns: int
    max_line_bytes: int = 8 * 2**20
    advice: str = "send the rows in several requests"


class Tally:
    """A count of encoded and of decoded bytes that refuses a body which becomes too large."""

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
        remedy: The way out for the writer of the part.

    Raises:
        TooLarge: It is said to hold more than `max_part_bytes`.
    """
    if n_bytes > limits.max_part_bytes:
        raise TooLarge(f"{what} must hold at most {limits.max_part_bytes} bytes, found {n_bytes}: {remedy}")
