"""Threads at long work end with what they work for: the client, or the server."""

from resource import RUSAGE_CHILDREN, getrusage

import numpy as np
import orjson
import pytest

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
