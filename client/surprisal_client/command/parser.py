"""The arguments of the command."""

import argparse
import json
from typing import Any, NoReturn

from surprisal_client import __version__
from surprisal_client.command.requirements import rule

TASKS = ("binary", "multiclass", "multilabel", "distributions", "tokens")
READERS = ("lm-eval", "openai", "vllm")
SCORE_EXAMPLES = """\
examples:
  surprisal score binary preds.csv --labels y --probabilities p
  surprisal score multiclass preds.parquet --labels outcome --probabilities 'p_*' --slices site --cluster patient
  surprisal score multiclass 'preds/*.parquet' --require 'cross_entropy<0.45' --markdown
  surprisal score tokens --from openai completions.jsonl --unit bits
  surprisal score multiclass 's3://bucket/preds/*.parquet' --labels outcome --probabilities 'p_*' --follow
"""
COMPARE_EXAMPLES = """\
examples:
  surprisal compare binary preds.csv --labels y --baseline old --candidate new --margin 0.005
  surprisal compare multiclass preds.parquet --labels y --baseline 'old_*' --candidate 'new_*'
  surprisal compare tokens --from lm-eval run_a/ run_b/ --per byte
"""
STATUS = """\
exit status: 0 passed, 1 failed, 2 inconclusive, 3 wrong input, 4 no answer of the service
"""
Parsers = Any


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are a sentence, without the forty options that its usage lists."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong, and where help is."""
        self.exit(2, f"{self.prog}: {message}; see {self.prog} --help\n")


