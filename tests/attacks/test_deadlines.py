"""The deadlines of heads, trailers and empty lines on one connection, with pieces cut exactly."""

import pytest

from app.api.bounds import MAX_CHUNKS_PER_SECOND
from app.settings import Settings
from tests.api.connections import chunked, connected, request

pytestmark = pytest.mark.anyio

SCORE = "/v1/score/binary"
BODY = b'{"labels": [1, 0, 1], "probabilities": [0.9, 0.2, 0.625]}'
WHOLE = request("POST", SCORE, BODY)
SHORT = Settings(head_timeout_seconds=0.05)


@pytest.mark.parametrize("trailers", [[b"a: b\r\n"], [b"a"], [b"a: b\r\n", b"c:"]])
async def test_trailers_have_a_deadline(trailers: list[bytes]) -> None:
    async with connected(SHORT) as connection:
        connection.send(chunked(SCORE, BODY)[:-2], *trailers)
        status, problem = await connection.answer()
        assert (status, problem["detail"]) == (408, "trailers must arrive within 0.05 seconds")
        assert await connection.rest() == b""


async def test_trailers_in_time_are_no_matter() -> None:
    async with connected(SHORT) as connection:
        for _ in range(2):
            connection.send(chunked(SCORE, BODY)[:-2], b"a: b\r\n", b"host: b\r\n", b"\r\n")
            assert (await connection.answer())[0] == 200


async def test_an_empty_line_begins_a_head_that_never_comes() -> None:
    async with connected(SHORT) as connection:
        connection.send(WHOLE)
        assert (await connection.answer())[0] == 200
        connection.send(b"\r\n")
        assert await connection.rest() == b""


async def test_the_time_of_a_head_is_not_begun_anew_by_its_first_letter() -> None:
    async with connected(Settings()) as connection:
        connection.send(WHOLE)
        assert (await connection.answer())[0] == 200
        connection.send(b"\r\n")
        began = connection.protocol._deadline
        connection.send(b"\r\n", WHOLE[:10])
        assert connection.protocol._deadline is began
        connection.send(WHOLE[10:])
        assert connection.protocol._deadline is None
        assert (await connection.answer())[0] == 200


async def test_an_empty_line_does_not_end_an_answer_that_is_under_way() -> None:
    async with connected(Settings()) as connection:
        connection.send(WHOLE, b"\r\n")
        connection.protocol._head_timed_out()
        assert (await connection.answer())[0] == 200


async def test_no_time_runs_out_while_the_server_does_not_read() -> None:
    async with connected(Settings()) as connection:
        connection.send(WHOLE + WHOLE + WHOLE[:20])
        connection.protocol._head_timed_out()
        assert [status for status, _ in await connection.answers(2)] == [200, 200]
        connection.send(WHOLE[20:])
        assert (await connection.answer())[0] == 200


async def test_a_head_that_ends_in_silence_is_told_so() -> None:
    async with connected(SHORT) as connection:
        connection.send(WHOLE + WHOLE[:20])
        assert (await connection.answer())[0] == 200
        assert (await connection.answer())[0] == 408


@pytest.mark.parametrize(("n_seconds", "status"), [(0, 400), (1, 200)])
async def test_chunks_are_counted_by_the_second(n_seconds: int, status: int) -> None:
    async with connected(Settings(head_timeout_seconds=20.0)) as connection:
        head, first, rest = chunked(SCORE, b" " + BODY).partition(b"1\r\n \r\n")
        connection.send(head + first)
        # The clock stands for the others: they come in the same second as the first, or from the next one on.
        connection.protocol._chunks_since = connection.protocol.loop.time() + 20 - 21 * n_seconds
        connection.send(first * (MAX_CHUNKS_PER_SECOND - 1), rest)
        assert (await connection.answer())[0] == status
