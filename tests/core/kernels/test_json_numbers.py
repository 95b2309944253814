"""The walk over JSON in C: every number is Python's, and nothing outside of a text is touched."""

import ctypes
import json
import mmap
import os
import shlex
import subprocess
import sys
import sysconfig
from decimal import Decimal
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from app.core.columns import Ragged
from app.core.kernels.json_columns import count_byte, json_columns, json_signs
from tests.core.kernels.test_kernel_builds import build
from tests.wire.number_texts import CONTEXT, body_text, column_text, damaged, number_texts

ROOT = Path(__file__).resolve().parents[3]
N_AT_ONCE = 10_000
NAMES = b"labels:ibs logits:dnt mask:b n_bytes:i probabilities:d "


def plain(text: bytes, *, of_integers: bool = False) -> list[Any] | None:
    """The column that Python reads, None where it is not plainly one: the reader answers this or None.

    orjson is no judge: of numbers of some 770 digits that lie between two doubles it may take the wrong one.
    """
    try:
        column = json.loads(text, parse_constant=int)  # refuses NaN and Infinity, which Python would read
    except ValueError:
        return None
    if not isinstance(column, list) or not column:
        return None
    rows = column if isinstance(column[0], list) else [column]
    if not all(isinstance(row, list) for row in rows):
        return None
    kinds = {int} if of_integers else {int, float, type(None)}
    numbers = [number for row in rows for number in row]
    if not {type(number) for number in numbers} <= kinds:
        return None
    if of_integers:
        return numbers if all(-(2**63) <= number < 2**63 for number in numbers) else None
    return [float("nan") if number is None else float(number) for number in numbers]


def read(text: bytes, *, of_integers: bool = False) -> list[Any] | None:
    found = json_columns(b'{"x":%b}' % text, b"x:i " if of_integers else b"x:dn ")
    if found is None or not found.columns:
        return None
    column = found.columns["x"]
    values = column.values if isinstance(column, Ragged) else column
    assert values.dtype == (np.int64 if of_integers else np.float64)
    return values.ravel().tolist()


def check_numbers(seed: int, n: int) -> None:
    texts = number_texts(seed)
    for _ in range(0, n, N_AT_ONCE):
        some = list(islice(texts, N_AT_ONCE))
        found = json_columns(f'{{"x":[{",".join(some)}]}}'.encode(), b"x:d ")
        assert found is not None
        whole = (int(text) if text.lstrip("-").isdigit() else float(text) for text in some)
        expected = np.array([float(number) for number in whole])
        differ = np.flatnonzero(found.columns["x"].view(np.int64) != expected.view(np.int64))
        assert [some[at] for at in differ[:3]] == []


def check_damaged(seed: int, n: int) -> None:
    random, texts, n_read = Random(seed), number_texts(seed), 0
    for _ in range(n):
        text = damaged(random, column_text(random, texts))
        for of_integers in (False, True):
            found = read(text, of_integers=of_integers)
            if found is not None:
                np.testing.assert_array_equal(found, plain(text, of_integers=of_integers), text.decode())
                n_read += 1
    assert n_read > 0.05 * n


def test_every_number_is_that_of_python() -> None:
    check_numbers(1, 100_000)


@pytest.mark.slow
def test_a_million_numbers_are_those_of_python() -> None:
    check_numbers(10, 1_000_000)


def test_of_damaged_columns_nothing_is_read_or_what_python_reads() -> None:
    check_damaged(3, 10_000)


@pytest.mark.slow
def test_of_ten_times_as_many_damaged_columns_nothing_is_read_or_what_python_reads() -> None:
    check_damaged(20, 100_000)


def test_sound_columns_are_read() -> None:
    random, texts = Random(5), number_texts(5)
    for _ in range(1_000):
        text = column_text(random, texts)
        assert read(text) == plain(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[0]", [0]),
        ("[-0]", [0]),
        ("[9223372036854775807,-9223372036854775808]", [2**63 - 1, -(2**63)]),
        ("[9223372036854775808]", None),
        ("[-9223372036854775809]", None),
        ("[18446744073709551617]", None),
        ("[1.0]", None),
        ("[1e2]", None),
        ("[null]", None),
    ],
)
def test_integers_are_whole_and_have_64_bits(text: str, expected: list[int] | None) -> None:
    assert read(text.encode(), of_integers=True) == expected


NOT_PLAIN = """
[] [1,] [,1] [01] [-] [+1] [.5] [5.] [1e] [1e+] [1e400] [1]] [[1],2] [1,[2]] [[1],[],2] [[[1]]] [[],[[]]] [[1]
[nul] [NaN] [true] ["1"] [0x1] [1_0] [1 1] ][ [1.5.2] [1e5e5] [--1] [1,,2] [2]]
"""


