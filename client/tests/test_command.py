"""The command: what it prints on a terminal and into a pipe, its exit status, and what it says of mistakes."""

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import shtab

from surprisal_client import Client
from surprisal_client.command.main import main
from surprisal_client.command.parser import parser
from tests.conftest import ROOT
from tests.data import classes, events

Y, NEW, OLD = events(600)
EVENTS = pd.DataFrame({"y": Y, "old": OLD, "new": NEW, "site": np.where(np.arange(600) % 3, "north", "south")})
OUTCOME, P = classes(900)
NAMES = np.array(["cat", "dog", "emu"])
CLASSES = pd.DataFrame({"outcome": NAMES[OUTCOME], "patient": np.arange(900) // 3, "age": 7} | {
    f"p_{name}": P[:, k] for k, name in enumerate(NAMES)
})  # fmt: skip
COMMAND = [sys.executable, "-c", "import sys; from surprisal_client.command.main import run; sys.argv[0] = 'x'; run()"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT / "client"), "TERM": "xterm", "COLUMNS": "100"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("files")
    EVENTS.to_csv(place / "preds.csv", index=False)
    CLASSES.to_parquet(place / "preds.parquet")
    for number in range(3):
        CLASSES.iloc[number * 300 : number * 300 + 300].to_parquet(place / f"part-{number}.parquet")
    (place / "empty").mkdir()
    chat = '{"id": "x", "choices": [{"logprobs": {"content": []}}]}\n'
    texts = {
        "chat.jsonl": chat,
        "cut.jsonl": chat + chat[:20],
        "error.jsonl": '{"error": {}}',
        "list.json": '[{"y": 1}]',
    }
    for name, text in texts.items():
        (place / name).write_text(text)
    return place


@pytest.fixture(autouse=True)
def _here(folder: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SURPRISAL_URL", url)


BINARY = ["score", "binary", "preds.csv", "--labels", "y", "--probabilities", "new"]
MULTICLASS = ["--labels", "outcome", "--probabilities", "p_*", "--classes", "auto"]


def answer(capsys: pytest.CaptureFixture[str]) -> Any:
    told = capsys.readouterr()
    assert told.err == ""
    return json.loads(told.out)


def test_a_pipe_gets_json_that_is_the_answer(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(BINARY) == 0
    assert answer(capsys)["metrics"] == client.score(Y, NEW).answer["metrics"]


def test_columns_by_name_slices_and_clusters(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "multiclass", "preds.parquet", *MULTICLASS, "--cluster", "patient", "--slices", "age"]) == 0
    found = answer(capsys)
    expected = client.score(OUTCOME, P, cluster_id=CLASSES["patient"])
    assert found["metrics"]["cross_entropy"] == expected.answer["metrics"]["cross_entropy"]
    assert list(found["slices"]["age"]) == ["7"]


def test_several_files_are_scored_as_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "multiclass", "part-*.parquet", *MULTICLASS]) == 0
    parts = answer(capsys)
    assert main(["score", "multiclass", "preds.parquet", *MULTICLASS]) == 0
    assert answer(capsys)["metrics"] == parts["metrics"]


@pytest.mark.parametrize(
    ("rule", "status"),
    [("cross_entropy<0.6", 0), ("cross_entropy < 0.45", 1), ("accuracy>=0.5", 0), ("accuracy>0.99", 1)],
)
def test_a_rule_decides_the_status(rule: str, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*BINARY, "--require", rule, "--table"]) == status
    told = capsys.readouterr().out
    assert re.search("^failed: " if status else "^passed$", told, re.MULTILINE)


def test_options_are_handed_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*BINARY, "--unit", "bits", "-o", "n_bins=7", "-o", "bin_edges=right", "--include", "calibration"]) == 0
    found = answer(capsys)
    options = {name: found["options"][name] for name in ("unit", "n_bins", "bin_edges")}
    assert options == {"unit": "bits", "n_bins": 7, "bin_edges": "right"}
    assert len(found["calibration"]["bins"]) == 7


def test_catalogue_and_limits_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["metrics", "--json"]) == 0
    assert "cross_entropy" in [entry["name"] for entry in answer(capsys)]
    assert main(["limits", "--markdown"]) == 0
    assert "| max_rows | " in capsys.readouterr().out
    assert main(["metrics", "--table"]) == 0
    assert "lower is better" in capsys.readouterr().out


