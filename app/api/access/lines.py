"""The lines of a file of keys: one key each, and `#` begins a comment.

    name  SHA-256 of the token  scopes  rate
    ci    9f86d081884c7d65…     score   100/minute

The file holds no token, so it opens nothing for a reader. A token has 256 random bits: nobody can guess one, so a plain
SHA-256 needs neither salt nor stretching.
"""

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, NamedTuple, cast

from app.api.access.scopes import SCOPES, Scope
from app.errors import clip
from app.settings import WrongSettings

NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
DIGEST = re.compile(r"[0-9a-f]{64}")
RATE = re.compile(r"([1-9]\d{0,8})/(second|minute|hour|day)")
PREFIX = "surprisal_"
"""The beginning of every token, by which scanners for secrets can know it."""


class Rate(NamedTuple):
    """The most requests in a unit of time: `second`, `minute`, `hour` or `day`."""

    n_requests: int
    unit: str


@dataclass(frozen=True, slots=True)
class Key:
    """A caller that has a token.

    Attributes:
        scopes: The scopes it has.
        rate: The most requests that it may send; None for any number.
    """

    name: str
    scopes: tuple[Scope, ...]
    rate: Rate | None = None

    def may(self, needed: tuple[Scope, ...]) -> bool:
        """Tell if the key has one of the scopes."""
        return "admin" in self.scopes or not set(needed).isdisjoint(self.scopes)


class WrongKeys(WrongSettings):
    """A file of keys that cannot be used: each line says what must stand where."""


def digest_of(token: str) -> str:
    """SHA-256 of a token, in hexadecimal digits."""
    return sha256(token.encode()).hexdigest()


def new_key(name: str, scopes: str, rate: str = "") -> tuple[str, str]:
    """A new token, and the line of the file for it.

    Raises:
        WrongKeys: A name, scopes or a rate that no line may have.
    """
    token = PREFIX + secrets.token_urlsafe(32)
    words = [name, digest_of(token), scopes, *([rate] if rate else [])]
    if fault := _fault(words):
        raise WrongKeys(fault)
    return token, "  ".join(words)


def parse(text: str) -> dict[str, Key]:
    """The keys of a text, by the digest of their tokens.

    Raises:
        WrongKeys: A line is no key, or has the name or the token of another.
    """
    found: dict[str, Key] = {}
    names: set[str] = set()
    wrong: list[str] = []
    for number, words in _lines(text):
        fault = _fault(words)
        if not fault and words[0] in names:
            fault = f'the name must be of one key, found "{words[0]}" twice'
        if not fault and words[1] in found:
            fault = f'the token must be of one key, found it with "{found[words[1]].name}" too'
        if fault:
            wrong.append(f"line {number} of the keys: {fault}")
            continue
        names.add(words[0])
        found[words[1]] = _key(words)
    if wrong:
        raise WrongKeys("\n".join(wrong))
    return found


def _lines(text: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(text.splitlines(), 1):
        if words := line.partition("#")[0].split():
            yield number, words


def _fault(words: list[str]) -> str:
    """The rule that a line breaks; empty if it breaks none. It never repeats what may be a token."""
    if len(words) not in (3, 4):
        return f"must hold a name, a SHA-256, scopes and perhaps a rate, found {len(words)} words"
    if not NAME.fullmatch(words[0]):
        return "the name must have 1 to 64 letters, digits and ._-"
    if not DIGEST.fullmatch(words[1]):
        return "the second word must be a SHA-256 in 64 digits from 0 to f; `python -m app keys new` makes such a line"
    if strange := [scope for scope in words[2].split(",") if scope not in SCOPES]:
        return f'scopes must be of {", ".join(SCOPES)}, with commas and no spaces between, found "{clip(strange[0])}"'
    if words[3:] and not RATE.fullmatch(words[3]):
        return f'the rate must be like 100/minute, by second, minute, hour or day, found "{clip(words[3])}"'
    return ""


def _key(words: list[str]) -> Key:
    name, _, scopes, *rates = words
    matches = [cast("re.Match[str]", RATE.fullmatch(rate)) for rate in rates]
    rate = next((Rate(int(match[1]), match[2]) for match in matches), None)
    known: Any = tuple(scopes.split(","))
    return Key(name, known, rate)