@pytest.mark.parametrize("text", [*NOT_PLAIN.split(), "[1 2]", "[1\v]", "[[1] [2]]", "[nul l]"])
def test_what_is_not_plainly_a_column_is_left_alone(text: str) -> None:
    assert read(text.encode()) is None


def test_a_number_of_many_digits_between_two_doubles_is_that_of_python() -> None:
    below = 9_128_000_000_000_001  # of the smallest doubles, so that both neighbours are normal and the digits many
    middle = f"{CONTEXT.divide(CONTEXT.add(Decimal(below * 5e-324), Decimal((below + 1) * 5e-324)), Decimal(2)):e}"
    mantissa, _, exponent = middle.partition("e")
    texts = [middle, f"{mantissa}1e{exponent}", f"{mantissa[:-1]}4e{exponent}", f"{mantissa[:-1]}6e{exponent}"]
    assert len(mantissa) > 700
    assert read(f"[{','.join(texts)}]".encode()) == list(map(float, texts))


def test_null_is_nan_and_a_negative_zero_keeps_its_sign() -> None:
    found = read(b"[null,-0.0,-0e5]")
    assert found is not None
    assert np.array(found).view(np.int64).tolist() == np.array([np.nan, -0.0, -0.0]).view(np.int64).tolist()


def test_no_byte_behind_a_text_is_read() -> None:
    """A page that nobody may read lies behind the text, so a byte too far ends the process."""
    code = "from tests.core.kernels.test_json_numbers import read_before_guard; read_before_guard()"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "unharmed\n"), done.stderr


@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 64 * 255, 64 * 256 + 1, 2**20])
def test_bytes_are_counted(length: int) -> None:
    text = Random(length).randbytes(length)
    assert [count_byte(text, bytes([byte])) for byte in range(256)] == [text.count(byte) for byte in range(256)]
    assert count_byte(b"," * length, b",") == length


def read_before_guard() -> None:
    page = mmap.PAGESIZE
    room = mmap.mmap(-1, 2 * page)
    address = ctypes.addressof(ctypes.c_char.from_buffer(room))
    if ctypes.CDLL(None, use_errno=True).mprotect(ctypes.c_void_p(address + page), page, 0):
        raise OSError(ctypes.get_errno(), "mprotect")
    random, texts = Random(6), number_texts(6)
    for _ in range(2_000):
        whole = body_text(random, texts)
        for text in (whole, damaged(random, whole), whole[: random.randrange(len(whole) + 1)]):
            if len(text) <= page:
                room[page - len(text) : page] = text
                json_columns(memoryview(room)[page - len(text) : page], NAMES)
                json_signs(memoryview(room)[page - len(text) : page])
                count_byte(memoryview(room)[page - len(text) : page], b",")
    sys.stdout.write("unharmed\n")
    sys.stdout.flush()
    os._exit(0)  # the mapping cannot be closed while its address is held


SANITIZED = """
import json
import sys
from pathlib import Path
from random import Random
from app.core.kernels.json_columns import _TYPES as TYPES
from tests.core.kernels.test_json_numbers import NAMES
from tests.core.kernels.test_kernel_builds import loaded, outcomes
from tests.wire.number_texts import body_text, damaged, number_texts
module = loaded(Path(sys.argv[1]))
outcomes(module)
random, texts = Random(7), number_texts(7)
for _ in range(10_000):
    whole = body_text(random, texts)
    for text in (whole, damaged(random, whole)):
        module.json_columns(bytearray(text), NAMES, *TYPES, json.loads)
        module.json_signs(bytearray(text))
        module.count_byte(bytearray(text), 44)
print("clean")
"""


@pytest.mark.slow
def test_sanitizers_find_nothing(tmp_path: Path) -> None:
    compiler = shlex.split(os.getenv("CC") or sysconfig.get_config_var("CC"))
    library = subprocess.run([*compiler, "-print-file-name=libasan.so"], capture_output=True, text=True, check=True)
    if not Path(library.stdout.strip()).is_absolute():
        pytest.skip("the compiler brings no address sanitizer")
    built = build(tmp_path, "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    environment = os.environ | {
        "LD_PRELOAD": library.stdout.strip(),
        "PYTHONMALLOC": "malloc",  # so that each object has bounds of its own
        "ASAN_OPTIONS": "detect_leaks=0",
    }
    done = subprocess.run(
        [sys.executable, "-c", SANITIZED, built], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "clean\n"), done.stderr


def test_the_table_is_the_one_that_its_script_writes() -> None:
    subprocess.run([sys.executable, "scripts/powers_of_five.py", "--check"], cwd=ROOT, check=True)
