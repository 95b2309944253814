"""The process of the command: arguments in, an answer or an error out, and the exit status."""

import os
import signal
import sys
import traceback
from argparse import Namespace
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path
from typing import Any

from surprisal_client import local
from surprisal_client.client import Client
from surprisal_client.command import calls, output
from surprisal_client.command.parser import parser
from surprisal_client.errors import ServiceError, SurprisalError
from surprisal_client.results.answer import Answer

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
    except KeyboardInterrupt:
        return _told("interrupted; nothing was scored", INTERRUPTED)
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
        if options.start is not None:
            url = stack.enter_context(local.started(options.start or None)).url
        client = stack.enter_context(Client(url, max_wait_seconds=options.max_wait, progress=True))
        answer = calls.CALLS[options.verb](client, options)
    if path := getattr(options, "state", None):
        whole = Path(f"{path}.part")  # a state that is there is a whole one, however the command ended
        whole.write_text(calls.state(answer))
        whole.replace(path)
    _print(answer, options)
    return calls.status(answer) if isinstance(answer, Answer) else PASSED


def _print(answer: Any, options: Namespace) -> None:
    """Print the answer; a reader that has seen enough and left, such as `head`, changes no exit status."""
    try:
        if isinstance(answer, Answer):
            output.write(answer, options.output)
        else:
            output.write_plain(answer, calls.tables(options.verb, answer), options.output)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python tries once more at its end