def test_states_of_files_are_merged(capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        files = [f"part-{number}.parquet", *MULTICLASS]
        assert main(["score", "multiclass", *files, "--state", f"part-{number}.state"]) == 0
    capsys.readouterr()
    assert main(["merge", "part-*.state"]) == 0
    merged = answer(capsys)
    assert main(["score", "multiclass", "part-*.parquet", *MULTICLASS]) == 0
    assert answer(capsys)["metrics"] == merged["metrics"]


COMPARE = ["--labels", "y", "--baseline", "old", "--candidate", "new"]


@pytest.mark.parametrize("file", ["preds.csv", "events.parquet", "events-*.csv"])
def test_files_are_compared_like_arrays(file: str, client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    EVENTS.to_parquet("events.parquet")
    for number in range(2):
        EVENTS.iloc[number * 300 : number * 300 + 300].to_csv(f"events-{number}.csv", index=False)
    assert main(["compare", "binary", file, *COMPARE, "--margin", "0.005"]) == 0
    expected = client.compare(labels=Y, candidates={"old": OLD, "new": NEW}, baseline="old", margin=0.005)
    assert answer(capsys) == expected.answer


def test_states_of_comparisons_are_merged(capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(2):
        EVENTS.iloc[number * 300 : number * 300 + 300].to_csv(f"half-{number}.csv", index=False)
        main(["compare", "binary", f"half-{number}.csv", *COMPARE, "--state", f"half-{number}.state"])
    capsys.readouterr()
    assert main(["merge", "half-*.state"]) == 0
    merged = answer(capsys)
    assert main(["compare", "binary", "half-*.csv", *COMPARE]) == 0
    assert merged["comparisons"] == answer(capsys)["comparisons"]


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["--margin", "0.005"], 0),
        (["--require", "cross_entropy<0.45"], 1),
        (["--require", "new.cross_entropy<0.7"], 0),
        (["--candidate", "again=old"], 2),
        (["--candidate", "again=old", "--margin", "0.1"], 0),
        (["--baseline", "new", "--candidate", "old"], 1),
        (["--candidate", "newer"], 3),
    ],
)
def test_a_verdict_decides_the_status(arguments: list[str], status: int, capsys: pytest.CaptureFixture[str]) -> None:
    EVENTS.to_parquet("gate.parquet")
    told = COMPARE if "--baseline" not in arguments else COMPARE[:2]
    assert main(["compare", "binary", "gate.parquet", *told, *arguments]) == status
    if status == 3:
        assert 'found none called "newer"; did you mean "new"?' in capsys.readouterr().err


