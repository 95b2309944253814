"""Bad input through the command: what is told names the column, the file and the row, and the exit status is right."""

import contextlib
import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import numpy as np
import pandas as pd
import pytest

from surprisal_client import local
from surprisal_client.command.main import main
from tests.conftest import ROOT
from tests.data import classes
from tests.test_command import COMMAND, ENVIRONMENT

LABELS, P = classes(600)
NAMES = np.array(["cat", "dog", "emu"])
FRAME = pd.DataFrame({"outcome": NAMES[LABELS]} | {f"p_{name}": P[:, k] for k, name in enumerate(NAMES)})
LINES = FRAME.to_csv(index=False).splitlines()
PARTS = [FRAME.iloc[at : at + 200] for at in (0, 200, 400)]
NAMED = ["--labels", "outcome", "--probabilities", "p_*", "--classes", "auto"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SURPRISAL_URL", url)


def lines_of(*lines: str) -> None:
    Path("rows.csv").write_text("\n".join(lines) + "\n")


def parts_of_csv(second: pd.DataFrame) -> None:
    for number, part in enumerate([PARTS[0], second, PARTS[2]]):
        part.to_csv(f"part-{number}.csv", index=False)


def spoilt(frame: pd.DataFrame, column: str, value: object) -> pd.DataFrame:
    """The frame with another value in its row 5."""
    values = frame[column].tolist()
    return frame.assign(**{column: [*values[:5], value, *values[6:]]})


def cut(name: str, size: int) -> None:
    Path(name).write_bytes(Path(name).read_bytes()[:-size])


def parquet_cut() -> None:
    FRAME.to_parquet("rows.parquet")
    cut("rows.parquet", 100)


def npz_cut() -> None:
    np.savez("rows.npz", labels=LABELS, probabilities=P)
    cut("rows.npz", 200)


def lines_cut() -> None:
    FRAME.to_json("rows.jsonl", orient="records", lines=True)
    cut("rows.jsonl", 20)


def second_cut() -> None:
    parts_of_csv(PARTS[1])
    cut("part-1.csv", 30)


def mixed_lines() -> None:
    spoilt(FRAME.astype({"p_dog": object}), "p_dog", "x").to_json("rows.jsonl", orient="records", lines=True)


def parquet_of_another_class() -> None:
    for number, part in enumerate([PARTS[0], spoilt(PARTS[1], "outcome", "cow"), PARTS[2]]):
        part.to_parquet(f"part-{number}.parquet")


CSV, LINES_FILE, PARQUET = "rows.csv", "rows.jsonl", "part-*.parquet"
CASES: dict[str, tuple[Callable[[], object], list[str], str]] = {
    "a missing column": (
        lambda: lines_of(*LINES), [CSV, "--labels", "outcom"],
        r'labels, rows.csv: must name a column of the body, found none called "outcom"; did you mean "outcome"\?',
    ),
    "a pattern that matches nothing": (
        lambda: lines_of(*LINES), [CSV, *NAMED, "--probabilities", "q_*"],
        r'probabilities, rows.csv: must match a column of the body, found none like "q_\*"; the body has outcome',
    ),
    "a doubled column": (
        lambda: lines_of(LINES[0] + ",p_emu", *(f"{line},0" for line in LINES[1:])), [CSV, *NAMED],
        r'probabilities, rows.csv: must match columns of different names, found "p_emu" twice',
    ),
    "a glob of files that matches nothing": (
        lambda: None, ["nothing-*.csv", *NAMED], r"nothing-\*.csv: no such file, and no file matches",
    ),
    "a class that no column is named for": (
        lambda: lines_of(*LINES), [CSV, *NAMED, "--classes", "cat,dog,fox"],
        'probabilities, rows.csv: must have a column for each of `classes` and no other, found none for "fox"',
    ),
    "a column of no class": (
        lambda: lines_of(*LINES), [CSV, *NAMED, "--classes", "cat,dog"], 'found "p_emu", which is of none',
    ),
    "a label of no class": (
        parquet_of_another_class, [PARQUET, *NAMED],
        r'labels\[205\], row 5 of part-1.parquet: must be .* "cow"; they are cat, dog, emu \(column "outcome"\)',
    ),
    "labels of which many are wrong alike": (
        lambda: lines_of(LINES[0], *(line.replace("dog,", "Dog,") for line in LINES[1:])), [CSV, *NAMED],
        r'labels\[\d+\], .*found .* "Dog"; did you mean "dog"\? \(column "outcome"\); 19 more are like it\nand',
    ),
    "mixed types in a column of CSV": (
        lambda: parts_of_csv(spoilt(PARTS[1].astype({"p_dog": object}), "p_dog", "x")), ["part-*.csv", *NAMED],
        r'probabilities\[205, 1\], row 5 of part-1.csv: must be a number, .*found the string "x" \(column "p_dog"\)',
    ),
    "mixed types in a column of NDJSON": (
        mixed_lines, [LINES_FILE, *NAMED],
        r'probabilities\[5, 1\], row 5 of rows.jsonl: must be a number, found the string "x" \(column "p_dog"\)',
    ),
    "a CSV file that ends early": (
        second_cut, ["part-*.csv", *NAMED], "row 199 of part-1.csv: must have 4 fields like the header",
    ),
    "an NDJSON file that ends early": (
        lines_cut, [LINES_FILE, *NAMED], "row 599 of rows.jsonl: must be a JSON object on one line",
    ),
    "a Parquet file that ends early": (
        parquet_cut, ["rows.parquet", *NAMED], "rows.parquet: cannot be read, or ends early",
    ),
    "an npz file that ends early": (npz_cut, ["rows.npz"], "rows.npz: must end with the directory of a ZIP archive"),
    "an option that does not exist": (
        lambda: lines_of(*LINES), [CSV, *NAMED, "-o", "n_bin=3"], "n_bin: must be an option or name a column.*n_bins",
    ),
    "a wrong value of an option": (
        lambda: lines_of(*LINES), [CSV, *NAMED, "-o", "n_bins=0"], "n_bins: must be at least 1, found 0",
    ),
}  # fmt: skip


def test_a_wrong_value_of_a_candidate_names_column_file_and_row(capsys: pytest.CaptureFixture[str]) -> None:
    for number, part in enumerate([PARTS[0], spoilt(PARTS[1], "p_dog", 1.5), PARTS[2]]):
        part.assign(y=part["outcome"] == "dog").to_csv(f"part-{number}.csv", index=False)
    compared = ["--labels", "y", "--baseline", "p_cat", "--candidate", "new=p_dog"]
    assert main(["compare", "binary", "part-*.csv", *compared]) == 3
    told = r"candidates\['new'\]\['probabilities'\]\[205\], row 5 of part-1.csv: must lie in .*\(column \"p_dog\"\)"
    assert re.match(f"surprisal: {told}", capsys.readouterr().err)


@pytest.mark.parametrize(("make", "arguments", "told"), CASES.values(), ids=CASES)
def test_what_is_wrong_is_told_with_its_place(
    make: Callable[[], object], arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make()
    assert main(["score", "multiclass", *arguments]) == 3
    shown = capsys.readouterr()
    assert shown.out == ""
    assert re.match(f"surprisal: .*{told}", shown.err), shown.err


def test_a_service_that_goes_away_in_the_middle_has_its_status(capsys: pytest.CaptureFixture[str]) -> None:
    """The file is a pipe, so that the service ends while half of the rows have been sent."""
    os.mkfifo("rows.csv")
    with local.started(ROOT) as service:

        def write() -> None:
            with contextlib.suppress(BrokenPipeError), Path("rows.csv").open("w") as file:
                file.write("\n".join(LINES) + "\n")
                file.writelines("\n".join(LINES[1:]) + "\n" for _ in range(300))
                os.kill(service.pid, signal.SIGKILL)
                file.writelines("\n".join(LINES[1:]) + "\n" for _ in range(300))

        writer = Thread(target=write)
        writer.start()
        status = main(["score", "multiclass", "rows.csv", *NAMED, "--url", service.url])
        writer.join()
    assert status == 4
    told = rf"surprisal: the service at {service.url} went away after [\d,]+ bytes, [\d,]+ rows, were sent: "
    assert re.match(told, capsys.readouterr().err)


INTERRUPTED = "surprisal: interrupted; nothing was scored\n"


@pytest.mark.parametrize(("number", "status", "told"), [(signal.SIGINT, 130, INTERRUPTED), (signal.SIGTERM, 143, "")])
def test_a_command_that_is_ended_ends_the_service_that_it_started(number: int, status: int, told: str) -> None:
    os.mkfifo("rows.csv")
    process = subprocess.Popen(
        [*COMMAND, "score", "binary", "rows.csv", "--start", str(ROOT)],
        env=ENVIRONMENT, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    with open("rows.csv", "w") as file:  # noqa: PTH123 - which waits until the service is there and rows are read
        file.write("labels,probabilities\n")
        file.flush()
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(number)
        _, found = process.communicate(timeout=60)
    assert (process.returncode, found) == (status, told)
    assert not Path(f"/proc/{child}").exists()
