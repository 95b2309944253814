"""Small requests that are refused by a look at their bytes, while too many wait to be scored."""

import asyncio
from threading import Event
from typing import Any

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api import backoff
from app.api.access import origins
from app.api.capacity import NO_THREAD
from app.api.turns import Waiting
from app.server.shedding import plain_head
from app.settings import Settings
from tests.api.connections import Connection, chunked, connected, request

pytestmark = pytest.mark.anyio

SCORE = "/v1/score/binary"
BODY = b'{"labels": [1, 0, 1], "probabilities": [0.9, 0.2, 0.625]}'
WHOLE = request("POST", SCORE, BODY)
FULL = Settings(max_lag_seconds=0)


def fill(connection: Connection) -> None:
    """Let a request wait, so that there is no room for another."""
    result = asyncio.get_running_loop().create_future()
    connection.protocol.app.capacity.turns.waiting.append(Waiting(bool, 0, result))


async def test_a_request_is_refused_and_the_connection_goes_on() -> None:
    async with connected(FULL) as connection:
        for _ in range(2):
            fill(connection)
            connection.send(WHOLE, WHOLE)
            (first, one), (second, other) = await connection.answers(2)
            assert first == second == 503
            assert one["code"] == other["code"] == "unavailable"
            assert one["type"] == "/problems/unavailable"
            assert one["request_id"] != other["request_id"]
            connection.send(request("GET", "/healthz", b""))
            assert (await connection.answer())[0] == 200
            connection.protocol.app.capacity.turns.waiting.clear()
            connection.send(WHOLE)
            assert (await connection.answer())[0] == 200


@pytest.mark.parametrize("sent", ['a"b\\c', "é", "", "a" * 200, "0" * 32])
async def test_a_request_id_is_kept_if_the_application_would_keep_it(sent: str) -> None:
    async with connected(FULL) as connection:
        fill(connection)
        connection.send(request("POST", SCORE, BODY, [f"X-Request-ID: {sent}"]))
        status, problem = await connection.answer()
        assert status == 503 or not sent.isascii()
        assert (problem.get("request_id") == sent) == (sent in {'a"b\\c', "0" * 32})


@pytest.mark.parametrize("n", [0, 100])
async def test_a_client_is_not_heard_for_a_while_after_many_refusals(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "MANY", n)
    async with connected(FULL) as connection:
        fill(connection)
        connection.send(WHOLE)
        assert (await connection.answer())[0] == 503
        assert connection.protocol.flow.read_paused is (n == 0)
        async with asyncio.timeout(20):
            while connection.protocol.flow.read_paused:  # noqa: ASYNC110 the server sets no event
                await asyncio.sleep(0)


FIT = request("POST", "/v1/calibrate/binary", BODY)
HEAD_OF_FIT = b"POST /v1/calibrate/binary HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n"


async def test_a_fit_is_refused_before_it_is_read_while_no_thread_is_free() -> None:
    async with connected(Settings(max_threads=1, max_waiting=1)) as connection:
        pool, go = connection.protocol.app.capacity.whole, Event()
        await pool.run(0, int)  # after SciPy, which this thread has imported
        works = [asyncio.create_task(pool.run(0, go.wait, 60.0)) for _ in range(2)]
        await asyncio.sleep(0)
        try:
            for instance in ("/v1/calibrate/binary", ""):  # of the second one the application does not hear
                connection.send(FIT)
                status, problem = await connection.answer()
                assert (status, problem["detail"], problem["instance"]) == (503, NO_THREAD, instance)
            connection.send(WHOLE)
            assert (await connection.answer())[0] == 200
            connection.send(HEAD_OF_FIT)
            assert (await connection.answer())[0] == 503
        finally:
            go.set()
        await asyncio.gather(*works)
        assert not pool.refuses


async def test_a_new_connection_is_idle_after_a_refusal() -> None:
    async with connected(FULL) as connection:
        connection.protocol.timeout_keep_alive = 0.05
        fill(connection)
        connection.send(WHOLE)
        assert (await connection.answer())[0] == 503
        assert await connection.rest() == b""


async def test_a_request_in_pieces_is_left_to_the_application() -> None:
    async with connected(FULL) as connection:
        fill(connection)
        connection.send(WHOLE[:-10], WHOLE[-10:])
        assert (await connection.answer())[0] == 200


async def test_a_request_behind_another_is_answered_in_its_turn() -> None:
    async with connected(FULL) as connection:
        connection.send(request("GET", "/v1/limits", b""))
        fill(connection)
        connection.send(WHOLE)
        answers = await connection.answers(2)
        assert [status for status, _ in answers] == [200, 200]
        assert "protocol" in answers[0][1]


