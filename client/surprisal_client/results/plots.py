"""Pictures of answers, by matplotlib. Each returns its axes, and draws on given ones."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from surprisal_client.errors import SurprisalError
from surprisal_client.optional import needed
from surprisal_client.results.metric import shown

INK, ACCENT, FAINT = "#1f2933", "#1f6fb2", "#c5ced8"
VERDICTS = {"better": "#2a8c55", "equivalent": ACCENT, "inconclusive": "#8a94a0", "worse": "#c0392b"}
MOST_NAMED_CLASSES = 20
"""Classes above which a matrix shows colours alone."""


def _axes(axes: Any, size: tuple[float, float]) -> Any:
    if axes is not None:
        return axes
    pyplot = needed("matplotlib.pyplot", "plot", "a picture")
    return pyplot.subplots(figsize=size, layout="constrained")[1]


def _finished(axes: Any, title: str) -> Any:
    axes.set_title(title, loc="left", fontsize=11, color=INK)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.tick_params(colors=INK, labelsize=9)
    return axes


class ScorePlots:
    """Pictures of a score. Each needs a section that `include` asks for."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self._answer = answer

    def _section(self, name: str) -> Any:
        if name not in self._answer:
            raise SurprisalError(f'this picture needs a section of the answer: score(..., include=["{name}"])')
        return self._answer[name]

    def reliability(self, axes: Any = None) -> Any:
        """Draw how often what was predicted came true, with the interval of each bin, and how many rows a bin has."""
        bins = [each for each in self._section("calibration")["bins"] if each["n"]]
        axes = _axes(axes, (4.6, 4.8))
        confidence, accuracy = ([each[name] for each in bins] for name in ("confidence", "accuracy"))
        intervals = np.array([each["confidence_interval"] or [each["accuracy"]] * 2 for each in bins])
        reach = np.abs(intervals.T - np.array(accuracy))
        share = np.array([each["n"] for each in bins]) / sum(each["n"] for each in bins)
        left = [each["lower"] for each in bins]
        width = [each["upper"] - each["lower"] for each in bins]
        axes.bar(left, 0.2 * share / share.max(), width, align="edge", color=FAINT, alpha=0.7, label="share of rows")
        axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle="--", label="calibrated")
        axes.errorbar(
            confidence,
            accuracy,
            reach,
            fmt="o-",
            color=ACCENT,
            markersize=4,
            linewidth=1.2,
            capsize=2,
            clip_on=False,
            label="observed",
        )
        axes.set(
            xlim=(0, 1), ylim=(0, 1.02), xlabel="predicted probability", ylabel="share that came true", aspect="equal"
        )
        axes.legend(frameon=False, fontsize=8, loc="upper left")
        error = self._answer["metrics"].get("expected_calibration_error", {}).get("value")
        return _finished(axes, f"Reliability, calibration error {shown(error)}" if error is not None else "Reliability")

    def losses(self, axes: Any = None) -> Any:
        """Draw the histogram of the losses of rows, with their mean, on a scale that shows the few large ones."""
        losses = np.array([loss for loss in self._section("per_sample")["cross_entropy"] if loss is not None])
        axes = _axes(axes, (5.6, 3.6))
        axes.hist(losses, bins=min(60, max(10, int(np.sqrt(losses.size)))), color=ACCENT, alpha=0.85, log=True)
        if losses.size:
            axes.axvline(losses.mean(), color=INK, linewidth=1, linestyle="--", label=f"mean {shown(losses.mean())}")
            axes.legend(frameon=False, fontsize=9)
        axes.set(xlabel=f"cross-entropy of a row, {self._answer['unit']}", ylabel="rows")
        left_out = len(self._section("per_sample")["cross_entropy"]) - losses.size
        return _finished(axes, f"Losses{f', {left_out:,} without a finite one' if left_out else ''}")

    def confusion(self, axes: Any = None) -> Any:
        """Draw true against predicted classes; colours are shares of the true class, numbers are rows."""
        counts = np.array(self._section("confusion"))
        if counts.ndim != 2:
            raise SurprisalError("this picture is of binary and multiclass; a multilabel answer has a matrix a label")
        names = [str(name) for name in self._answer["options"].get("classes") or range(len(counts))]
        axes = _axes(axes, (max(3.4, 1.2 + 0.55 * len(names)), max(3.2, 1.0 + 0.5 * len(names))))
        share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
        if len(names) <= MOST_NAMED_CLASSES:
            _name_cells(axes, counts, share, names)
        axes.set(xlabel="predicted class", ylabel="true class")
        return _finished(axes, "Confusion")


