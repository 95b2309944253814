"""A section: time and memory over the number of rows, and the slope of each line on logarithmic axes."""

import tracemalloc
from collections.abc import Callable, Mapping
from statistics import median

import numpy as np

from benchmarks import predictions
from benchmarks.figures import alone, milliseconds
from benchmarks.scoring import ALL, works
from benchmarks.trial import Findings, Trial

COLUMNS = 10


def measure(trial: Trial) -> Findings:
    """Measure 10^3 to 10^7 rows; the least cost of a small request makes the line flatter, not steeper."""
    points = [_point(10**power) for power in range(3, 7 if trial.quick else 8)]
    figures = [
        alone(f"slope of {name}, rows of {COLUMNS} from {_power(part[0])} to {_power(part[-1])}", "", slope, "<= 1.05")
        for part in (points, points[2:])  # the upper part alone shows if the line bends upwards
        for name, key in (("time", "milliseconds"), ("memory, input and all", "mebibytes"))
        for slope in [_slope(part, key)]
    ]
    figures.append(alone("most memory beside the input", "MiB", max(p["extra_mebibytes"] for p in points)))
    return Findings(figures, points)


def _power(point: Mapping[str, float]) -> str:
    return f"10^{np.log10(point['rows']):.0f}"


def _point(rows: int) -> dict[str, float]:
    columns = predictions.columns(rows, COLUMNS)
    work = works(columns)[ALL]
    timed = milliseconds(work)
    times = [timed().value for _ in range(max(3, min(50, 10**7 // rows)))]
    extra = _peak_bytes(work) / 2**20
    held = sum(column.nbytes for column in columns.values()) / 2**20
    return {"rows": rows, "milliseconds": median(times), "mebibytes": held + extra, "extra_mebibytes": extra}


def _peak_bytes(work: Callable[[], object]) -> int:
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def _slope(points: list[dict[str, float]], key: str) -> float:
    rows, values = np.log10([point["rows"] for point in points]), np.log10([point[key] for point in points])
    return float(np.polyfit(rows, values, 1)[0])
