"""Everything measured side by side in one run: `python -m benchmarks`.

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

from benchmarks import bodies, core, growth, instructions, load, plots, report, stages, throughput
from benchmarks.environments import HERE, PEERS
from benchmarks.machine import machine
from benchmarks.trial import Section, Trial

SECTIONS: dict[str, Section] = {
    "throughput": throughput.measure,
    "stages": stages.measure,
    "bodies": bodies.measure,
    "stream": bodies.measure_stream,
    "load": load.measure,
    "core": core.measure,
    "growth": growth.measure,
    "instructions": instructions.measure,
}


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure Surprisal beside its peers.")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS), help="sections to measure anew")
    parser.add_argument("--peers", default="all", help=f"all, none, or of {','.join(PEERS)} (default: %(default)s)")
    parser.add_argument("--environments", default=HERE, type=Path, help="where the peers' environments are made")
    parser.add_argument("--quick", action="store_true", help="see that everything works; writes nothing")
    return parser


def peers_of(names: str) -> tuple[str, ...]:
    """What `--peers` means."""
    chosen = {"all": PEERS, "none": ()}.get(names, tuple(names.split(",")))
    if unknown := set(chosen) - set(PEERS):
        raise SystemExit(f"--peers must be all, none or of {','.join(PEERS)}, found {','.join(sorted(unknown))}")
    return chosen


def main(arguments: list[str] | None = None) -> None:
    """Measure, and write down."""
    options = parser().parse_args(arguments)
    trial = Trial(options.quick, peers_of(options.peers), options.environments.resolve())
    results: dict[str, Any] = {"machine": machine(), "sections": {}}
    for name in options.only:
        print(f"measuring {name}", file=sys.stderr)
        found = SECTIONS[name](trial)
        results["sections"][name] = {"date": f"{datetime.now(UTC):%Y-%m-%d}", **found.to_json()}
        print(f"\n{report.table(found.figures)}\n", flush=True)
        if not options.quick:
            write(merged(results))


def merged(results: dict[str, Any]) -> dict[str, Any]:
    """With the sections of earlier runs on the same machine and versions."""
    earlier = json.loads(report.RESULTS_JSON.read_text()) if report.RESULTS_JSON.exists() else results
    if earlier["machine"] != results["machine"]:
        print("earlier results are of another machine or of other versions: dropped", file=sys.stderr)
        earlier = results
    sections = earlier["sections"] | results["sections"]
    return {**results, "sections": {name: sections[name] for name in SECTIONS if name in sections}}


def write(results: dict[str, Any]) -> None:
    """The results, their tables and their plots."""
    report.RESULTS_JSON.write_text(json.dumps(results, indent=1) + "\n")
    report.RESULTS_MD.write_text(report.markdown(results))
    report.PAGE.write_text(report.filled(report.PAGE.read_text(), results))
    plots.write(results)


if __name__ == "__main__":
    main()
