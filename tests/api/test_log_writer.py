"""A log that nobody reads: it loses lines, and counts them, and nobody waits for it."""

import json
import os
import sys
from threading import Thread
from typing import Any

from app.api import logs
from app.api.log_writer import MAX_WAITING_BYTES, LogWriter

LINE = b'{"event":"%b"}\n' % (b"a" * 1000)
PIPE_BYTES = 2**20
"""A number of bytes that no pipe holds."""


def lines_of(descriptor: int) -> list[Any]:
    with os.fdopen(descriptor, "rb") as reader:
        return [json.loads(line) for line in reader]


def test_lines_arrive_in_order() -> None:
    out, into = os.pipe()
    writer = LogWriter(into)
    for number in range(50):
        writer.write(b"[%d]\n" % number)
    writer.end()
    os.close(into)
    assert lines_of(out) == [[number] for number in range(50)]
    assert writer.n_lost == 0


def test_a_full_pipe_loses_lines_and_tells_so() -> None:
    out, into = os.pipe()
    writer = LogWriter(into)
    n_written = (MAX_WAITING_BYTES + PIPE_BYTES) // len(LINE)
    for _ in range(n_written):
        assert writer.write(LINE) == len(LINE)
    assert writer.n_lost > 0
    found: list[dict[str, Any]] = []
    reader = Thread(target=lambda: found.extend(lines_of(out)))
    reader.start()
    writer.end()
    os.close(into)
    reader.join()
    told = [event["n_lost"] for event in found if event["event"] == "lines of the log were lost"]
    assert sum(told) == writer.n_lost
    assert len(found) - len(told) == n_written - writer.n_lost


def test_a_reader_that_has_gone_costs_its_lines_alone() -> None:
    out, into = os.pipe()
    os.close(out)
    writer = LogWriter(into)
    writer.write(LINE + LINE)
    writer.end()
    os.close(into)
    assert writer.n_lost == 2


def test_an_output_that_is_taken_stays() -> None:
    """pytest has taken standard output, so nothing of it is lost."""
    assert sys.stdout is not sys.__stdout__
    assert logs.n_lost() == 0
