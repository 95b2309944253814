"""The process of the command: arguments in, an answer or an error out, and the exit status."""

import os
import signal
import sys
import traceback
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from surprisal_client import local
from surprisal_client.client import Client
from surprisal_client.command import calls, jobs, output
from surprisal_client.command.parser import parser
from surprisal_client.errors import ServiceError, SurprisalError
from surprisal_client.results.answer import Answer
from surprisal_client.results.job import Job

PASSED, FAILED, INCONCLUSIVE, WRONG_INPUT, NO_SERVICE = range(5)
INTERRUPTED = 128 + signal.SIGINT
BROKEN = os.EX_SOFTWARE if hasattr(os, "EX_SOFTWARE") else 70
"""The status of a fault of this program."""


def run() -> None:
    """Run as a program, which ends what it has started when it is ended."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    sys.exit(main())


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the arguments say; the exit status."""
    try:
        options = parser().parse_args(arguments)
    except SystemExit as error:  # argparse ends with 2, which means inconclusive here
        return WRONG_INPUT if error.code else PASSED
    try:
        return _done(options)
    except ServiceError as error:
        return _told(error, NO_SERVICE)
    except (SurprisalError, OSError) as error:
        return _told(error, WRONG_INPUT)
    except (KeyboardInterrupt, jobs.Left) as error:
        return _told(str(error) or "interrupted; nothing was scored", INTERRUPTED)
    except Exception:  # noqa: BLE001 Python would end with 1, which says that a rule failed
        traceback.print_exc()
        return BROKEN


def _told(error: object, status: int) -> int:
    print(f"surprisal: {error}", file=sys.stderr)
    return status


def _done(options: Namespace) -> int:
    if options.verb == "completion":
        print((files("surprisal_client.command") / "completion" / f"surprisal.{options.shell}").read_text(), end="")
        return PASSED
    with ExitStack() as stack:
        url = options.url
        if getattr(options, "local", False):
            url = stack.enter_context(_service_of_its_own(options)).url
        elif options.start is not None:
            url = stack.enter_context(local.started(options.start or None)).url
        client = stack.enter_context(Client(url, max_wait_seconds=options.max_wait, progress=True))
        answer = calls.CALLS[options.verb](client, options)
    if path := getattr(options, "state", None):
        whole = Path(f"{path}.part")  # a state that is there is a whole one, however the command ended
        whole.write_text(calls.state(answer))
        whole.replace(path)
    if answer is None:
        return PASSED
    _print(answer, options)
    if isinstance(answer, Job) and not answer.has_ended:
        print(f"surprisal: to come back: surprisal job {answer.id} --follow", file=sys.stderr)
    return calls.status(answer)


@contextmanager
def _service_of_its_own(options: Namespace) -> Iterator[local.Service]:
    """A service for one job, which reads the sources alone, and whose database goes with it."""
    with TemporaryDirectory(prefix="surprisal-") as folder:
        settings = {
            "SURPRISAL_DATASET_ROOTS": jobs.roots_of(options.files),
            "SURPRISAL_DATABASE_URL": f"sqlite:///{folder}/jobs.db",
        }
        with local.started(options.start or None, settings) as service:
            yield service


def _print(answer: Any, options: Namespace) -> None:
    """Print the answer; a reader that has seen enough and left, such as `head`, changes no exit status."""
    try:
        if isinstance(answer, Answer):
            output.write(answer, options.output)
        else:
            output.write_plain(calls.plain(answer), calls.tables(options.verb, answer), options.output)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python tries once more at its end
