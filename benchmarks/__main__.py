"""The command that measures all contestants side by side in one run: `python -m benchmarks`.

Writes results.json and results.md beside this file, the tables of docs/performance.md and the plots below docs/plots.
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before NumPy is imported; the servers inherit it

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import (
    bodies,
    calls,
    clients,
    core,
    datasets,
    growth,
    instructions,
    load,
    plots,
    report,
    stages,
    streams,
    throughput,
)
from benchmarks.environments import HERE, PEERS
from benchmarks.machine import machine
from benchmarks.trial import Section, Trial

SECTIONS: dict[str, Section] = {
    "throughput": throughput.measure,
    "stages": stages.measure,
    "calls": calls.measure,
    "bodies": bodies.measure,
    "stream": streams.measure,
    "datasets": datasets.measure,
    "client": clients.measure,
    "load": load.measure,
    "core": core.measure,
    "growth": growth.measure,
    "instructions": instructions.measure,
}


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Surprisal beside its peers.")
    parser.add_argument(
        "--only",
        nargs="+",
        default=list(SECTIONS),
        metavar="SECTION[:WORDS]",
        help=f"sections to measure anew, or their rows with these words: {', '.join(SECTIONS)}",
    )
    parser.add_argument("--peers", default="all", help=f"all, none, or of {','.join(PEERS)} (default: %(default)s)")
    parser.add_argument("--environments", default=HERE, type=Path, help="where the peers' environments are made")
    parser.add_argument("--quick", action="store_true", help="few rounds and small sizes, in a few minutes")
    parser.add_argument("--to", type=Path, help="a directory for results.json and results.md, in place of the pages")
    return parser


def peers_of(names: str) -> tuple[str, ...]:
    """The peers that `--peers` names."""
    chosen = {"all": PEERS, "none": ()}.get(names, tuple(names.split(",")))
    if unknown := set(chosen) - set(PEERS):
        raise SystemExit(f"--peers must be all, none or of {','.join(PEERS)}, found {','.join(sorted(unknown))}")
    return chosen


def chosen(texts: list[str]) -> dict[str, tuple[str, ...]]:
    """The sections that `--only` names, each with the words that its works must hold."""
    sections: dict[str, tuple[str, ...]] = {}
    for name, _, words in (text.partition(":") for text in texts):
        if name not in SECTIONS:
            raise SystemExit(f"--only must name sections of {', '.join(SECTIONS)}, found {name}")
        sections[name] = (*sections.get(name, ()), *filter(None, [words]))
    return sections


def main(arguments: list[str] | None = None) -> None:
    """Measure the sections; write results if all of a section was measured."""
    options = parser().parse_args(arguments)
    peers, sections = peers_of(options.peers), chosen(options.only)
    results: dict[str, Any] = {"machine": machine(), "sections": {}}
    for name, words in sections.items():
        print(f"measuring {name}", file=sys.stderr)
        trial = Trial(options.quick, peers, options.environments.resolve(), words)
        found = SECTIONS[name](trial).to_json()
        results["sections"][name] = {"date": f"{datetime.now(UTC):%Y-%m-%d}", **found, "noise": trial.noise()}
        print(f"\n{report.section(results['sections'][name])}\n", flush=True)
        if options.to:
            write_to(options.to, results)
        elif not (options.quick or any(sections.values())):
            write(merged(results))


def write_to(directory: Path, results: dict[str, Any]) -> None:
    """Write the results and their tables into a folder, and leave the pages as they are."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (directory / "results.md").write_text(report.markdown(results))


def merged(results: dict[str, Any]) -> dict[str, Any]:
    """The results with those sections of earlier runs that come from the same machine and versions."""
    earlier = json.loads(report.RESULTS_JSON.read_text()) if report.RESULTS_JSON.exists() else results
    if earlier["machine"] != results["machine"]:
        print("earlier results are of another machine or of other versions: dropped", file=sys.stderr)
        earlier = results
    sections = earlier["sections"] | results["sections"]
    return {**results, "sections": {name: sections[name] for name in SECTIONS if name in sections}}


def write(results: dict[str, Any]) -> None:
    """Write the results, their tables and their plots."""
    report.RESULTS_JSON.write_text(json.dumps(results, indent=1) + "\n")
    report.RESULTS_MD.write_text(report.markdown(results))
    report.PAGE.write_text(report.filled(report.PAGE.read_text(), results))
    plots.write(results)


if __name__ == "__main__":
    main()
