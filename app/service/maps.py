"""Fitted maps as JSON: an answer of calibrating holds one, and a request applies it to other predictions."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.core.fits.platt_isotonic import UNCHANGED, Calibrator, Isotonic, Method, Platt, Thresholds
from app.core.fits.temperature import Temperature
from app.core.tasks import TaskName
from app.errors import InvalidInput
from app.service.nodes import Node

VERSION = 1
"""The version of maps; one of another version is refused by its number."""
CODE = "invalid_map"
"""The code of errors about a map."""
CALIBRATED: dict[TaskName, tuple[Method, ...]] = {
    "binary": ("temperature", "platt", "isotonic"),
    "multiclass": ("temperature",),
}
"""The methods of each task that can be calibrated, the default first."""
HEAD = ("version", "task", "method", "n_classes")
FIELDS: dict[Method, tuple[str, ...]] = {
    "temperature": ("temperature",),
    "platt": ("slope", "intercept"),
    "isotonic": ("thresholds",),
}
"""The fields of a map that describe its curve, by method."""

MAX_CLASSES = MAX_POINTS = 100_000
MIN_TEMPERATURE, MAX_TEMPERATURE = 1e-9, 1e9
_LARGEST = sys.float_info.max


@dataclass(frozen=True, slots=True)
class CalibrationMap:
    """A fitted curve, and the predictions that it is for.

    Attributes:
        classes: The names of the classes, in column order, if the fit had any.
    """

    task: TaskName
    method: Method
    n_classes: int
    calibrator: Calibrator
    classes: tuple[str | int, ...] | None = None

    def to_json(self) -> dict[str, Any]:
        """The map as an answer holds it."""
        names = {} if self.classes is None else {"classes": self.classes}
        head = {"version": VERSION, "task": self.task, "method": self.method, "n_classes": self.n_classes}
        return head | names | self.calibrator.to_json()

    def check_classes(self, n_classes: int, form: str) -> None:
        """Refuse a prediction of other classes than the fit had.

        Raises:
            InvalidInput: There are more, or fewer.
        """
        if n_classes != self.n_classes:
            rule = f"must be {n_classes}, the number of classes of {form}, found {self.n_classes}"
            raise InvalidInput.at("/map/n_classes", CODE, rule)


def opened_map(map_: object, task: TaskName) -> CalibrationMap:
    """The map that a request holds.

    Raises:
        InvalidInput: It is of another version or task, or something in it is not what it must be.
    """
    node = Node(map_, "/map", CODE)
    names = map_ if isinstance(map_, dict) else ()
    version = node.fields(("version",), names)["version"]
    if type(version.value) is not int or version.value != VERSION:
        version.refuse(f"the version {VERSION} of maps, which is read here")
    head = node.fields(HEAD, names)
    if head["task"].value != task:
        head["task"].refuse(f"{task}, the task of this path")
    method: Any = head["method"].text(CALIBRATED[task])
    node.fields((*HEAD, *FIELDS[method]), ("classes",))
    n_classes = head["n_classes"].count(MAX_CLASSES)
    if n_classes < 2 or (task == "binary" and n_classes != 2):
        head["n_classes"].refuse("2" if task == "binary" else "at least 2")
    classes = _classes(head["classes"].items(n_classes, n_classes)) if "classes" in head else None
    return CalibrationMap(task, method, n_classes, _CURVES[method](head), classes)


def _classes(names: list[Node]) -> tuple[str | int, ...]:
    first = type(names[0].value)
    for name in names:
        if first not in (str, int) or type(name.value) is not first:
            name.refuse("a string or an integer, like the others")
    return tuple(name.value for name in names)


def _temperature(parts: dict[str, Node]) -> Temperature:
    return Temperature(parts["temperature"].number(MIN_TEMPERATURE, MAX_TEMPERATURE))


def _platt(parts: dict[str, Node]) -> Platt:
    slope, intercept = (parts[name].number(-_LARGEST, _LARGEST) for name in FIELDS["platt"])
    return Platt(slope, intercept)


def _isotonic(parts: dict[str, Node]) -> Isotonic:
    lists = parts["thresholds"].fields(("probabilities", "calibrated"))
    thresholds = Thresholds(*(lists[name].numbers(0.0, 1.0, MAX_POINTS) for name in ("probabilities", "calibrated")))
    n_points, flat = len(thresholds.probabilities), np.flatnonzero(np.diff(thresholds.probabilities) == 0.0)
    if len(flat):
        lists["probabilities"].at(int(flat[0]) + 1).refuse("larger than the one before")
    if len(thresholds.calibrated) != n_points:
        lists["calibrated"].refuse(f"a list of {n_points} numbers, as many as there are probabilities")
    is_unchanged = all(
        np.array_equal(getattr(thresholds, name), getattr(UNCHANGED, name)) for name in ("probabilities", "calibrated")
    )
    return Isotonic(UNCHANGED if is_unchanged else thresholds)


_CURVES: dict[Method, Callable[[dict[str, Node]], Calibrator]] = {
    "temperature": _temperature,
    "platt": _platt,
    "isotonic": _isotonic,
}