MISTAKES: dict[str, tuple[list[str], str]] = {
    "no arguments": ([], "required: COMMAND; see surprisal --help"),
    "no task": (["score", "preds.csv"], "invalid choice: 'preds.csv' (choose from"),
    "no columns": (["score", "binary", "preds.csv"], "name the columns, such as `labels` and `probabilities`; there"),
    "an empty folder": (["score", "binary", "empty"], "empty: must hold files of .parquet"),
    "completions without their reader": (["score", "tokens", "chat.jsonl"], "read them with --from openai"),
    "completions that end early": (["score", "tokens", "--from", "openai", "cut.jsonl"], "line 2 must be JSON"),
    "an error in place of a completion": (["score", "tokens", "--from", "openai", "error.jsonl"], "0 has no choices"),
    "a JSON list": (["score", "binary", "list.json", "--labels", "y", "--probabilities", "p"], "one object a line"),
    "an object that is no state": (["merge", "error.jsonl"], "error.jsonl: must be a state"),
    "a missing file": (["score", "binary", "none.csv"], "none.csv: no such file"),
    "a missing column": ([*BINARY, "--labels", "Y"], 'did you mean "y"'),
    "a missing column of Parquet": (["score", "multiclass", "preds.parquet", "--labels", "outcom"], 'mean "outcome"'),
    "a pattern without a match": (["score", "multiclass", "preds.parquet", "--logits", "q_*"], 'none like "q_*"'),
    "values out of range": ([*BINARY, "--probabilities", "y", "--labels", "new"], "labels[0]"),
    "no rule": ([*BINARY, "--require", "accuracy"], "must be a metric, one of"),
    "a rule without a number": ([*BINARY, "--require", "accuracy>x"], "must be a metric, one of"),
    "an unknown metric": ([*BINARY, "--require", "acuracy>0.5"], "accuracy"),
    "no option": ([*BINARY, "-o", "n_bins"], "must be NAME=VALUE"),
    "an unknown option": ([*BINARY, "-o", "n_bin=3"], "n_bins"),
    "one candidate": (["compare", "binary", "preds.csv", "--baseline", "old"], "takes --baseline and"),
    "no state": (["merge", "preds.csv"], "preds.csv: must be a state"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_status_3_and_a_sentence(
    arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 3
    written = capsys.readouterr()
    assert written.out == ""
    assert told in written.err
    assert "Traceback" not in written.err


def test_states_that_differ_are_named_by_their_files(capsys: pytest.CaptureFixture[str]) -> None:
    for unit in ("nats", "bits"):
        assert main([*BINARY, "--unit", unit, "--state", f"{unit}.state"]) == 0
    capsys.readouterr()
    assert main(["merge", "nats.state", "bits.state"]) == 3
    assert "found nats in nats.state and bits in bits.state" in capsys.readouterr().err


def test_the_answer_with_its_state_is_merged_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*BINARY, "--include", "state", "--state", "one.state"]) == 0
    Path("one.json").write_text(capsys.readouterr().out)
    assert main(["merge", "one.json"]) == 0
    merged = answer(capsys)
    assert main(["merge", "one.state"]) == 0
    assert answer(capsys) == merged


def test_lines_of_json_may_be_called_so(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    """DuckDB calls them `.json`; other JSON in a folder is no rows."""
    Path("rows").mkdir()
    EVENTS.to_json("rows.json", orient="records", lines=True, double_precision=15)
    EVENTS.to_csv("rows/rows.csv", index=False)
    Path("rows/about.json").write_text("{}")
    for source in ("rows.json", "rows"):
        assert main(["score", "binary", source, *BINARY[3:]]) == 0
        found = answer(capsys)["metrics"]["cross_entropy"]["value"]
        assert found == pytest.approx(client.score(Y, NEW).cross_entropy.value, abs=1e-12)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"surprisal \d+\.\d+\.\d+\n", capsys.readouterr().out)


def test_a_service_that_is_not_there_is_status_4(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*BINARY, "--url", "http://127.0.0.1:1"]) == 4
    assert capsys.readouterr().err.startswith("surprisal: no service answers at http://127.0.0.1:1: ")


