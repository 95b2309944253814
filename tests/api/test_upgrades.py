"""A request that offers another protocol, as every plain one of Java's client does, is answered in this one."""

import asyncio

import pytest
from structlog.typing import EventDict

from app.settings import Settings
from tests.api.connections import chunked, connected, request

pytestmark = pytest.mark.anyio

SCORE = "/v1/score/binary"
BODY = b'{"labels": [1, 0, 1], "probabilities": [0.9, 0.2, 0.625]}'
OFFER = ["connection: Upgrade, HTTP2-Settings", "upgrade: h2c", "http2-settings: AAEAAEAAAAIAAAAAAAMAAAAAAAQBAAAA"]
WHOLE = request("POST", SCORE, BODY, OFFER)
N_HEAD = WHOLE.index(b"\r\n\r\n") + 4


def same(answers: list[tuple[int, dict[str, object]]]) -> bool:
    """Tell if all of the answers score `BODY`."""
    return all((status, content["n_samples"]) == (200, 3) for status, content in answers)


async def test_no_cut_of_the_head_loses_the_body() -> None:
    async with connected(Settings()) as connection:
        for cut in range(1, N_HEAD + 1):
            connection.send(WHOLE[:cut], WHOLE[cut:])
            assert same([await connection.answer()]), cut


async def test_bytes_may_come_one_by_one() -> None:
    async with connected(Settings()) as connection:
        connection.send(*(bytes([byte]) for byte in WHOLE * 2))
        assert same(await connection.answers(2))


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 64, 10_000])
async def test_three_in_a_row_are_answered(step: int) -> None:
    whole = WHOLE * 3
    async with connected(Settings()) as connection:
        connection.send(*(whole[i : i + step] for i in range(0, len(whole), step)))
        assert same(await connection.answers(3))


async def test_no_cut_of_two_in_a_row_loses_either() -> None:
    whole = WHOLE + chunked(SCORE, BODY, OFFER)
    async with connected(Settings()) as connection:
        for cut in range(N_HEAD, len(whole), 3):
            connection.send(whole[:cut], whole[cut:])
            assert same(await connection.answers(2)), cut


@pytest.mark.parametrize(
    "headers",
    [
        ["connection: upgrade", "upgrade: h2c", "upgrade: websocket"],
        ["upgrade: h2c", "connection: HTTP2-Settings", "connection: Upgrade"],
        ["UPGRADE:h2c,  foo/2", "CONNECTION:  uPgRaDe "],
        ["connection: keep-alive, upgrade", "upgrade: websocket", "sec-websocket-version: 13"],
        ["connection: upgrade"],
        ["upgrade: h2c"],
        [*OFFER, "expect: 100-continue"],
        [*OFFER, "x-empty:", "x-spaces:   a  b  "],
    ],
)
async def test_whatever_is_offered_is_let_be(headers: list[str]) -> None:
    async with connected(Settings()) as connection:
        for whole in (request("POST", SCORE, BODY, headers), chunked(SCORE, BODY, headers)):
            cut = whole.index(b"\r\n\r\n") + 4
            connection.send(whole, whole[:cut], whole[cut:])
            assert same(await connection.answers(2))


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_who_wants_to_close_after_it_is_closed(version: str) -> None:
    async with connected(Settings()) as connection:
        headers = ["connection: close, upgrade", "upgrade: h2c"]
        connection.send(request("POST", SCORE, BODY, headers, version))
        assert same([await connection.answer()])
        assert await connection.rest() == b""


async def test_a_body_that_looks_like_an_offer_stays_as_it_is() -> None:
    rows = b'labels,probabilities,cluster_id\r\n1,0.5,"a\r\nupgrade: h2c\r\n\r\n"\r\n0,0.5,b\r\n1,0.625,c'
    plain, offering = (
        request("POST", f"{SCORE}/rows", rows, ["content-type: text/csv", *headers]) for headers in ([], OFFER)
    )
    async with connected(Settings()) as connection:
        connection.send(plain, WHOLE + plain + offering, offering + plain)
        answers = await connection.answers(6)
    contents = [content for _, content in (answers[0], *answers[2:])]
    assert contents[0]["n_samples"] == 3
    assert contents == contents[:1] * 5


@pytest.mark.parametrize(("path", "status"), [("/healthz", 200), ("/socket", 404), (SCORE, 405)])
async def test_a_websocket_is_not_opened(path: str, status: int) -> None:
    headers = ["connection: Upgrade", "upgrade: websocket", "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA=="]
    async with connected(Settings()) as connection:
        connection.send(request("GET", path, b"", headers) * 2)
        assert [found for found, _ in await connection.answers(2)] == [status] * 2