def parser() -> argparse.ArgumentParser:
    """The parser of the whole command."""
    top = _Parser(
        prog="surprisal",
        description="Score predicted probabilities with a Surprisal service.",
        epilog=f"{SCORE_EXAMPLES}{COMPARE_EXAMPLES.removeprefix('examples:' + chr(10))}\n{STATUS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    verbs = top.add_subparsers(dest="verb", metavar="COMMAND", required=True)
    _add_score(verbs)
    _add_compare(verbs)
    _add_calibrate(verbs)
    merge = _verb(
        verbs, "merge", "Add up the states that --state wrote.", "examples:\n  surprisal merge part-*.state\n"
    )
    _add_files(merge)
    _add_output(merge)
    _add_jobs(verbs)
    for name, told in (("metrics", "List the metrics of the service."), ("limits", "Show what the service takes.")):
        _add_output(_verb(verbs, name, told, ""))
    completion = _verb(
        verbs, "completion", "Print the completion of a shell.", 'examples:\n  eval "$(surprisal completion bash)"\n'
    )
    completion.add_argument("shell", choices=("bash", "zsh"))
    return top


def _verb(verbs: Parsers, name: str, told: str, examples: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=told,
        description=told,
        epilog=f"{examples}\n{STATUS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return made


def _add_files(verb: argparse.ArgumentParser) -> None:
    told = "files, patterns or folders; several are one request"
    files = verb.add_argument("files", nargs="+", metavar="FILE", help=told)
    files.complete = {"bash": "_shtab_compgen_files", "zsh": "_files"}  # type: ignore[attr-defined]


def _add_output(verb: argparse.ArgumentParser) -> None:
    forms = verb.add_mutually_exclusive_group()
    for form, told in (
        ("json", "print JSON (the default in a pipe)"),
        ("markdown", "print Markdown"),
        ("table", "print a table"),
    ):
        forms.add_argument(f"--{form}", dest="output", action="store_const", const=form, help=told)
    verb.add_argument("--url", help="address of the service (default: SURPRISAL_URL, or http://127.0.0.1:8000)")
    verb.add_argument(
        "--start",
        nargs="?",
        const="",
        metavar="CHECKOUT",
        help="start a service for this command, from a checkout or the image",
    )
    verb.add_argument(
        "--max-wait",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="longest wait for a busy service (default: %(default)s)",
    )


def _add_rows(verb: argparse.ArgumentParser) -> None:
    """Add what says which rows, and which column is what."""
    verb.add_argument("task", choices=TASKS)
    _add_files(verb)
    verb.add_argument("--from", dest="reader", choices=READERS, help="the program that wrote the files")
    told = "names of columns: one, several as 'a,b', or a pattern as 'p_*'; by default the names of the fields"
    names = verb.add_argument_group("columns", told)
    names.add_argument("--labels", metavar="COLUMN", help="what came true")
    names.add_argument("--targets", metavar="COLUMNS", help="what came true, as probabilities")
    names.add_argument("--weights", dest="sample_weight", metavar="COLUMN", help="a weight a row")
    names.add_argument("--cluster", dest="cluster_id", metavar="COLUMN", help="rows of one cluster are dependent")
    names.add_argument("--slices", metavar="COLUMNS", help="score each value of these by itself")
    names.add_argument("--mask", metavar="COLUMN", help="true where a row is scored")
    names.add_argument("--n-bytes", metavar="COLUMN", help="bytes of each document (tokens)")
    names.add_argument("--n-words", metavar="COLUMN", help="words of each document (tokens)")
    names.add_argument("--n-tokens", metavar="COLUMN", help="tokens of each document, whose values are sums (tokens)")


def _add_predictions(verb: argparse.ArgumentParser) -> None:
    for form in ("probabilities", "log-probabilities", "logits"):
        verb.add_argument(f"--{form}", metavar="COLUMNS", help=f"predictions, as {form.replace('-', ' ')}")


def _add_options(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--unit", choices=("nats", "bits", "hartleys"))
    verb.add_argument("--classes", metavar="NAMES", help="class names in column order, 'a,b,c', or auto")
    verb.add_argument("--include", metavar="SECTIONS", help="further sections, as calibration,worst")
    verb.add_argument(
        "-o", "--option", dest="options", action="append", default=[], type=option, metavar="NAME=VALUE",
        help="any other option of the service, as top_k=[1,5]",
    )  # fmt: skip


def _add_gate(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--require",
        action="append",
        default=[],
        type=rule,
        metavar="RULE",
        help="fail unless it holds, as 'accuracy>=0.9'; the bound itself is allowed",
    )
    verb.add_argument("--state", metavar="FILE", help="write the state, which `surprisal merge` adds up")


def _add_score(verbs: Parsers) -> None:
    score = _verb(verbs, "score", "Score predictions against what came true.", SCORE_EXAMPLES)
    _add_rows(score)
    _add_predictions(score)
    _add_options(score)
    _add_gate(score)
    told = "a data set that the service reads itself, from its disks or from buckets; an address s3://... is always one"
    jobs = score.add_argument_group("jobs", told)
    jobs.add_argument("--job", action="store_true", help="score the files as a job, which goes on by itself")
    jobs.add_argument("--follow", action="store_true", help="wait for the job, with a bar; Ctrl-C leaves it running")
    jobs.add_argument("--local", action="store_true", help="run the job on this machine, with a service of its own")
    _add_output(score)


def _add_jobs(verbs: Parsers) -> None:
    jobs = _verb(verbs, "jobs", "List the newest jobs.", "examples:\n  surprisal jobs --limit 5\n")
    jobs.add_argument("--limit", type=int, default=20, metavar="N", help="how many (default: %(default)s)")
    _add_output(jobs)
    examples = "examples:\n  surprisal job 8f7c2d1e5b6a4c3f9e0d7a6b5c4d3e2f --follow\n"
    job = _verb(verbs, "job", "Show a job and its scores, follow it, or cancel it.", examples)
    job.add_argument("id", metavar="ID")
    ways = job.add_mutually_exclusive_group()
    ways.add_argument("--follow", action="store_true", help="wait for its end, with a bar; Ctrl-C leaves it running")
    ways.add_argument("--cancel", action="store_true", help="end it, and forget it")
    _add_output(job)


def _add_compare(verbs: Parsers) -> None:
    compare = _verb(verbs, "compare", "Compare models on the same rows, with a verdict.", COMPARE_EXAMPLES)
    _add_rows(compare)
    compare.add_argument("--baseline", metavar="[NAME=]COLUMNS", help="predictions of the model to beat")
    compare.add_argument(
        "--candidate",
        dest="candidates",
        action="append",
        default=[],
        metavar="[NAME=]COLUMNS",
        help="those of another model",
    )
    compare.add_argument(
        "--form", choices=("probabilities", "log_probabilities", "logits"), help="what the predictions are"
    )
    compare.add_argument("--margin", type=float, help="the difference that does not matter")
    compare.add_argument(
        "--per",
        choices=("token", "byte", "word", "document"),
        help="what a difference is of (tokens; for lm-eval it is byte); by the byte in bits, unless --unit says else",
    )
    _add_options(compare)
    _add_gate(compare)
    _add_output(compare)


def _add_calibrate(verbs: Parsers) -> None:
    examples = "examples:\n  surprisal calibrate binary preds.csv --labels y --logits z --method platt\n"
    calibrate = _verb(verbs, "calibrate", "Fit a calibration to predictions.", examples)
    _add_rows(calibrate)
    _add_predictions(calibrate)
    calibrate.add_argument("--method", choices=("temperature", "platt", "isotonic"))
    _add_options(calibrate)
    _add_output(calibrate)


def option(text: str) -> tuple[str, Any]:
    """An option and its value, which is JSON or else a word.

    >>> option("n_bins=10"), option("bin_edges=right")
    (('n_bins', 10), ('bin_edges', 'right'))

    Raises:
        argparse.ArgumentTypeError: There is no `=`.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, found {text[:80]!r}")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