def test_help_shows_examples_that_parse(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    told = capsys.readouterr().out
    examples = [line.strip() for line in told.splitlines() if line.startswith("  surprisal ")]
    assert len(examples) > 5
    for example in examples:
        words = subprocess.run(["bash", "-c", f"printf '%s\\n' {example}"], capture_output=True, text=True, check=True)
        assert parser().parse_args(words.stdout.splitlines()[1:]).verb in example
    assert "exit status: 0 passed" in told


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_completion_is_that_of_the_arguments(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`make lock` and a changed argument renew it: the failure shows what belongs into the file."""
    assert main(["completion", shell]) == 0
    assert capsys.readouterr().out == shtab.complete(parser(), shell)


def test_bash_completes(capsys: pytest.CaptureFixture[str]) -> None:
    main(["completion", "bash"])
    Path("completion").write_text(capsys.readouterr().out)
    script = """
    source completion
    COMP_WORDS=(surprisal score mul); COMP_CWORD=2
    _shtab_surprisal; printf '%s\\n' "${COMPREPLY[@]}"
    """
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["multiclass", "multilabel"]


def on_a_terminal(arguments: list[str], out: bool = True, command: list[str] = COMMAND) -> tuple[int, str, str]:
    """Run the command with standard error, and perhaps standard output, on a terminal: status, terminal, pipe."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*command, *arguments], stdout=theirs if out else subprocess.PIPE, stderr=theirs, env=os.environ | ENVIRONMENT
    )
    os.close(theirs)
    shown = b""
    while chunk := _read(ours):
        shown += chunk
    piped = process.stdout.read() if process.stdout else b""
    os.close(ours)
    with process:
        return process.wait(), shown.decode(), piped.decode()


def _read(terminal: int) -> bytes:
    with contextlib.suppress(OSError):  # Linux says EIO when the other end is closed
        return os.read(terminal, 1 << 16)
    return b""


def test_a_terminal_gets_a_table_and_progress(url: str) -> None:
    status, shown, _ = on_a_terminal([*BINARY, "--slices", "site", "--url", url])
    assert status == 0
    assert "binary, 600 of 600 rows, in nats" in shown
    assert "north" in shown
    assert "600 rows" in shown.partition("cross_entropy")[0], "the progress"


def test_a_program_may_show_progress_and_be_told_of_it(url: str) -> None:
    script = """
    import sys
    from surprisal_client import Client
    seen = []
    Client(sys.argv[1], progress=True, on_progress=lambda sent: seen.append(sent.n_bytes)).score([1, 0], [0.5, 0.5])
    print(seen[-1] > 0)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    status, shown, piped = on_a_terminal([url], out=False, command=command)
    assert (status, piped) == (0, "True\n")
    assert "sending" in shown or "scoring" in shown


def test_a_fault_of_the_program_is_no_verdict(url: str) -> None:
    script = """
    import sys
    from surprisal_client.command import calls, main
    calls.CALLS["limits"] = None
    sys.exit(main.main(["limits", "--url", sys.argv[1]]))
    """
    command = [sys.executable, "-c", textwrap.dedent(script), url]
    done = subprocess.run(command, env=os.environ | ENVIRONMENT, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (70, b"")
    assert b"TypeError" in done.stderr


def test_progress_never_writes_into_a_pipe(url: str) -> None:
    status, shown, piped = on_a_terminal([*BINARY, "--url", url], out=False)
    assert (status, json.loads(piped)["n_scored"]) == (0, 600)
    assert "sending" in shown or "scoring" in shown
    done = subprocess.run(
        [*COMMAND, *BINARY, "--url", url], env=os.environ | ENVIRONMENT, capture_output=True, check=True
    )
    assert done.stderr == b""


@pytest.mark.parametrize(("rule", "status"), [("accuracy>=0.5", 0), ("accuracy>0.99", 1)])
def test_a_reader_that_leaves_changes_no_status(url: str, rule: str, status: int) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    command = [*COMMAND, *BINARY, "--url", url, "--require", rule]
    done = subprocess.run(command, env=os.environ | ENVIRONMENT, stdout=theirs, stderr=subprocess.PIPE, check=False)
    os.close(theirs)
    assert (done.returncode, done.stderr) == (status, b"")


def test_sums_of_documents_say_how_many_tokens_they_are_of(capsys: pytest.CaptureFixture[str]) -> None:
    Path("sums.csv").write_text("log_probabilities,length,n_bytes\n-2.0,4,9\n-3.0,6,12\n")
    assert main(["score", "tokens", "sums.csv", "--n-tokens", "length", "-o", "extra_columns=error"]) == 0
    found = answer(capsys)["metrics"]
    assert (found["cross_entropy"]["value"], found["perplexity"]["value"]) == (0.5, np.exp(0.5))


def test_tables_are_plain_without_rich(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)
    assert main([*BINARY, "--table"]) == 0
    assert re.search(r"^cross_entropy +0\.\d+ +0\.\d+ to 0\.\d+", capsys.readouterr().out, re.MULTILINE)


def test_ctrl_c_is_told_and_has_its_status(url: str) -> None:
    os.mkfifo("endless.csv")
    try:
        process = subprocess.Popen(
            [*COMMAND, "score", "binary", "endless.csv", "--url", url],
            env=os.environ | ENVIRONMENT,
            stderr=subprocess.PIPE,
            text=True,
        )
        with open("endless.csv", "w") as file:  # noqa: PTH123 - which waits until the command reads
            file.write("labels,probabilities\n")
            file.flush()
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=30)
        assert (process.returncode, told) == (130, "surprisal: interrupted; nothing was scored\n")
    finally:
        Path("endless.csv").unlink()
