"""Arrays, lists, series and tensors in: the number is the same in whatever form they come and are sent."""

import math
import sys
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from surprisal_client import Client, InputError
from surprisal_client.sources import memory
from surprisal_client.sources.arrays import column_of
from tests.data import classes, documents, events, loss

LABELS, PROBABILITIES = classes(300)
LARGE = classes(5000)


def value(client: Client, *data: Any, **fields: Any) -> float:
    found = client.score(*data, **fields).cross_entropy.value
    assert isinstance(found, float)
    return found


@pytest.mark.parametrize("rows", [(LABELS, PROBABILITIES), LARGE], ids=["small", "large"])
def test_the_number_is_that_of_numpy(client: Client, rows: Any) -> None:
    assert math.isclose(value(client, labels=rows[0], probabilities=rows[1]), loss(*rows), rel_tol=1e-12)


FORMS = {
    "lists": (LABELS.tolist(), PROBABILITIES.tolist()),
    "tuples": (tuple(LABELS.tolist()), tuple(map(tuple, PROBABILITIES.tolist()))),
    "a list of arrays": (list(LABELS), list(PROBABILITIES)),
    "series and frame of pandas": (pd.Series(LABELS), pd.DataFrame(PROBABILITIES)),
    "series and frame of Polars": (pl.Series(LABELS), pl.DataFrame(PROBABILITIES)),
    "arrays of PyArrow": (pa.array(LABELS), pa.array(PROBABILITIES.tolist())),
    "columns in another order in memory": (LABELS, np.asfortranarray(PROBABILITIES)),
    "small integers": (LABELS.astype(np.uint8), PROBABILITIES),
    "a range of rows": (LABELS, np.repeat(PROBABILITIES, 2, axis=0)[::2]),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_form_of_the_same_rows_gives_the_same_bits(client: Client, form: tuple[Any, Any]) -> None:
    expected = value(client, labels=LABELS, probabilities=PROBABILITIES)
    assert value(client, labels=form[0], probabilities=form[1]) == expected
    assert value(client, *form) == expected


def body_of(fields: dict[str, Any]) -> str:
    body = memory.source_of(fields).body
    return body.media_type if body else "application/json"


def test_every_format_gives_the_same_bits(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    fields = {"labels": LARGE[0], "probabilities": LARGE[1], "sample_weight": np.arange(5000.0)}
    found = {body_of(fields): value(client, **fields)}
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "pyarrow", None)
        found[body_of(fields)] = value(client, **fields)
    monkeypatch.setattr(memory, "SMALL", 10**9)
    found[body_of(fields)] = value(client, **fields)
    assert list(found) == ["application/vnd.apache.arrow.stream", "application/x-npz", "application/json"]
    assert len(set(found.values())) == 1


def test_names_gaps_dates_and_numbers_are_sent_as_they_are(client: Client) -> None:
    names = pd.Series(np.array(["a", "b", "c"])[LABELS], dtype="category")
    days = pd.Series(pd.date_range("2026-01-01", periods=2).repeat(150))
    found = client.score(
        labels=names,
        classes=["a", "b", "c"],
        probabilities=PROBABILITIES,
        slices={"day": days, "odd": LABELS % 2 == 1},
        cluster_id=np.arange(300) // 3,
        include=["slices"],
    )
    assert found.cross_entropy.value == value(client, LABELS, PROBABILITIES)
    assert {name: len(parts) for name, parts in found.slices.items()} == {"day": 2, "odd": 2}


ZONED = pd.Series(pd.date_range("2026-01-01", periods=300, tz="Europe/Oslo"))
OBJECTS: dict[str, tuple[Any, Any]] = {
    "days with a zone": (ZONED, [str(day) for day in ZONED]),
    "dates": (pd.Series([date(2026, 1, 1), None]), ["2026-01-01", None]),
    "identifiers": (pd.Series([UUID(int=1), UUID(int=2)]), [str(UUID(int=1)), str(UUID(int=2))]),
    "decimals": (pd.Series([Decimal("0.5"), Decimal("0.25")]), [0.5, 0.25]),
    "gaps of pandas": (pd.array([1, pd.NA], dtype="Int64"), [1, None]),
    "days with gaps": (np.array(["2026-01-01", "NaT"], "datetime64[D]"), ["2026-01-01", None]),
    "a list a row": (pd.Series([[0.5, 0.5], [0.25, 0.75]]), [[0.5, 0.5], [0.25, 0.75]]),
    "a frame of objects": (pd.DataFrame([[0.5, None]], dtype=object), [[0.5, None]]),
    "a number of many digits": ([2**70, 1], [2**70, 1]),
    "a range": (range(2), [0, 1]),
    "a view of values": ({"a": 1, "b": 2}.values(), [1, 2]),
    "rows and a number": ([[1, 2], 3], [[1, 2], 3]),
}


@pytest.mark.parametrize(("given", "values"), OBJECTS.values(), ids=OBJECTS)
def test_objects_become_numbers_and_texts(given: Any, values: list[Any]) -> None:
    column = column_of("slices.x", given)
    assert (column.tolist() if isinstance(column, np.ndarray) else column) == values


def test_slices_are_a_frame_or_a_series_too(client: Client) -> None:
    frame = pd.DataFrame({"day": ZONED.dt.day, "odd": LABELS % 2 == 1})
    for slices, names in ((frame, ["day", "odd"]), (frame["odd"], ["odd"])):
        found = client.score(LABELS, PROBABILITIES, slices=slices, include=["slices"])
        assert list(found.slices) == names


def test_minus_infinity_and_masked_gaps_are_sent(client: Client) -> None:
    logits = np.log(PROBABILITIES)
    logits[0] = [0.0, -np.inf, -np.inf]
    logits[1] = np.nan
    labels = LABELS.copy()
    labels[0] = 0
    found = client.score(labels=labels, logits=logits, mask=np.arange(300) != 1)
    assert found.n_scored == 299
    assert found.cross_entropy.status == "ok"


TASKS: dict[str, dict[str, Any]] = {
    "binary": {"labels": events(50)[0], "probabilities": events(50)[1]},
    "multiclass": {"labels": LABELS, "logits": np.log(PROBABILITIES)},
    "multilabel": {"labels": PROBABILITIES > 0.5, "probabilities": PROBABILITIES},
    "tokens": {"log_probabilities": documents(20), "n_bytes": [9] * 20},
}


@pytest.mark.parametrize("task", TASKS)
def test_the_task_is_told_from_the_shapes_and_said(client: Client, task: str) -> None:
    found = client.score(**TASKS[task])
    assert found.task == task
    assert f"scored as {task}" in str(found)
    named = client.score(**TASKS[task], task=task)
    assert named.answer == found.answer
    assert "scored as" not in str(named)


def test_the_task_of_soft_targets_must_be_named(client: Client) -> None:
    with pytest.raises(InputError, match="name the task, which may be multiclass, multilabel or distributions"):
        client.score(targets=PROBABILITIES, probabilities=PROBABILITIES)
    assert (
        client.score(targets=PROBABILITIES, probabilities=PROBABILITIES, task="distributions").task == "distributions"
    )


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "a number": ({"labels": 1, "probabilities": [0.5]}, "labels: must hold a value a row, found the int '1'"),
    "a name without a frame": ({"labels": "y", "probabilities": [0.5]}, "labels: .* names of columns need a frame"),
    "lengths": ({"labels": [1, 0], "probabilities": [0.5]}, "probabilities: must hold as many rows as labels, 2"),
    "mixed types": ({"labels": ["a", 1], "probabilities": [0.5, 0.5]}, "row 0 holds the str 'a', row 1 the int '1'"),
    "another name": ({"y_true": [1, 0], "probabilities": [0.5, 0.5]}, r'y_true: .* did you mean "labels"\?'),
    "a typing error": ({"lables": [1, 0], "probabilities": [0.5, 0.5]}, r'lables: .* did you mean "labels"\?'),
    "no truth": ({"probabilities": [0.5, 0.5]}, r"one of labels, targets .* found probabilities"),
    "two predictions": ({"labels": [1], "probabilities": [0.5], "logits": [0.0]}, "found labels, probabilities"),
    "a long unknown field": ({"labels": [1], "probabilities": [0.5], "extra": [0] * 2000}, "extra: must be one of"),
    "slices without a name": ({"labels": [1], "probabilities": [0.5], "slices": ["a"]}, "slices: must be an object"),
    "shapes of no task": ({"labels": PROBABILITIES, "probabilities": LABELS}, "no task .* fields; labels come before"),
}  # fmt: skip


@pytest.mark.parametrize(("fields", "told"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_before_anything_is_sent(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        Client("http://127.0.0.1:1").score(**fields)


def test_a_problem_points_at_the_argument(client: Client) -> None:
    wrong = PROBABILITIES.copy()
    wrong[3, 1] = 1.5
    with pytest.raises(InputError, match=r"^probabilities\[3, 1\]: must lie in \[0, 1\], found 1.5") as raised:
        client.score(LABELS, wrong)
    (error,) = raised.value.errors
    assert (error.argument, error.row, error.code) == ("probabilities", 3, "out_of_range")
    assert (raised.value.status, raised.value.code) == (422, "invalid_input")
    assert raised.value.request_id


def test_a_message_names_few_places_and_counts_the_others(client: Client) -> None:
    with pytest.raises(InputError, match=r"and 895 more$") as raised:
        client.score(LABELS, PROBABILITIES + 1.5)
    assert len(raised.value.errors) == 20
