"""A section: instructions a row of the core's inner path, which a noisy machine does not blur.

Counted by perf where the processor's counters can be read, by valgrind's callgrind elsewhere, as the difference
between a process that scores often and one that scores once, so that its start is not counted.
"""

import os
import re
import shutil
import subprocess
import sys

from benchmarks import predictions
from benchmarks.figures import Figure, alone
from benchmarks.scoring import ALL, LOSS, works
from benchmarks.servers import ROOT
from benchmarks.trial import Findings, Trial

ROWS, COLUMNS = 50_000, 10
REPEATS = 20
TOOLS = {
    "perf": (["perf", "stat", "-x,", "-e", "instructions:u"], r"^(\d+),.*instructions"),
    "callgrind": (["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"], r"Collected : (\d+)"),
}
NP_SUM = "np.sum"


def measure(trial: Trial) -> Findings:
    """Measure the loss alone, all default metrics, and a plain sum beside them."""
    works = (NP_SUM,) if trial.quick else (NP_SUM, LOSS, ALL)
    return Findings([_figure(work) for work in works if trial.wants(work)])


def _figure(work: str) -> Figure:
    title = f"({ROWS}, {COLUMNS}) probabilities: {work}, a row"
    for tool in TOOLS:
        once, often = _counted(tool, work, 1), _counted(tool, work, 1 + REPEATS)
        if once and often:
            return alone(f"{title}, by {tool}", "instructions", (often - once) / (REPEATS * ROWS))
    return Figure(title, "", "instructions", missing="neither perf nor valgrind counts instructions here")


def _counted(tool: str, work: str, repeats: int) -> int | None:
    command, pattern = TOOLS[tool]
    if shutil.which(command[0]) is None:
        return None
    command = [*command, sys.executable, "-m", "benchmarks.instructions", work, str(repeats)]
    environ = {**os.environ, "PYTHONHASHSEED": "0"}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    found = re.search(pattern, done.stderr, re.MULTILINE)
    return int(found[1]) if found else None


def main(work: str, repeats: int) -> None:
    """Do the work whose instructions are counted."""
    columns = predictions.columns(ROWS, COLUMNS)
    chosen = {**works(columns), NP_SUM: columns["probabilities"].sum}[work]
    for _ in range(repeats):
        chosen()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
