"""Every layer agrees with the one table of columns."""

from typing import Any

import numpy as np
import pytest

from app.api.schemas import calibrate, compare, score
from app.core.columns import checked_column
from app.core.kernels.quantities import FORMS
from app.core.tasks import COLUMN_NAMES, COLUMNS, TASKS, ColumnSpec, Shape, TaskName, ValueKind, shape_of
from app.errors import InvalidInput
from app.wire.columns import RULES, SLICE_RULE, Rule
from app.wire.fields import CODES
from app.wire.numbered import NUMBERED

EXAMPLES: dict[str, Any] = {"number": 0.5, "integer": 1, "boolean": True, "string": "a"}
"""A value of each type; a score is a number, or a text that JSON has for one."""
TAKEN: dict[ValueKind, set[str]] = {
    "number": {"number", "integer"},
    "score": {"number", "integer"},
    "integer": {"integer"},
    "boolean": {"boolean"},
    "string": {"string"},
}
every_column = pytest.mark.parametrize("column", COLUMNS.values(), ids=lambda column: str(column.name))
every_task = pytest.mark.parametrize("task", TASKS)


def taken(column: ColumnSpec) -> set[str]:
    return set().union(*(TAKEN[kind] for kind in column.kinds))


def rule_of(task: TaskName, name: str) -> Rule:
    return SLICE_RULE if name == "slices" else RULES[task][name]


def is_sound(name: str, value: object) -> bool:
    try:
        checked_column(name, np.array([value]), f"/{name}")
    except InvalidInput:
        return False
    return True


def types_of(schema: dict[str, Any]) -> set[str]:
    """The types of values in lists, however deep, and of what may stand for them."""
    inner = [schema[key] for key in ("items", "additionalProperties") if isinstance(schema.get(key), dict)]
    if inner or "anyOf" in schema:
        return set().union(*map(types_of, (*inner, *schema.get("anyOf", ()))))
    types = schema["type"]
    return {"-Infinity"} if "enum" in schema else set(types if isinstance(types, list) else [types])


def depth_of(schema: dict[str, Any]) -> set[int]:
    """The depths of the lists that a schema describes."""
    types = schema.get("type")
    if types in ("array", ["array", "null"]):
        return {depth + 1 for depth in depth_of(schema["items"])}
    if types == ["object", "null"]:
        return depth_of(schema["additionalProperties"])
    return set().union(*map(depth_of, schema["anyOf"])) if "anyOf" in schema else {0}


@every_column
def test_a_column_has_all_that_is_said_of_one(column: ColumnSpec) -> None:
    assert column.tasks
    assert column.kinds
    assert column.shapes.keys() <= set(column.tasks)
    assert column.doc.endswith(".")


@every_task
def test_a_task_knows_the_columns_that_name_it(task: TaskName) -> None:
    known = TASKS[task]
    named = [name for name, column in COLUMNS.items() if task in column.tasks]
    assert sorted((*known.truths, *known.predictions, *known.columns)) == sorted(named)
    assert {shape_of(task, name) for name in known.predictions} == {known.shape}


@every_column
def test_the_core_and_every_format_take_the_same_values(column: ColumnSpec) -> None:
    for kind, value in EXAMPLES.items():
        is_taken = kind in taken(column)
        assert is_sound(column.name, value) == is_taken, kind
        for task in TASKS:
            kinds = rule_of(task, column.name).kinds
            assert any(kind.holds(value) for kind in kinds) == is_taken, kind
            codes = {code for kind in kinds for code in CODES[kind.dtype.kind]}
            assert (np.array(value).dtype.kind in codes) == is_taken, kind
    takes_infinity = any("-Infinity" in kind.texts for kind in rule_of("binary", column.name).kinds)
    assert takes_infinity == ("score" in column.kinds)


@every_task
def test_the_schema_tells_each_column_as_it_is(task: TaskName) -> None:
    fields = score.MODELS[task].model_json_schema()["properties"]
    assert [name for name in fields if name in COLUMNS] == [name for name in COLUMNS if task in COLUMNS[name].tasks]
    depths: dict[Shape, set[int]] = {"(n,)": {1}, "(n,) or (n, l)": {1, 2}}
    nested = {False: {1}, True: {2}, None: {1, 2}}
    for name in fields.keys() & COLUMNS.keys():
        column, shape = COLUMNS[name], shape_of(task, name)
        told = types_of(fields[name])
        assert told - {"-Infinity"} == taken(column) - ({"integer"} if "number" in told else set())
        assert ("-Infinity" in told) == ("score" in column.kinds)
        assert depth_of(fields[name]) == depths.get(shape, {2}) == nested[rule_of(task, name).nested]
        assert fields[name]["description"] == f"{column.doc} Shape {shape}."


def test_comparing_and_calibrating_take_columns_of_the_table() -> None:
    for task, model in calibrate.MODELS.items():
        known = TASKS[task]
        fitted = {name for name in known.columns if COLUMNS[name].is_fitted}
        assert model.model_fields.keys() & COLUMNS.keys() == {*known.truths, *known.predictions, *fitted}
    for task, model in compare.MODELS.items():
        assert model.model_fields.keys() & COLUMNS.keys() == {*TASKS[task].truths, *TASKS[task].columns}


def test_kernels_know_the_form_of_every_prediction() -> None:
    assert sorted(FORMS) == sorted(name for name, column in COLUMNS.items() if column.role == "prediction")


def test_columns_of_tables_are_numbered_where_there_are_several_a_row() -> None:
    wide = {"(n, k)", "(n, l)", "(n,) or (n, l)"}
    for name, column in COLUMNS.items():
        has_several = any(shape_of(task, name) in wide for task in column.tasks)
        assert (NUMBERED.fullmatch(f"{name}_0") is not None) == has_several
    assert set(COLUMN_NAMES) == COLUMNS.keys() - {"slices"}
