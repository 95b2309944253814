"""The deadline of work: processor time and not that of a clock on the wall, and more of it for a long body."""

from threading import Event, Thread
from time import thread_time

import pytest

from app.api.exchange import Exchange
from app.api.intake import deadline
from app.api.intake.deadline import BODY_BYTES, Deadline, within_deadline
from app.core.checkpoints import Check, at_checkpoints, checkpoint, ended_by, never
from app.errors import TooLarge
from app.settings import Settings
from tests.api.clients import exchange_with

SECONDS = 0.05


def exchange_of(n_bytes: int = 0) -> Exchange:
    exchange = exchange_with()
    exchange.settings = Settings(request_timeout_seconds=SECONDS)
    exchange.bytes_in = n_bytes
    return exchange


def worked(_: Check, seconds: float) -> str:
    end = thread_time() + seconds
    while thread_time() < end:
        checkpoint()
    return "done"


def test_work_that_takes_too_long_ends_at_a_checkpoint() -> None:
    assert within_deadline(exchange_of(), never, worked, SECONDS / 2) == "done"
    with pytest.raises(TooLarge, match=r"must take at most 0.05 seconds of a processor: send fewer rows"):
        within_deadline(exchange_of(), never, worked, 60.0)


def test_a_long_body_may_take_longer() -> None:
    assert within_deadline(exchange_of(8 * BODY_BYTES), never, worked, 4 * SECONDS) == "done"


def test_waiting_takes_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "PAUSE_SECONDS", 0.0)

    def waited(check: Check) -> None:
        Event().wait(4 * SECONDS)
        check()

    within_deadline(exchange_of(), never, waited)


def test_threads_that_help_end_with_the_one_that_they_help() -> None:
    check, ended = Deadline(exchange_of(), never), Event()

    def helped() -> None:
        try:
            worked(check, 60.0)
        except TooLarge:
            ended.set()

    def begun() -> None:
        with ended_by(check):
            helped()

    helper = Thread(target=begun)
    with ended_by(check):
        helper.start()
        helped()
    helper.join(60.0)
    assert ended.is_set()


def test_the_error_of_a_check_comes_first() -> None:
    def gone() -> None:
        raise ConnectionError

    with pytest.raises(ConnectionError):
        within_deadline(exchange_of(), gone, lambda check: check())
    with pytest.raises(ConnectionError), ended_by(gone):
        next(at_checkpoints([1]))
    checkpoint()
