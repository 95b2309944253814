"""Write the table by which the reader of JSON numbers multiplies digits; with `--check`, compare it instead."""

import sys
from pathlib import Path

LEAST, MOST = -342, 308
TABLE = Path(__file__).parents[1] / "app/core/kernels/powers_of_five.h"


def power_of_five(q: int) -> int:
    """The first 128 bits of 5**q, rounded as Lemire's method wants them.

    Powers from 0 on are cut off, and so are those below -27; those between are one unit above the cut (Lemire, "Number
    parsing at a gigabyte per second", Software: Practice and Experience 51 (2021), section 7).
    """
    if q >= 0:
        return _leading_bits(5**q)
    return _leading_bits((1 << 128 - 3 * q) // 5**-q) + (q >= -27)


def _leading_bits(number: int) -> int:
    shift = number.bit_length() - 128
    return number >> shift if shift > 0 else number << -shift


def table() -> str:
    """The whole header, upper and lower half of each power."""
    rows = [divmod(power_of_five(q), 1 << 64) for q in range(LEAST, MOST + 1)]
    halves = "".join(f"    {{UINT64_C(0x{high:016x}), UINT64_C(0x{low:016x})}},\n" for high, low in rows)
    return (
        "/* The first 128 bits of each power of five; written by scripts/powers_of_five.py. */\n\n"
        f"#define LEAST_POWER ({LEAST})\n#define MOST_POWER {MOST}\n\n"
        f"static const uint64_t POWERS_OF_FIVE[][2] = {{\n{halves}}};\n"
    )


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        sys.exit(TABLE.read_text() != table() and f"{TABLE.name} differs: run scripts/powers_of_five.py")
    TABLE.write_text(table())
