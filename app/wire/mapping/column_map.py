"""The column map: which columns of a table make which columns of a request, decided once from their names alone."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

import numpy as np

from app.core.batch.truth import ONE_BASED
from app.core.columns import IntArray
from app.core.tasks import TASKS, TaskName, candidate_of
from app.errors import FieldError, InvalidInput, clip, pointer
from app.wire.fields import SLICE, check_columns, field_of, is_of_candidate
from app.wire.limits import Limits
from app.wire.mapping.class_order import NUMBER, ClassOrder
from app.wire.mapping.naming import AUTO, Choice, Classes, Named, Naming, Table
from app.wire.numbered import NUMBERED, Group, groups_of
from app.wire.skipping import Made, Skipping

BY_COLUMNS = f"classes={AUTO} in the query takes the names from those of the columns"
BY_CATEGORIES = f"classes={AUTO} in the query takes the categories of the labels, in their order"
LISTED = "classes=a,b in the query lists them"
FRAME_COLUMNS = 3
"""The least columns of a frame whose sender is told first to name those that hold the fields."""
INDEX = re.compile(r"__index_level_\d+__|Unnamed: 0|")
"""The names that the numbers of rows have in files of pandas; in CSV it is none at all."""


class ColumnMap:
    """The map of one body, made from the names of its columns before any value is read.

    Attributes:
        naming: The columns as the request names them.
        classes: The class names; "auto" as long as they are not found.
        categories: The categories of the labels in their own order, if the query asks for them and there are any; None
            before they are known.
        has_categories: Whether the labels are categories.
        kinds: The kinds of values of columns in CSV by the name of the field, empty for a column that is not set; None
            before the first rows settle them.
        skipping: The rows at fault that are skipped; None where each ends the reading.
    """

    def __init__(self, naming: Naming) -> None:
        self.naming = naming
        self.classes: Classes = naming.classes
        self.categories: tuple[str, ...] | None = None
        self.has_categories = False
        self.kinds: Mapping[str, str] | None = None
        self.skipping: Skipping | None = None
        self._sources: dict[str, tuple[str, ...]] = {}
        self._has_numbers = self._has_names = False
        self._n_listed = 0

    def tried(self, first_row: int, n_rows: int, make: Callable[[IntArray | None], Made]) -> Made | None:
        """A part of the body, without rows at fault if these are skipped; None if no row is left.

        Args:
            first_row: The number of the first of its rows, in errors too.
            make: A function that makes the part of the rows at some places; of None it makes it of all.
        """
        if self.skipping is None:
            return make(None)
        return self.skipping.tried(np.arange(first_row, first_row + n_rows), first_row, make)

    @property
    def task(self) -> TaskName:
        """The task of the request."""
        return self.naming.task

    def groups(self, names: Mapping[int, str], limits: Limits, indices: Collection[str] = ()) -> list[Group]:
        """The columns of the request that those of a table make, that of the mask first.

        Args:
            names: The names of all columns of the table, by place.
            indices: The names of further columns that only number rows: they hold a field only if the query says so.

        Raises:
            InvalidInput: A column is missing, unknown or comes twice, or its name fits no class.
            TooLarge: More columns than `max_columns`.
        """
        check_columns(len(names), limits)
        kept = {place: name for place, name in names.items() if not INDEX.fullmatch(name) and name not in indices}
        unnamed, has_candidates = self.naming.unnamed, self.naming.has_unnamed_candidates
        own = {
            place: name
            for place, name in kept.items()
            if (field := _field_of_name(name)) in unnamed or (has_candidates and is_of_candidate(field, self.task))
        }
        table, groups = Table(names), list[Group]()
        if self.naming.named:
            groups = self._named(table, names.keys() - kept.keys() | own.keys())
        used = {place for group in groups for place in group.places}
        if not self.naming.ignores_extra:
            extra = {place: name for place, name in kept.items() if place not in used and place not in own}
            self._refuse_taken(extra.values())
            own = {place: name for place, name in kept.items() if place in own or place in extra}
        if own or not (groups or self.naming.ignores_extra):
            groups += self._under_own_names(table, own, limits)
        if self.naming.ignores_extra or self.naming.has_candidates:
            self._check_roles(table, groups)
        return sorted(groups, key=lambda group: not group.field.is_mask)

    def _under_own_names(self, table: Table, own: Mapping[int, str], limits: Limits) -> list[Group]:
        """The columns that are called like fields.

        Raises:
            InvalidInput: Others stand beside them. In a frame in which none is, the columns to name are told first.
        """
        try:
            return groups_of(own, limits, self.task, has_candidates=self.naming.has_candidates)
        except InvalidInput as refusal:
            is_frame = len(own) >= FRAME_COLUMNS and self.naming.known.isdisjoint(map(_field_of_name, own.values()))
            if self.naming.named or not is_frame:
                raise
            errors = self._lacking(table, (), set())
            raise InvalidInput((*errors, *refusal.errors), len(errors) + refusal.n_errors) from None

    @property
    def class_names(self) -> Classes:
        """The class names: of the query, else of the columns, else the categories of the labels.

        Columns that are only numbered name no class that a category is.
        """
        if self.naming.classes != AUTO or not self.categories:
            return self.classes
        names = self.classes if isinstance(self.classes, tuple) else ()
        are_names = names and (set(self.categories) <= set(names) or not all(map(NUMBER.fullmatch, names)))
        return names if are_names else self.categories

    def told(self, refusal: InvalidInput) -> InvalidInput:
        """The errors of a body, with the names of the columns that the query gave their fields."""
        return InvalidInput(map(self._told, refusal.errors), refusal.n_errors)

    def _told(self, error: FieldError) -> FieldError:
        if (error.pointer, error.code) == ("/classes", "missing") and AUTO not in error.detail:
            return replace(error, detail=f"{error.detail}; {self._ways_to_name()}")
        if self._has_numbers and error.pointer.startswith("/labels/") and error.code == "out_of_range":
            return replace(error, detail=f"{error.detail}; {BY_COLUMNS}")
        if self._n_listed and error.pointer.startswith("/labels/") and ONE_BASED in error.detail:
            numbers = clip(",".join(map(str, range(1, self._n_listed + 1))))
            return replace(error, detail=f"{error.detail}; classes={numbers} in the query takes them as names")
        for place, names in self._sources.items():
            row, _, element = error.pointer.removeprefix(f"{place}/").partition("/")
            if not error.pointer.startswith(f"{place}/") or not row.isdecimal():
                continue
            if len(names) == 1 or element.isdecimal():
                name = names[min(int(element or 0), len(names) - 1)]
                return replace(error, detail=f'{error.detail} (column "{clip(name)}")')
        return error

    def _ways_to_name(self) -> str:
        """The advice where class names are missing: the one parameter that gives them."""
        if self._has_names:
            return BY_COLUMNS
        if self.has_categories:
            return BY_CATEGORIES
        return f"{LISTED}, the negative one first" if self.task == "binary" else LISTED

    def _named(self, table: Table, left_out: set[int]) -> list[Group]:
        """The columns that the query names. A pattern leaves out those that something else names."""
        items = [(named, table.items(named)) for named in self.naming.named]
        single = {
            table.column(named, item).place for named, texts in items for item in texts if not table.is_pattern(item)
        }
        order, groups = ClassOrder(self.classes), list[Group]()
        for named, texts in sorted(items, key=lambda entry: not _is_prediction(entry[0], self.task)):
            choices = list[Choice]()
            for item in texts:
                if not table.is_pattern(item):
                    choices.append(table.column(named, item))
                    continue
                found = table.matching(named, item, left_out | single)
                is_ordered = len(found) > 1 and len(texts) == 1 and named.field.rule.nested is not False
                choices += order.ordered(named, found) if is_ordered else found
            groups += self._groups(named, choices)
        are_numbers = all(map(NUMBER.fullmatch, order.found))
        self._has_numbers = self.classes is None and bool(order.found) and are_numbers
        self._has_names |= bool(order.found) and not are_numbers
        return groups

    def _groups(self, named: Named, choices: list[Choice]) -> list[Group]:
        """The column of one field, or those of slices."""
        places = tuple(choice.place for choice in choices)
        if len(set(places)) < len(places):
            raise InvalidInput.at(pointer(named.parameter), "duplicate", "must name each column once, found one twice")
        if named.field.name == "slices":
            return [Group(field_of(SLICE + name, self.task), (place,), nested=False) for place, name, _ in choices]
        is_wide = len(choices) > 1
        if is_wide and (named.field.rule.nested is False or self.task == "tokens"):
            raise InvalidInput.at(pointer(named.parameter), "duplicate", _several(named, choices))
        if is_wide and self.classes == AUTO and _is_prediction(named, self.task):
            self.classes = tuple(name if rest is None else rest for _, name, rest in choices)
        if is_wide and _is_prediction(named, self.task) and choices[0].rest is None:
            self._has_names, self._n_listed = True, len(choices)
        self._sources[named.field.pointer] = tuple(choice.name for choice in choices)
        return [Group(named.field, places, nested=is_wide)]

    def _refuse_taken(self, names: Collection[str]) -> None:
        """Refuse columns named like a field whose column the query names, unless extra columns are ignored."""
        wrong = [name for name in names if _field_of_name(name) in self.naming.known]
        if wrong:
            rule = "must be left out, for the query names another column; extra_columns=ignore does that"
            raise InvalidInput((FieldError(pointer(name), "unknown_field", rule) for name in wrong), len(wrong))

    def _check_roles(self, table: Table, groups: list[Group]) -> None:
        """Refuse a table in which no column holds the truth, or the prediction."""
        used = {place for group in groups for place in group.places}
        if errors := self._lacking(table, {group.field.name for group in groups}, used):
            raise InvalidInput(errors)

    def _lacking(self, table: Table, found: Collection[str], used: set[int]) -> list[FieldError]:
        """The errors of roles that no field has, and of candidates if there are none."""
        errors = [table.missing(role, used) for role in self.naming.roles if set(found).isdisjoint(role)]
        if self.naming.has_candidates and not any(map(candidate_of, found)):
            errors.append(table.no_candidate())
        return errors


def _field_of_name(name: str) -> str:
    """The field that a column holds by its own name, if it holds one."""
    if name.startswith(SLICE):
        return "slices"
    match = NUMBERED.fullmatch(name)
    return match[1] if match else name


def _is_prediction(named: Named, task: TaskName) -> bool:
    return named.field.name.rpartition(".")[2] in TASKS[task].predictions


def _several(named: Named, choices: list[Choice]) -> str:
    """The error of several columns where one belongs."""
    names = [choice.name for choice in choices]
    rule = f"must name one column, found {len(names)}: {clip(', '.join(names))}"
    form = named.field.name.rpartition(".")[2]
    if named.field.rule.nested is False and form in ("probabilities", "logits") and len(names) == 2:
        return f"{rule}; name that of the positive class, as in {named.parameter}={clip(names[1])}"
    return rule