async def test_a_page_of_another_site_can_read_the_refusal() -> None:
    settings = Settings(max_lag_seconds=0, cors_origins="https://example.org")
    async with connected(settings) as connection:
        fill(connection)
        connection.send(request("POST", SCORE, BODY, ["origin: https://example.org"]))
        assert (await connection.answer())[0] == 200
        fill(connection)
        connection.send(WHOLE)
        assert (await connection.answer())[0] == 503
    assert "Retry-After" in origins.EXPOSED


UNUSUAL = {
    "chunks": chunked(SCORE, BODY),
    "chunks and a length": request("POST", SCORE, BODY, ["transfer-encoding: chunked"]),
    "chunks without a space": request("POST", SCORE, BODY, ["transfer-encoding:chunked"]),
    "the last on its connection": request("POST", SCORE, BODY, ["Connection: close"]),
    "the last of some words": request("POST", SCORE, BODY, ["Connection: keep-alive, close"]),
    "the last after spaces": request("POST", SCORE, BODY, ["Connection:  close"]),
    "the last by an old name": request("POST", SCORE, BODY, ["Proxy-Connection: close"]),
    "an offer": request("POST", SCORE, BODY, ["connection: upgrade", "upgrade: h2c"]),
    "a question": request("POST", SCORE, BODY, ["expect: 100-continue"]),
    "two lengths": request("POST", SCORE, BODY, [f"content-length: {len(BODY)}"]),
    "two hosts": request("POST", SCORE, BODY, ["host: b"]),
    "no host": WHOLE.replace(b"host: a\r\n", b""),
    "no length": WHOLE.replace(b"content-length", b"content-longth"),
    "a wrong length": WHOLE + b" ",
    "a sign": WHOLE.replace(b"content-length: ", b"content-length: +"),
    "zeros": WHOLE.replace(b"content-length: ", b"content-length: " + b"0" * 5_000),
    "folded": WHOLE.replace(b"host: a", b"host: a\r\n b"),
    "line feeds": WHOLE.replace(b"\r\n", b"\n"),
    "an older version": WHOLE.replace(b"HTTP/1.1", b"HTTP/1.0"),
    "rows": request("POST", f"{SCORE}/rows", BODY),
    "a query": request("POST", f"{SCORE}?n_bins=3", BODY),
    "a path in a query": request("POST", f"/v1/merge?path={SCORE}", BODY),
    "a whole address": request("POST", f"http://a{SCORE}", BODY),
    "a probe": request("GET", "/healthz", b""),
    "two": WHOLE * 2,
    "nothing": b"",
}


@pytest.mark.parametrize("sent", UNUSUAL.values(), ids=UNUSUAL)
def test_what_is_not_plain_is_read_by_the_parser(sent: bytes) -> None:
    assert plain_head(WHOLE)
    assert plain_head(sent) == b""


LINES = [
    b"host: a",
    b"Host: b ",
    b"Content-Length: 2",
    b"content-length:  2",
    b"content-length: 02",
    b"content-length: 3",
    b"CONTENT-LENGTH: 2, 2",
    b"content-length : 2",
    b"content_length: 3",
    b"transfer-encoding: identity",
    b"connection: Keep-Alive",
    b"connection: keep-alive,close",
    b"keep-alive: timeout=1",
    b"upgrade: h2c",
    b"x: a: b",
    b"x:",
    b"x: a\tb",
    b" folded: x",
    b"x: \0",
    b"x: a\rb",
    b"x: a\nb",
    b"",
]
FIRST = [b"POST %b HTTP/%b" % (path, v) for path in (b"/v1/score/binary", b"/a//v1/score/a") for v in (b"1.1", b"1.0")]


@given(
    st.sampled_from(FIRST),
    st.lists(st.sampled_from(LINES), max_size=5),
    st.sampled_from([b"{}", b"", b"{}\r\n", b"POST"]),
)
def test_what_is_plain_is_one_request_to_the_parser_too(first: bytes, lines: list[bytes], body: bytes) -> None:
    sent = b"\r\n".join([first, b"host: a", b"content-length: 2", *lines, b"", body])
    for data in (sent, sent.replace(b"host: a\r\n", b"", 1), sent.replace(b"content-length: 2\r\n", b"", 1)):
        if not plain_head(data):
            continue
        seen = Seen()
        parser = httptools.HttpRequestParser(seen)
        parser.feed_data(data)
        assert parser.should_keep_alive()
        assert not parser.should_upgrade()
        assert seen.calls == ["begin", data[len(plain_head(data)) :], "end"]


class Seen:
    """A record of what the parser sees in a piece."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def on_message_begin(self) -> None:
        self.calls.append("begin")

    def on_body(self, body: bytes) -> None:
        self.calls.append(body)

    def on_message_complete(self) -> None:
        self.calls.append("end")
