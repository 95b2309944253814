"""A second way to compare, slow and plain: rules and formulas as the reference page of the documents has them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from scipy.special import stdtr

from tests.reference import DEFAULTS, NATS_PER_UNIT, Body, Part, loss_parts, mean

ULP = 2.0**-52


class Row(NamedTuple):
    """A scored row, or document, as both candidates see it; losses are sums over its tokens, in nats."""

    ours: float
    theirs: float
    part: Part
    """The part that holds its weight, cluster and denominator."""


def compare(task: str, body: Body) -> list[dict[str, Any]]:
    """The entries of `comparisons`, without correlation and the words of reasons."""
    options = {**DEFAULTS, "margin": 0.0, "min_samples": 20, "family": "pairs", **body}
    others = [name for name in body["candidates"] if name != body["baseline"]]
    n_pairs = len(others) if options["family"] == "pairs" else 1
    entries = [_entry(task, options, name, n_pairs) for name in others]
    if options["normalization"] == "warn" and task in ("multiclass", "distributions"):
        divided = {**options, "candidates": {name: _divided(sent) for name, sent in options["candidates"].items()}}
        for entry, name in zip(entries, others, strict=True):
            if entry["verdict"] != _entry(task, divided, name, n_pairs)["verdict"]:
                entry["verdict"] = "inconclusive"
    if n_pairs > 1:
        _adjust([entry for entry in entries if "p_value" in entry])
    return entries


def _divided(sent: Mapping[str, Any]) -> dict[str, Any]:
    """A prediction with its rows divided by their sums, but for those that sum to 0."""
    if "probabilities" in sent:
        rows = sent["probabilities"]
        return {"probabilities": [_over(row, math.fsum(row)) if isinstance(row, list) else row for row in rows]}
    if "log_probabilities" in sent:
        rows = sent["log_probabilities"]
        totals = [math.fsum(map(math.exp, row)) for row in rows]
        logs = [[x - math.log(total) for x in row] if total else row for row, total in zip(rows, totals, strict=True)]
        return {"log_probabilities": logs}
    return dict(sent)


def _over(row: list[float], total: float) -> list[float]:
    return [p / total for p in row] if total else row


def _rows(task: str, options: Body, candidate: str) -> list[Row]:
    shared = {name: value for name, value in options.items() if name not in ("candidates", "slices")}
    unweighted = {name: value for name, value in shared.items() if name != "sample_weight"}
    sent = options["candidates"]
    parts = loss_parts(task, {**shared, **sent[options["baseline"]]})
    ours, theirs = (loss_parts(task, {**unweighted, **sent[name]}) for name in (candidate, options["baseline"]))
    return (
        [Row(x.numerator, y.numerator, part) for x, y, part in zip(ours, theirs, parts, strict=True)] if parts else []
    )


def _entry(task: str, options: Body, candidate: str, n_pairs: int) -> dict[str, Any]:
    rows = _rows(task, options, candidate)
    differences = [_difference(row) for row in rows]
    counted = [d for d, row in zip(differences, rows, strict=True) if row.part.weight and row.part.denominator]
    entry: dict[str, Any] = {
        "candidate": candidate,
        "baseline": options["baseline"],
        "wins": sum(d < 0.0 for d in counted),
        "losses": sum(d > 0.0 for d in counted),
        "ties": sum(not d or math.isnan(d) for d in counted),
    }
    weighty = [row for row in rows if row.part.weight]
    infinite = [sum(map(math.isinf, losses)) for losses in ([r.ours for r in weighty], [r.theirs for r in weighty])]
    parts = [
        Part(row.part.weight * d if row.part.weight else 0.0, row.part.denominator, row.part.cluster, row.part.weight)
        for d, row in zip(differences, rows, strict=True)
    ]
    few = _is_few(parts, options["min_samples"])
    if any(infinite):
        decided = "inconclusive" if all(infinite) else "worse" if infinite[0] else "better"
        status = "undefined" if all(infinite) else "infinite"
        return entry | {"difference": {"value": None, "status": status}, "verdict": "inconclusive" if few else decided}
    level, nats = options["confidence_level"], NATS_PER_UNIT[options["unit"]]
    entry["difference"] = mean(parts, level, nats)
    if "standard_error" in entry["difference"]:
        entry |= _tested(rows, parts, entry["difference"])
        widened = mean(parts, 1.0 - (1.0 - level) / n_pairs, nats).get("confidence_interval")
        if n_pairs > 1 and widened:
            entry["simultaneous_interval"] = widened
    return entry | {"verdict": "inconclusive" if few else _verdict(entry, options["margin"])}


def _difference(row: Row) -> float:
    d = row.ours - row.theirs
    return 0.0 if abs(d) <= 4 * ULP * max(1.0, row.ours, row.theirs) and math.isfinite(d) else d


def _is_few(parts: Sequence[Part], min_samples: int) -> bool:
    sizes: dict[object, float] = {}
    for part in parts:
        if part.denominator:
            sizes[part.cluster] = sizes.get(part.cluster, 0.0) + part.denominator
    equal = math.fsum(sizes.values()) ** 2 / math.fsum(size**2 for size in sizes.values()) if sizes else 0.0
    return _n(parts) < min_samples or equal < min_samples / 2


def _n(parts: Sequence[Part]) -> int:
    return len({part.cluster for part in parts if part.weight and part.denominator})


def _varies(rows: Sequence[Row], parts: Sequence[Part]) -> bool:
    """Tell if a cluster departs from the mean by more than twice the rounding of a tie."""
    value = math.fsum(part.numerator for part in parts) / math.fsum(part.denominator for part in parts)
    clusters: dict[object, list[tuple[float, float]]] = {}
    for row, part in zip(rows, parts, strict=True):
        rounding = part.weight * 8 * ULP * max(1.0, row.ours, row.theirs) if part.weight else 0.0
        clusters.setdefault(part.cluster, []).append((part.numerator - value * part.denominator, rounding))
    sums = ([math.fsum(column) for column in zip(*members, strict=True)] for members in clusters.values())
    return any(abs(departure) > rounding for departure, rounding in sums)


def _tested(rows: Sequence[Row], parts: Sequence[Part], difference: Mapping[str, Any]) -> dict[str, float]:
    if not difference["value"]:
        return {"t_statistic": 0.0, "p_value": 1.0}
    if not _varies(rows, parts):
        return {}
    t = difference["value"] / difference["standard_error"]
    return {"t_statistic": t, "p_value": 2.0 * float(stdtr(_n(parts) - 1, -abs(t)))}


def _verdict(entry: Mapping[str, Any], margin: float) -> str:
    interval = entry.get("simultaneous_interval", entry["difference"].get("confidence_interval"))
    if interval is None:
        return "inconclusive"
    if margin > 0.0 and -margin <= interval[0] and interval[1] <= margin:
        return "equivalent"
    if "p_value" not in entry:
        return "inconclusive"
    return "better" if interval[1] < -margin else "worse" if interval[0] > margin else "inconclusive"


def _adjust(entries: Sequence[dict[str, Any]]) -> None:
    """Holm: each p-value counts as often as there are others not smaller, and none is less than a smaller one."""
    ranked = sorted(entries, key=lambda entry: entry["p_value"])
    for rank, entry in enumerate(ranked):
        steps = [(len(ranked) - i) * other["p_value"] for i, other in enumerate(ranked[: rank + 1])]
        entry["p_value_adjusted"] = min(1.0, max(steps))
