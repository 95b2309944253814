"""Patterns of paths: `*` and `?` within a name, `[ab]` for one sign of several, `**` for folders of any depth."""

import re
from fnmatch import translate

SIGNS = re.compile(r"[*?\[]")
ANY_DEPTH = "**"


def is_pattern(text: str) -> bool:
    """Tell if a path or a name holds a sign of a pattern."""
    return SIGNS.search(text) is not None


def fixed_start(path: str) -> tuple[str, tuple[str, ...]]:
    """The folder before the first name with a sign of a pattern, and the names from there on.

    >>> fixed_start("/a/b/*/c.csv"), fixed_start("/a/b.csv")
    (('/a/b', ('*', 'c.csv')), ('/a/b.csv', ()))
    """
    names = path.split("/")
    first = next((place for place, name in enumerate(names) if is_pattern(name)), len(names))
    return "/".join(names[:first]) or "/", tuple(names[first:])


def matches(names: tuple[str, ...], parts: tuple[str, ...]) -> bool:
    """Tell if the parts of a path fit the names of a pattern; names that begin with a point must be named so.

    >>> matches(("**", "*.csv"), ("a", "b", "c.csv")), matches(("*.csv",), ("a", "c.csv")), matches(("*",), (".c",))
    (True, False, False)
    """
    if not names or not parts:
        return not parts and all(name == ANY_DEPTH for name in names)
    if names[0] == ANY_DEPTH:
        return matches(names[1:], parts) or (not parts[0].startswith(".") and matches(names, parts[1:]))
    return _fits(names[0], parts[0]) and matches(names[1:], parts[1:])


def may_match(names: tuple[str, ...], folder: tuple[str, ...]) -> bool:
    """Tell if there may be paths below a folder that fit the names."""
    if not folder:
        return bool(names)
    if not names:
        return False
    return names[0] == ANY_DEPTH or (_fits(names[0], folder[0]) and may_match(names[1:], folder[1:]))


def _fits(name: str, part: str) -> bool:
    if part.startswith(".") and not name.startswith("."):
        return False
    return re.fullmatch(translate(name), part) is not None
