"""The turns of the event loop in which small requests are scored."""

import asyncio
from collections.abc import Callable
from functools import partial

import pytest

from app.api import turns as module
from app.api.backoff import LEAST_SPREAD, LONGEST_SPREAD, PER_SECOND, Backoff
from app.api.turns import Turns
from app.errors import Unavailable
from app.settings import Settings
from tests.api.clients import client_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turns that are over after their first request."""
    monkeypatch.setattr(module, "TURN_SECONDS", 0.0)


async def scored(turns: Turns, work: Callable[[], object]) -> object:
    return work() if turns.has_time() else await turns.later(work, 100)


@pytest.mark.usefixtures("no_time")
async def test_a_turn_has_time_until_it_is_spent() -> None:
    turns = Turns(60.0)
    assert [turns.has_time() for _ in range(3)] == [True, False, False]
    await asyncio.sleep(0)
    assert turns.has_time()


@pytest.mark.usefixtures("no_time")
async def test_requests_are_scored_in_their_order_and_the_loop_turns_between() -> None:
    turns, order = Turns(60.0), list[int | str]()
    tasks = [asyncio.create_task(scored(turns, partial(order.append, i))) for i in range(4)]
    await asyncio.sleep(0)
    assert order == [0]
    late = asyncio.create_task(scored(turns, partial(order.append, 4)))
    for _ in range(3):
        await asyncio.sleep(0)
        order.append("turn")
    await asyncio.gather(*tasks, late)
    assert [entry for entry in order if entry != "turn"] == [0, 1, 2, 3, 4]
    assert order.index("turn") < order.index(3)


@pytest.mark.usefixtures("no_time")
async def test_those_who_would_wait_too_long_are_refused() -> None:
    turns = Turns(0.0)
    first, second = [asyncio.create_task(turns.later(lambda: 1, 100)) for _ in range(2)]
    with pytest.raises(Unavailable, match="more small requests wait"):
        await second
    assert await first == 1
    await asyncio.sleep(0)
    assert turns.has_time()


async def test_those_that_come_count_until_the_next_turn() -> None:
    turns = Turns(60.0)
    room = int(60 * module.FIRST_RATE)
    waiting = asyncio.create_task(turns.later(lambda: 1, 100))
    await asyncio.sleep(0)
    assert [turns.is_full(room // 2) for _ in range(3)] == [False, False, True]
    assert await waiting == 1
    assert not turns.is_full(100)


async def test_sixteen_clients_with_bodies_of_200_kb_are_no_flood() -> None:
    turns = Turns(Settings().max_lag_seconds)
    assert [turns.is_full(200_000) for _ in range(16)] == 16 * [False]


async def test_a_large_request_waits_like_a_small_one_behind_the_same() -> None:
    turns = Turns(0.001)
    large = int(module.FIRST_RATE)
    assert not turns.is_full(large)
    assert turns.is_full(100)
    waiting = [asyncio.create_task(turns.later(lambda: 1, n_bytes)) for n_bytes in (100, large, 100)]
    with pytest.raises(Unavailable):
        await waiting[2]
    assert await asyncio.gather(*waiting[:2]) == [1, 1]


async def test_after_a_refusal_fewer_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = Turns(60.0)
    assert not turns.is_full(int(60 * module.FIRST_RATE))
    assert turns.is_full(1)
    assert turns.has_time()
    await asyncio.sleep(0)  # in the next turn nothing is coming any more
    assert not turns.is_full(int(module.CROWDED_LAG_SECONDS * module.FIRST_RATE))
    assert turns.is_full(1)
    monkeypatch.setattr(module, "CROWDED_SECONDS", 0.0)
    assert turns.is_full(1)
    assert not turns.is_full(1)


@pytest.mark.usefixtures("no_time")
async def test_an_error_is_that_of_its_request_alone() -> None:
    turns = Turns(60.0)
    assert turns.has_time()
    failed, good = [asyncio.create_task(turns.later(partial(divmod, 7, n), 100)) for n in (0, 2)]
    with pytest.raises(ZeroDivisionError):
        await failed
    assert await good == (3, 1)


@pytest.mark.usefixtures("no_time")
async def test_cancelled_requests_are_passed_over() -> None:
    turns, order = Turns(60.0), list[int]()
    assert turns.has_time()
    tasks = [asyncio.create_task(turns.later(partial(order.append, i), 100)) for i in range(2)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await tasks[1]
    assert order == [1]


@pytest.mark.usefixtures("no_time")
async def test_a_full_loop_answers_503_and_goes_on() -> None:
    body = {"labels": [1], "probabilities": [0.5]}
    async with client_of(Settings(max_lag_seconds=0)) as client:
        answers = await asyncio.gather(*[client.post("/v1/score/binary", json=body) for _ in range(20)])
        refused = [answer for answer in answers if answer.status_code == 503]
        assert {answer.status_code for answer in answers} == {200, 503}
        assert all(answer.json()["code"] == "unavailable" and int(answer.headers["retry-after"]) for answer in refused)
        assert (await client.post("/v1/score/binary", json=body)).status_code == 200


def test_the_more_are_refused_the_longer_they_are_spread() -> None:
    backoff = Backoff()
    few = [backoff.seconds() for _ in range(PER_SECOND // 2)]
    many = [backoff.seconds() for _ in range(100 * PER_SECOND)]
    assert set(few) == set(range(1, LEAST_SPREAD + 1))
    assert set(many) == set(range(1, LONGEST_SPREAD + 1))
