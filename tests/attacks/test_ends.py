"""Threads at long work end with what they work for: the client, or the server."""

import re
from contextlib import ExitStack
from resource import RUSAGE_CHILDREN, getrusage

import numpy as np
import orjson
import pytest

from app.settings import DEFAULTS
from tests.api.servers import Process
from tests.attacks.clients import answer, get, post, processor_seconds

N = 300_000
ENOUGH_SECONDS, MOST_SECONDS = 1.0, 6.0
"""Processor time in which the fit has begun, and that of a server which ended early; the fit alone takes 7."""


def calibrating() -> bytes:
    logits = np.random.default_rng(13).normal(size=N).round(3)  # the classes are separable, which takes most steps
    columns = {"labels": (logits > 0.0) * 1, "logits": logits, "n_folds": 20, "method": "platt"}
    return post("/v1/calibrate/binary", orjson.dumps(columns, option=orjson.OPT_SERIALIZE_NUMPY), "application/json")


def wait_for_work(process: Process) -> None:
    began = processor_seconds(process)
    while processor_seconds(process) - began < ENOUGH_SECONDS:
        assert answer(process, get("/healthz"))[0] == 200


def test_a_server_ends_in_time_though_a_thread_is_at_work() -> None:
    before = getrusage(RUSAGE_CHILDREN)
    process = Process(SURPRISAL_DRAIN_TIMEOUT_SECONDS="0")
    with process.socket() as connection:
        connection.sendall(calibrating())
        wait_for_work(process)
        process.terminate()
        assert process.ended() == 0
    after = getrusage(RUSAGE_CHILDREN)
    assert after.ru_utime - before.ru_utime < MOST_SECONDS


@pytest.mark.slow
def test_work_for_a_client_that_left_ends() -> None:
    before = getrusage(RUSAGE_CHILDREN)
    process = Process(SURPRISAL_DRAIN_TIMEOUT_SECONDS="60")
    with process.socket() as connection:
        connection.sendall(calibrating())
        wait_for_work(process)
    process.terminate()
    assert process.ended() == 0
    after = getrusage(RUSAGE_CHILDREN)
    assert after.ru_utime - before.ru_utime < MOST_SECONDS


MOST_SECONDS_OF_AN_END = 28
"""The most time from SIGTERM to the end; Kubernetes kills after 30 s by default."""
LOGGED = b"GET /none HTTP/1.1\r\nhost: a\r\n\r\n" * 10


def n_busy(process: Process) -> int:
    _, got = answer(process, get("/metrics"))
    return int(float(re.findall(rb'surprisal_threads_busy\{pool="whole"\} (\S+)', got)[0]))


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_server_ends_in_time_though_all_threads_are_at_work_and_nobody_reads_its_log(workers: int) -> None:
    """All times are the default ones."""
    process = Process(SURPRISAL_DRAIN_DELAY_SECONDS="3", SURPRISAL_WORKERS=str(workers))
    with ExitStack() as stack:
        for _ in range(100):
            with process.socket() as client:
                client.sendall(LOGGED)
                client.recv(1)
        for _ in range(3 * DEFAULTS.max_threads):
            stack.enter_context(process.socket()).sendall(calibrating())
        while n_busy(process) < DEFAULTS.max_threads:
            pass
        process.terminate()
        assert process.wait(MOST_SECONDS_OF_AN_END) == 0
