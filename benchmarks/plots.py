"""Two small plots as SVG: contestants side by side, and growth with its slope."""

from collections.abc import Iterable, Mapping
from html import escape
from math import log10
from typing import Any

from benchmarks.figures import Figure, figure_of
from benchmarks.report import HERE, number

PLOTS = HERE.parent / "docs" / "plots"
OURS, THEIRS, INK, GRID = "#1f77b4", "#9aa5b1", "#222", "#ddd"
BAR, GAP, LEFT, WIDE = 18, 8, 210, 400


def write(results: Mapping[str, Any]) -> None:
    """Write the plots of the sections that were measured."""
    sections = results["sections"]
    PLOTS.mkdir(exist_ok=True)
    if "throughput" in sections:
        figures = [figure_of(each) for each in sections["throughput"]["figures"]]
        for work in dict.fromkeys(figure.work for figure in figures if figure.work.startswith("multiclass")):
            _write(f"throughput-{_slug(work)}", bars(work, [each for each in figures if each.work == work]))
    if "growth" in sections:
        slopes = [figure_of(each) for each in sections["growth"]["figures"]]
        _write("growth", growth(sections["growth"]["points"], slopes))


def _write(name: str, content: str) -> None:
    (PLOTS / f"{name}.svg").write_text(content)


def _slug(work: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in work).lower().split())


def _svg(width: float, height: float, parts: Iterable[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" '
        f'font-family="sans-serif" font-size="12" fill="{INK}">\n<rect width="100%" height="100%" fill="#fff"/>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def bars(work: str, figures: list[Figure]) -> str:
    """Draw requests a second on a logarithmic axis, a bar a contestant."""
    rates = {each.against: each.theirs for each in figures if each.theirs}
    rates["Surprisal"] = next(each.ours for each in figures if each.ours)
    ordered = sorted(((rate, name) for name, rate in rates.items() if rate), reverse=True)
    low, high = log10(ordered[-1][0]) - 0.5, log10(ordered[0][0])
    parts = [_text(LEFT, 20, f"{work}: requests a second, logarithmic")]
    for place, (rate, name) in enumerate(ordered):
        y, wide = 32 + place * (BAR + GAP), WIDE * (log10(rate) - low) / (high - low)
        colour = OURS if name == "Surprisal" else THEIRS
        parts.append(f'<rect x="{LEFT}" y="{y}" width="{wide:.1f}" height="{BAR}" fill="{colour}"/>')
        parts += [_text(LEFT - 8, y + 13, name, "end"), _text(LEFT + wide + 6, y + 13, number(rate))]
    return _svg(LEFT + WIDE + 70, 36 + len(ordered) * (BAR + GAP), parts)


def growth(points: list[dict[str, float]], slopes: list[Figure]) -> str:
    """Draw time and memory over rows, both axes logarithmic, one panel each."""
    panels = (("milliseconds", "ms", slopes[0]), ("mebibytes", "MiB", slopes[1]))
    parts = []
    for place, (key, unit, slope) in enumerate(panels):
        pairs = [(log10(point["rows"]), log10(point[key])) for point in points]
        title = f"{key} over rows, slope {slope.value:.2f}"
        parts.append(f'<g transform="translate({place * 330} 0)">\n{_panel(pairs, title, unit)}\n</g>')
    return _svg(660, 300, parts)


def _panel(pairs: list[tuple[float, float]], title: str, unit: str) -> str:
    bottom = int(min(y for _, y in pairs) // 1)
    top, left, right = int(max(y for _, y in pairs) // 1 + 1), pairs[0][0], pairs[-1][0]

    def at(x: float, y: float) -> tuple[float, float]:
        return 70 + 240 * (x - left) / (right - left), 260 - 220 * (y - bottom) / (top - bottom)

    parts = [_text(70, 24, title)]
    for power in range(bottom, top + 1):
        y = at(left, power)[1]
        parts.append(f'<path d="M70 {y:.1f}H310" stroke="{GRID}"/>')
        parts.append(_text(64, y + 4, f"{10.0**power:g} {unit}", "end"))
    parts += [_text(at(x, bottom)[0], 280, f"1e{x:.0f}", "middle") for x, _ in pairs]
    places = [at(*pair) for pair in pairs]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts.append(f'<polyline points="{line}" fill="none" stroke="{OURS}" stroke-width="2"/>')
    parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{OURS}"/>' for x, y in places]
    return "\n".join(parts)