@pytest.mark.parametrize("headers", [[], OFFER])
async def test_this_is_no_proxy(headers: list[str], log_lines: list[EventDict]) -> None:
    async with connected(Settings()) as connection:
        connection.send(request("CONNECT", "example.org:443", b"", headers) + b"\x16\x03\x01" + WHOLE)
        status, problem = await connection.answer()
        assert (status, problem["code"]) == (400, "malformed_request")
        assert "CONNECT" in problem["detail"]
        assert await connection.rest() == b""
    assert [(line["status"], line["code"]) for line in log_lines] == [(400, "malformed_request")]


@pytest.mark.parametrize(
    "broken", [["content-length: 1"], ["transfer-encoding: chunked"], ["content-length: x"], ["a b: c"]]
)
async def test_a_head_that_is_wrong_is_no_better_for_an_offer(broken: list[str]) -> None:
    for headers in (broken, OFFER + broken, broken + OFFER):
        async with connected(Settings()) as connection:
            connection.send(request("POST", SCORE, BODY, headers))
            status, problem = await connection.answer()
            assert (status, problem["code"]) == (400, "malformed_request")


@pytest.mark.parametrize("step", [1000, 10_000, 1_000_000])
async def test_a_head_with_an_offer_has_a_size(step: int) -> None:
    whole = request("POST", SCORE, BODY, [*OFFER, "x: " + "a" * 70_000]) + WHOLE
    async with connected(Settings()) as connection:
        connection.send(WHOLE, *(whole[i : i + step] for i in range(0, len(whole), step)))
        assert same([await connection.answer()])
        if step == 1_000_000:  # else it came while the first was under way, which closes without a second answer
            connection.send(whole)
        assert await connection.rest() == b""


async def test_a_head_with_an_offer_has_a_deadline() -> None:
    async with connected(Settings(head_timeout_seconds=0.05)) as connection:
        connection.send(WHOLE)
        assert same([await connection.answer()])
        connection.send(WHOLE[: N_HEAD - 1])
        assert (await connection.answer())[0] == 408


async def test_a_body_after_an_offer_has_a_deadline() -> None:
    async with connected(Settings(body_timeout_seconds=0.05, head_timeout_seconds=20.0)) as connection:
        connection.send(WHOLE[:-1])
        status, problem = await connection.answer()
        assert (status, problem["detail"]) == (408, "the body must arrive within 0.05 seconds")


async def test_trailers_have_a_size() -> None:
    whole = chunked(SCORE, BODY, OFFER)[:-2]  # without the end, which follows trailers
    async with connected(Settings()) as connection:
        connection.send(whole, *[b"a: b\r\n" * 1000] * 10, b"\r\n")
        assert same([await connection.answer()])
        connection.send(whole, *[b"a: b\r\n" * 1000] * 11)
        status, problem = await connection.answer()
        assert (status, problem["code"]) == (431, "head_too_large")
        assert "trailers" in problem["detail"]


@pytest.mark.parametrize("step", [1, 3, 7])
async def test_chunks_of_any_cut_are_no_trailers(step: int) -> None:
    whole = chunked(SCORE, b" " * 20_000 + BODY)
    async with connected(Settings()) as connection:
        connection.send(*(whole[i : i + step] for i in range(0, len(whole), step)))
        assert same([await connection.answer()])


async def test_a_broken_chunk_is_the_refusal_of_its_request(log_lines: list[EventDict]) -> None:
    whole = chunked(SCORE, BODY, ["x-request-id: abc"])
    async with connected(Settings()) as connection:
        connection.send(whole[:-40])
        await asyncio.sleep(0)  # the application begins
        connection.send(b"nonsense\r\n")
        status, problem = await connection.answer()
        assert (status, problem["code"], problem["request_id"]) == (400, "malformed_request", "abc")
        assert await connection.rest() == b""
    (line,) = log_lines
    assert (line["request_id"], line["route"], line["status"]) == ("abc", SCORE, 400)
    assert line["code"] == "malformed_request"


async def test_a_head_that_begins_behind_another_request_has_a_size() -> None:
    first, large = request("POST", SCORE, BODY), request("POST", SCORE, BODY, ["x: " + "a" * 100_000])
    async with connected(Settings()) as connection:
        connection.send(first + large[:-100])
        assert same([await connection.answer()])
        connection.send(large[-100:])
        assert (await connection.answer())[0] == 431
