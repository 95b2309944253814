"""Numbers in every notation of JSON, and columns of them: what readers of numbers are tried with."""

import struct
from collections.abc import Iterator
from decimal import Context, Decimal
from itertools import islice
from random import Random

CONTEXT = Context(prec=1200)


def number_texts(seed: int) -> Iterator[str]:
    """Endless texts of finite numbers, many of them next to where rounding turns."""
    random = Random(seed)
    makers = (any_double, a_share, long_share, a_power, whole, odd_exponent, between_doubles)
    while True:
        text = random.choice(makers)(random)
        if abs(float(text)) < float("inf"):
            yield text


def any_double(random: Random) -> str:
    return repr(struct.unpack("d", struct.pack("Q", random.randrange(0x7FF << 52) | random.getrandbits(1) << 63))[0])


def a_share(random: Random) -> str:
    return repr(random.random())


def long_share(random: Random) -> str:
    return f"{random.random():.{random.randint(1, 40)}f}"


def a_power(random: Random) -> str:
    return f"{random.uniform(-1e5, 1e5):.{random.randint(1, 25)}{random.choice('eE')}}"


def whole(random: Random) -> str:
    return str(random.randint(-(10 ** random.randint(1, 30)), 10 ** random.randint(1, 30)))


def odd_exponent(random: Random) -> str:
    whole, fraction = random.randint(0, 10 ** random.randint(0, 22)), random.randint(0, 10 ** random.randint(0, 22))
    return f"{whole}.{fraction:0{random.randint(1, 22)}d}e{random.choice(['', '+', '-'])}{random.randint(0, 350)}"


def between_doubles(random: Random) -> str:
    """The middle of two neighbours, subnormal ones among them, in full or cut off behind some digits."""
    bits = random.randrange(1 << random.choice((52, 62)))
    below, above = struct.unpack("2d", struct.pack("2Q", bits, bits + 1))
    middle = CONTEXT.divide(CONTEXT.add(Decimal(below), Decimal(above)), Decimal(2))
    return f"{middle:e}" if random.random() < 0.4 else f"{middle:.{random.randint(10, 40)}e}"


def column_text(random: Random, texts: Iterator[str]) -> bytes:
    """A list of numbers, or of lists of numbers, with space here and there."""
    space = random.choice(["", " ", "\n\t "])
    numbers = list(islice(texts, random.randint(1, 12)))
    if random.random() < 0.5:
        return f"[{space}{f'{space},{space}'.join(numbers)}{space}]".encode()
    rows = [",".join(islice(texts, random.randint(1, 4))) for _ in numbers]
    return f"[{space}[{f']{space},{space}['.join(rows)}]]".encode()


def body_text(random: Random, texts: Iterator[str]) -> bytes:
    """An object of columns, with other things among them."""
    fields = [_field(random, texts) for _ in range(random.randint(0, 5))]
    nested = [b'"slices":{%b}', b'"candidates":{"a/\xc3\xa9":{%b},"b":{}}', b'"x":[{%b}]']
    fields += [random.choice(nested) % _field(random, texts) for _ in range(random.randrange(3))]
    space = random.choice([b"", b" ", b"\n\t "])
    return b"%b{%b}%b" % (space, (b"," + space).join(fields), space)


def _field(random: Random, texts: Iterator[str]) -> bytes:
    name = random.choice(
        ["labels", "logits", "mask", "n_bytes", "probabilities", r"x\"y", r"\u0061", "é", "", "mask:b labels"]
    )
    others = ["null", "true", "{}", "[]", r'"\\"', r'"a\"]"', "[[],[1],[1,2]]", "[true,false]", "[[true],[false]]"]
    others += [r'["a","\u00e9", "\\", "\"" ,""]', '["x"]', '["-Infinity",1]', '[["-Infinity"],[1]]']
    value = column_text(random, texts) if random.random() < 0.6 else random.choice(others).encode()
    return b'"%b":%b' % (name.encode(), value)


def damaged(random: Random, text: bytes) -> bytes:
    """The text with some bytes dropped, doubled or put in."""
    for _ in range(random.randint(1, 3)):
        at = random.randrange(len(text) + 1)
        put = random.choice(
            [b"", b"[", b"]", b",", b".", b"-", b"+", b"e", b"0", b"9", b" ", b"null", b"\x00", b"\xff", b'"', b"\\"]
        )
        text = text[:at] + put + text[at + random.randrange(3) :]
    return text
