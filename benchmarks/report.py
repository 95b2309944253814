"""The results as Markdown: the tables of `results.md` and of `docs/performance.md`."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, figure_of

HERE = Path(__file__).resolve().parent
RESULTS_JSON = HERE / "results.json"
RESULTS_MD = HERE / "results.md"
PAGE = HERE.parent / "docs" / "performance.md"

TITLES = {
    "throughput": "Requests a second",
    "stages": "Where a small request goes",
    "calls": "Calls of a small request",
    "bodies": "Large bodies",
    "stream": "A stream of 1 GB",
    "datasets": "Data sets",
    "client": "The client",
    "load": "Small requests under load",
    "core": "The core in memory",
    "growth": "Growth",
    "instructions": "Instructions",
}
HEAD = "| work | compared with | ours | theirs | figure | by CPU | target | met |\n" + 8 * "| --- " + "|"
MET = {True: "yes", False: "**no**", None: ""}


def number(value: float) -> str:
    """Write a number with three significant digits, and commas between thousands."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def table(figures: list[Figure]) -> str:
    """A table with a line for each figure."""
    return "\n".join([HEAD, *map(_line, figures)])


def _line(figure: Figure) -> str:
    cells = [
        figure.work,
        figure.against,
        _quantity(figure.ours, figure.unit, figure.ours_cpu),
        _quantity(figure.theirs, figure.unit, figure.theirs_cpu),
        _ratio(figure),
        number(figure.value_by_cpu) if figure.value_by_cpu else "",
        _sign(figure.target),
        figure.missing or MET[figure.met],
    ]
    return f"| {' | '.join(cells)} |"


def _quantity(value: float | None, unit: str, cpu: float | None) -> str:
    found = "" if value is None else f"{number(value)} {unit}".strip()
    return f"{found} ({_time(cpu)} CPU)" if cpu else found


def _time(microseconds: float) -> str:
    return f"{number(microseconds)} µs" if microseconds < 10_000 else f"{number(microseconds / 1e3)} ms"


def _ratio(figure: Figure) -> str:
    if figure.value is None or not figure.against:
        return ""
    quartiles = f" ({' to '.join(map(number, figure.spread))})" if figure.spread else ""
    return f"{number(figure.value)}{quartiles}"


def tables(results: Mapping[str, Any]) -> dict[str, str]:
    """The Markdown of every section that was measured, and of the machine."""
    sections = results["sections"]
    found = {name: section(sections[name]) for name in TITLES if name in sections}
    return {"machine": machine(results), **found, "missed": missed(results)}


def section(found: Mapping[str, Any]) -> str:
    """The table of a section, and the noise of the machine meanwhile."""
    parts = [table(list(map(figure_of, found["figures"])))]
    if noise := found.get("noise"):
        clock, processor = (" to ".join(map(number, noise[by])) for by in ("clock", "processor"))
        parts.append(
            f"The same piece of work, between the rounds, took {clock} of its median by the clock, "
            f"{processor} by processor time (5th to 95th percentile)."
        )
    return "\n\n".join(parts)


def machine(results: Mapping[str, Any]) -> str:
    """The machine and the versions, in two sentences."""
    of = results["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in (of["packages"] | of["peers"]).items())
    days = sorted({section["date"] for section in results["sections"].values()})
    return (
        f"{of['processor']}, {of['cores']} cores, {of['memory_gib']} GiB, {of['system']}, Python {of['python']}; "
        f"measured {' and '.join(days)}.\n\n{packages}."
    )


def missed(results: Mapping[str, Any]) -> str:
    """The figures that miss their target, a line each."""
    figures = [figure_of(each) for section in results["sections"].values() for each in section["figures"]]
    lines = [_missed(figure) for figure in figures if figure.target and not figure.met]
    return "\n".join(lines) or "Nothing: every target is met."


def _missed(figure: Figure) -> str:
    against = f" against {figure.against}" if figure.against else ""
    found = figure.missing or number(figure.value or 0)
    return f"- {figure.work}{against}: {found}; target {_sign(figure.target)}."


def _sign(target: str) -> str:
    return target.replace(">=", "≥").replace("<=", "≤")


def markdown(results: Mapping[str, Any]) -> str:
    """The whole of `results.md`."""
    found = tables(results)
    parts = [f"## {TITLES[name]}\n\n{text}" for name, text in found.items() if name in TITLES]
    return "\n\n".join(["# Results", found["machine"], *parts]) + "\n"


def filled(page: str, results: Mapping[str, Any]) -> str:
    """The page with the text between `<!-- results: NAME -->` and `<!-- end -->` made anew."""
    found = tables(results)

    def block(match: re.Match[str]) -> str:
        return f"{match[1]}\n{found.get(match[2], 'Not measured yet.')}\n{match[3]}"

    return re.sub(r"(<!-- results: (\w+) -->).*?(<!-- end -->)", block, page, flags=re.DOTALL)
