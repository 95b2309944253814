"""The columns as a request names them: which column of the body holds which field, and what becomes of the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import Final, Literal, NamedTuple, TypeAlias

from app.core.synonyms import meant
from app.core.tasks import TASKS, TaskName, candidate_of
from app.errors import FieldError, InvalidInput, clip, pointer
from app.wire.fields import Field

STAR = "*"
AUTO: Final = "auto"
"""The value of `classes` that takes the names from the body."""
MAX_SEARCHED = 1_000
"""The most names among which one that was meant is looked for, since that takes long."""
MAX_SHOWN = 8
"""The most names of columns that an error lists."""

Classes: TypeAlias = tuple[str, ...] | Literal["auto"] | None


class Named(NamedTuple):
    """A field whose columns the query names.

    Attributes:
        parameter: The query parameter.
        texts: Its values: names, several with commas between them, or one with a star in it for all that match.
    """

    field: Field
    parameter: str
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Naming:
    """The columns as a request names them.

    Attributes:
        named: The fields whose columns the query names.
        roles: The fields of which the body must hold exactly one each, such as those that may be the truth.
        known: The fields that columns of the same name hold, where the query names no other.
        has_candidates: Whether predictions are those of candidates: columns of theirs are known, where the query names
            none of them.
        ignores_extra: Whether columns that hold nothing are left out; else they are refused.
        classes: The class names of the query, in column order.
    """

    task: TaskName
    named: tuple[Named, ...] = ()
    roles: tuple[tuple[str, ...], ...] = ()
    known: frozenset[str] = frozenset()
    has_candidates: bool = False
    ignores_extra: bool = False
    classes: Classes = None

    @property
    def items(self) -> list[str]:
        """The names and patterns in the query, as long as no column has a comma in its name."""
        return [item.strip() for named in self.named for text in named.texts for item in text.split(",")]

    @property
    def unnamed(self) -> frozenset[str]:
        """The fields that are looked for under their own names: one truth that is named makes all others extra."""
        taken = {named.field.name for named in self.named} | {named.parameter for named in self.named}
        others = {name for names in self.roles if taken & set(names) for name in names}
        return self.known - taken - others

    @property
    def has_unnamed_candidates(self) -> bool:
        """Tell if columns of candidates are looked for under their own names, for the query names none."""
        return self.has_candidates and not any(candidate_of(named.field.name) for named in self.named)


def own_names(task: TaskName) -> Naming:
    """The columns of a scoring request whose query names none.

    >>> own_names("tokens").roles
    (('log_probabilities',),)
    """
    found = TASKS[task]
    roles = tuple(filter(None, (found.truths, found.predictions)))
    return Naming(task, (), roles, frozenset((*found.truths, *found.predictions, *found.columns)))


class Choice(NamedTuple):
    """A column that a parameter chose: its place in the table, its name, and what the star of a pattern stands for."""

    place: int
    name: str
    rest: str | None = None


class Table:
    """The names of a table's columns, and which of them parameters choose."""

    def __init__(self, names: Mapping[int, str]) -> None:
        self.names = names
        self._places: dict[str, list[int]] = {}
        for place, name in names.items():
            self._places.setdefault(name, []).append(place)

    def items(self, named: Named) -> list[str]:
        """The names and patterns of a parameter; a comma stands between two, unless a column has it in its name."""
        items = [
            item
            for text in named.texts
            for item in ([text] if text in self._places else map(str.strip, text.split(",")))
        ]
        if "" in items:
            raise InvalidInput.at(pointer(named.parameter), "missing", "must name a column of the body, found no name")
        if any(self.is_pattern(item) and item.count(STAR) > 1 for item in items):
            rule = f"must have one {STAR} in a pattern, found several"
            raise InvalidInput.at(pointer(named.parameter), "out_of_range", rule)
        return items

    def is_pattern(self, item: str) -> bool:
        """Tell if an item stands for all columns that match it."""
        return STAR in item and item not in self._places

    def column(self, named: Named, item: str) -> Choice:
        """The column of a name.

        Raises:
            InvalidInput: There is none, or several.
        """
        places = self._places.get(item, ())
        if len(places) == 1:
            return Choice(places[0], item)
        if places:
            rule = f"must name one column, found {len(places)} called {_quoted(item)}"
            raise InvalidInput.at(pointer(named.parameter), "duplicate", rule)
        rule = f"must name a column of the body, found none called {_quoted(item)}"
        raise InvalidInput.at(pointer(named.parameter), "missing", rule + self._starred(named, item))

    def matching(self, named: Named, pattern: str, taken: set[int]) -> list[Choice]:
        """The columns that match a pattern, but those that are taken.

        Raises:
            InvalidInput: There is none, or two of one name.
        """
        start, _, end = pattern.partition(STAR)
        found = [
            Choice(place, name, name[len(start) : len(name) - len(end)])
            for place, name in self.names.items()
            if place not in taken
            and len(name) >= len(start) + len(end)
            and name.startswith(start)
            and name.endswith(end)
        ]
        if not found:
            rule = f"must match a column of the body, found none like {_quoted(pattern)}"
            raise InvalidInput.at(pointer(named.parameter), "missing", rule + self._hint(pattern.replace(STAR, "")))
        if twice := next((choice.name for choice in found if len(self._places[choice.name]) > 1), None):
            rule = f"must match columns of different names, found {_quoted(twice)} twice"
            raise InvalidInput.at(pointer(named.parameter), "duplicate", rule)
        return found

    def _starred(self, named: Named, item: str) -> str:
        """The advice where several columns begin with a name that none has."""
        alike = sum(name.startswith(item) for name in self.names.values())
        if alike < 2 or named.field.rule.nested is False:
            return self._hint(item)
        return clip(f"; {named.parameter}={item}{STAR}") + f" takes the {alike} columns that begin so"

    def _hint(self, item: str) -> str:
        names = list(islice(filter(None, self.names.values()), MAX_SEARCHED))
        folded = {name.casefold(): name for name in names}
        close = get_close_matches(item[:80].casefold(), folded, n=1, cutoff=0.6)
        if close:
            return f"; did you mean {_quoted(folded[close[0]])}?"
        return f"; the body has {clip(', '.join(names[:MAX_SHOWN]))}" if names else ""

    def no_candidate(self) -> FieldError:
        """The error of a body in which no column is of a candidate."""
        shown = clip(", ".join(list(self.names.values())[:MAX_SHOWN]))
        rule = "must hold candidates, found none; name their columns in the query, as in candidates.old=p_old"
        return FieldError("/candidates", "missing", f"{rule}; the body has {shown}")

    def missing(self, role: tuple[str, ...], used: set[int]) -> FieldError:
        """The error of a body in which no column holds a field of which there must be one."""
        free = [name for place, name in self.names.items() if place not in used][:MAX_SEARCHED]
        close = next((name for name in free if meant(name, role, cutoff=0.7) or _is_like(name, role)), None)
        words = f"exactly one of {', '.join(role)}" if len(role) > 1 else role[0]
        column = "my_column" if close is None else _suggested(close, free)
        rule = f"must hold {words}, found none; name its column in the query, as in {role[0]}="
        return FieldError("", "missing", f"{rule}{column}")


def _is_like(name: str, role: tuple[str, ...]) -> bool:
    """Tell if a name begins like a field, as `p_cat` does."""
    start, mark, _ = name.rpartition("_")
    return bool(mark) and meant(start, role, cutoff=0.9) is not None


def _suggested(name: str, free: list[str]) -> str:
    """A name, or a pattern where several begin like it."""
    start, mark, _ = name.rpartition("_")
    alike = mark and sum(other.startswith(start + mark) for other in free) > 1
    return clip(f"{start}_{STAR}" if alike else name)


def _quoted(text: str) -> str:
    return f'"{clip(text)}"'