def _name_cells(axes: Any, counts: Any, share: Any, names: list[str]) -> None:
    axes.set_xticks(
        range(len(names)),
        names,
        rotation=45 if max(map(len, names)) > 3 else 0,
        ha="right" if max(map(len, names)) > 3 else "center",
    )
    axes.set_yticks(range(len(names)), names)
    for (row, column), count in np.ndenumerate(counts):
        colour = "white" if share[row, column] > 0.5 else INK
        axes.text(column, row, f"{count:,}", ha="center", va="center", fontsize=8, color=colour)


def unit_of(answer: Mapping[str, Any]) -> str:
    """The quantity and the unit of the differences of a comparison.

    >>> unit_of({"unit": "bits", "options": {"metric": "cross_entropy", "per": "byte"}})
    'cross_entropy in bits a byte'
    """
    metric = answer["options"].get("metric", "cross_entropy")
    per = answer["options"].get("per")
    return f"{metric} in {answer['unit']}{f' a {per}' * bool(per)}" if metric == "cross_entropy" else metric


class ComparisonPlots:
    """Pictures of a comparison."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self._answer = answer

    def forest(self, axes: Any = None) -> Any:
        """Draw the difference of each candidate with its interval, the margin, and the verdicts."""
        pairs = self._answer["comparisons"]
        axes = _axes(axes, (6.4, 1.3 + 0.42 * len(pairs)))
        margin = self._answer["options"].get("margin", 0.0)
        if margin:
            axes.axvspan(-margin, margin, color=FAINT, alpha=0.5, linewidth=0, label=f"margin {shown(margin)}")
        axes.axvline(0, color=INK, linewidth=0.8)
        for row, pair in enumerate(pairs):
            _draw_pair(axes, row, pair)
        axes.set_yticks(range(len(pairs)), [pair["candidate"] for pair in pairs])
        axes.set(
            ylim=(len(pairs) - 0.4, -0.6),
            xlabel=f"{unit_of(self._answer)}, minus that of {pairs[0]['baseline']}",
        )
        axes.margins(x=0.1)
        if margin:
            axes.legend(frameon=False, fontsize=8, loc="best")
        who = "Against" if len(pairs) > 1 else f"{pairs[0]['candidate']} against"
        direction = "higher" if self._answer["options"].get("metric") == "accuracy" else "lower"
        return _finished(axes, f"{who} {pairs[0]['baseline']}: {direction} is better")


def _draw_pair(axes: Any, row: int, pair: Mapping[str, Any]) -> None:
    """Draw one interval and its verdict; a pair without a number gets the verdict alone."""
    colour = VERDICTS[pair["verdict"]]
    value = pair["difference"]["value"]
    bounds = pair.get("simultaneous_interval") or pair["difference"].get("confidence_interval")
    if value is not None:
        axes.plot([value], [row], "o", color=colour, markersize=6)
    if bounds:
        axes.plot(bounds, [row, row], color=colour, linewidth=2, solid_capstyle="butt")
    place: Callable[..., Any] = axes.annotate
    place(pair["verdict"], (1.01, row), xycoords=("axes fraction", "data"), va="center", fontsize=9, color=colour)
