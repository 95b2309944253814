import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message, Scope, Send
from structlog.typing import EventDict

from app.api.application import BareRoute
from app.api.exchange import WHOLE_ANSWER, Exchange
from app.api.response import Response
from app.main import create_app
from app.settings import Settings
from tests.api.clients import exchange_with

pytestmark = pytest.mark.anyio

SCORE = "/v1/score/binary"
BODY = {"labels": [1, 0], "probabilities": [0.8125, 0.1875]}


@pytest.mark.parametrize("sent", ["a", "x" * 128, "0-9_~!{}"])
async def test_the_clients_request_id_comes_back(sent: str, client: httpx.AsyncClient) -> None:
    response = await client.get("/healthz", headers={"x-request-id": sent})
    assert response.headers["x-request-id"] == sent


@pytest.mark.parametrize("sent", [None, "", "x" * 129, "a b", "\x7f", "é", "a\tb"])
async def test_another_request_id_is_made_anew(sent: str | None, client: httpx.AsyncClient) -> None:
    headers = [] if sent is None else [(b"x-request-id", sent.encode("latin-1"))]
    responses = [await client.get("/healthz", headers=headers) for _ in range(2)]
    first, second = (response.headers["x-request-id"] for response in responses)
    assert first != second
    assert len(first) == len(second) == 32


@pytest.mark.parametrize(("sent", "n"), [(b"", 0), (b"0", 0), (b"57", 57), (b"0" * 5_000 + b"57", 57), (b"+57", 0)])
def test_a_length_is_declared_in_digits(sent: bytes, n: int) -> None:
    assert exchange_with((b"content-length", sent)).declared_bytes == n


@pytest.mark.parametrize("path", ["/healthz", "/docs", "/nothing", "/problems/internal", "/openapi.json"])
async def test_every_answer_has_the_security_headers(path: str, client: httpx.AsyncClient) -> None:
    headers = (await client.get(path)).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "server" not in headers


@pytest.mark.parametrize("path", ["/healthz", "/docs", "/nothing"])
async def test_head_is_get_without_a_body(path: str, client: httpx.AsyncClient) -> None:
    get, head = await client.get(path), await client.head(path)
    assert head.content == b""
    assert (head.status_code, head.headers["content-type"]) == (get.status_code, get.headers["content-type"])


async def test_a_request_is_one_line_without_its_values(client: httpx.AsyncClient, log_lines: list[EventDict]) -> None:
    response = await client.post(SCORE, json=BODY, headers={"x-request-id": "abc"})
    (line,) = log_lines
    assert line.pop("ms") > 0
    assert line == {
        "event": "request",
        "logger": "surprisal.access",
        "log_level": "info",
        "request_id": "abc",
        "method": "POST",
        "route": SCORE,
        "status": 200,
        "bytes_in": len(response.request.content),
        "bytes_out": len(response.content),
        "n_scored": 2,
    }


async def test_paths_are_logged_as_their_template(client: httpx.AsyncClient, log_lines: list[EventDict]) -> None:
    for path in ("/problems/internal", "/secret-in-the-path", "/docs/assets/swagger-ui.css"):
        await client.get(path, params={"secret": "query"})
    await client.post(SCORE, json={"labels": ["secret"], "probabilities": ["secret"]})
    assert [line["route"] for line in log_lines] == [
        "/problems/{code}",
        "unmatched",
        "/docs/assets/{name}",
        SCORE,
    ]
    assert "secret" not in str(log_lines)


async def test_a_client_that_leaves_is_not_answered(log_lines: list[EventDict]) -> None:
    async def leave(_: Exchange) -> Response:
        raise ClientDisconnect

    assert await answered(leave) == []
    assert log_lines[0]["status"] == 499
    assert log_lines[0]["log_level"] == "info"


async def test_half_an_answer_is_left_to_the_server(log_lines: list[EventDict]) -> None:
    async def fail(exchange: Exchange) -> Response:
        await exchange.respond(Response())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await answered(fail, Settings(body_timeout_seconds=0.01))
    assert "ZeroDivisionError" in log_lines[0]["exception"]


async def test_no_websocket_is_taken() -> None:
    sent: list[Message] = []
    scope = {"type": "websocket", "path": "/healthz", "headers": []}
    await create_app(Settings())(scope, endless, collecting(sent))
    assert [message["type"] for message in sent] == ["websocket.close"]


async def test_the_rest_of_a_refused_body_is_taken_in(client: httpx.AsyncClient) -> None:
    taken = 0

    async def parts() -> AsyncIterator[bytes]:
        nonlocal taken
        for _ in range(50):
            taken += 1
            yield b" " * 1000

    response = await client.post("/nothing", content=parts())
    assert (response.status_code, taken) == (404, 50)
    assert response.headers["connection"] == "close"


async def test_a_body_without_end_is_not_waited_for() -> None:
    async def refuse(_: Exchange) -> Response:
        return Response(b"no", 413)

    async with asyncio.timeout(5):
        sent = await answered(refuse, Settings(body_timeout_seconds=0.01))
    assert [message.get("body") for message in sent] == [None, b"no", b""]
    assert [message.get("more_body", False) for message in sent] == [False, True, False]
    assert sent[0]["headers"][-1] == (b"connection", b"close")


async def test_who_was_too_slow_gets_no_more_time() -> None:
    async def refuse(_: Exchange) -> Response:
        return Response(b"no", 408)

    assert [message.get("body") for message in await answered(refuse)] == [None, b"no"]


@pytest.mark.parametrize(
    "response",
    [Response(b"{}", media_type="application/json"), Response(b"no", 405, {"allow": "GET"}), Response(status_code=204)],
)
async def test_a_server_that_takes_an_answer_in_one_message_is_told_the_same(response: Response) -> None:
    sent: list[Message] = []
    for extensions in ([], [WHOLE_ANSWER]):
        await exchange_with((b"x-request-id", b"abc"), send=collecting(sent), extensions=extensions).respond(response)
    start, body, whole = sent
    assert sorted(whole["head"].splitlines()) == sorted(b": ".join(header) for header in start["headers"])
    assert (whole["status"], whole["body"]) == (start["status"], body["body"])


@pytest.mark.parametrize("header", ["GET\r\nset-cookie: a", "GET\n", "a\rb"])
def test_a_header_is_one_line(header: str) -> None:
    with pytest.raises(ValueError, match="one line"):
        Response(headers={"allow": header})


async def endless() -> Message:
    await asyncio.sleep(0)
    return {"type": "http.request", "body": b" ", "more_body": True}


def collecting(messages: list[Message]) -> Send:
    async def send(message: Message) -> None:
        messages.append(message)

    return send


async def answered(
    endpoint: Callable[[Exchange], Awaitable[Response]], settings: Settings | None = None
) -> list[Message]:
    """The messages that a server gets of a route of the application, for a body that never ends."""
    app, sent = create_app(settings), list[Message]()
    app.router.routes.append(BareRoute("/", endpoint, methods=["POST"]))
    headers = [(b"transfer-encoding", b"chunked")]
    scope: Scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    try:
        await app(scope, endless, collecting(sent))
    finally:
        app.telemetry.record()
    assert scope["exchange"] is None
    return sent
