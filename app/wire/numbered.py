"""The columns of a table that make one of a request: `probabilities_0`, `probabilities_1` and so on."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from app.core.tasks import TaskName
from app.errors import InvalidInput
from app.wire.columns import WIDE
from app.wire.fields import Field, fields_of
from app.wire.limits import Limits

ONE_TYPE = "must hold values of one type in all columns, found several"
NUMBERED = re.compile(rf"((?:candidates\..+\.)?(?:{'|'.join(WIDE)}))_(0|[1-9]\d{{0,6}})")


@dataclass(frozen=True, slots=True)
class Group:
    """The columns of a table that make one column of a request.

    Attributes:
        places: The positions of these columns in the table.
        nested: Whether the column is (n, k), made of k columns of the table; else it is made of one.
    """

    field: Field
    places: tuple[int, ...]
    nested: bool


def groups_of(names: Mapping[int, str], limits: Limits, task: TaskName, *, has_candidates: bool = False) -> list[Group]:
    """The columns of a request that the columns of a table make, those that are numbered last.

    Args:
        names: The names of the columns by their positions in the table.
        has_candidates: Whether columns may be of candidates.

    Raises:
        InvalidInput: A name is unknown or comes twice, or numbers do not count from 0.
        TooLarge: More columns than `max_columns`.
    """
    plain: list[tuple[str, dict[int, int]]] = []
    numbered: dict[str, dict[int, int]] = {}
    for place, name in names.items():
        match = NUMBERED.fullmatch(name)
        if match is None:
            plain.append((name, {0: place}))
        elif numbered.setdefault(match[1], {}).setdefault(int(match[2]), place) != place:
            raise InvalidInput.at(f"/{match[1]}", "duplicate", f"must have {name} once, found it again")
    merged = [*plain, *numbered.items()]
    fields = fields_of([name for name, _ in merged], limits, task, has_candidates=has_candidates)
    for name, places in numbered.items():
        gap = next((j for j in range(len(places)) if j not in places), None)
        if gap is not None:
            raise InvalidInput.at(f"/{name}", "missing", f"must be numbered from 0 without gaps, found no {name}_{gap}")
    return [
        Group(field, tuple(places[j] for j in range(len(places))), nested=i >= len(plain))
        for i, (field, (_, places)) in enumerate(zip(fields, merged, strict=True))
    ]
