"""A real server that asks for keys, knows its hosts, and answers pages of one other site."""

import http.client
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.access.keyring import BODY, TOKENS, bearer, written
from tests.api.servers import ROOT, Process, running

SCORE = "/v1/score/binary"
ORIGIN = "https://app.example.org"
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("SURPRISAL_")}


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "keys"


@pytest.fixture(scope="module")
def server(keys_file: Path) -> Iterator[Process]:
    names = {
        "SURPRISAL_API_KEYS_FILE": written(keys_file, "scorer", "reader", "admin", "slow"),
        "SURPRISAL_ALLOWED_HOSTS": "127.0.0.1, *.example.org",
        "SURPRISAL_CORS_ORIGINS": ORIGIN,
    }
    with running(**names) as process:
        yield process


def asked(
    server: Process, path: str = SCORE, method: str = "POST", **headers: str
) -> tuple[int, http.client.HTTPMessage, Any]:
    """Status, headers and JSON of an answer, to a client of its own."""
    connection = server.connection()
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, json.dumps(BODY) if method == "POST" else None, given)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    is_json = (response.headers["Content-Type"] or "").endswith("json")
    return response.status, response.headers, json.loads(content) if is_json else content


def refused(
    server: Process, code: str, path: str = SCORE, method: str = "POST", **headers: str
) -> http.client.HTTPMessage:
    status, head, problem = asked(server, path, method, **headers)
    assert (problem["code"], problem["status"]) == (code, status)
    assert head["X-Request-ID"] == problem["request_id"]
    return head


@pytest.mark.parametrize("name", ["scorer", "admin"])
def test_a_key_lets_through_in_either_header_and_in_both(name: str, server: Process) -> None:
    token = TOKENS[name]
    assert asked(server, Authorization=f"Bearer {token}")[0] == 200
    assert asked(server, Authorization=f"bearer  {token}")[0] == 200
    assert asked(server, X_API_Key=token)[0] == 200
    assert asked(server, Authorization=f"Bearer {token}", X_API_Key=token)[0] == 200
    assert asked(server, Authorization="Basic YTpi", X_API_Key=token)[0] == 200


def test_a_request_without_a_key_is_asked_for_one(server: Process) -> None:
    assert refused(server, "unauthorized")["WWW-Authenticate"] == 'Bearer realm="surprisal"'
    assert refused(server, "unauthorized", Authorization="Basic YTpi")["WWW-Authenticate"] == 'Bearer realm="surprisal"'


@pytest.mark.parametrize(
    "sent",
    [
        {"X_API_Key": "surprisal_other"},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer \xe9"},
        {"Authorization": f"Bearer {TOKENS['scorer']}", "X_API_Key": TOKENS["admin"]},
        {"Authorization": f"Bearer {TOKENS['later']}"},
    ],
)
def test_a_key_that_is_not_known_is_refused(sent: dict[str, str], server: Process) -> None:
    assert 'error="invalid_token"' in refused(server, "unauthorized", **sent)["WWW-Authenticate"]


def test_a_key_without_the_scope_is_refused(server: Process) -> None:
    told = refused(server, "forbidden", **bearer("reader"))["WWW-Authenticate"]
    assert told == 'Bearer realm="surprisal", error="insufficient_scope", scope="score"'
    refused(server, "forbidden", "/metrics", "GET", **bearer("scorer"))
    assert asked(server, "/metrics", "GET", **bearer("reader"))[0] == 200
    assert asked(server, "/v1/limits", "GET", **bearer("reader"))[0] == 200
    refused(server, "unauthorized", "/v1/limits", "GET")


def test_no_byte_of_a_refused_body_is_asked_for(server: Process) -> None:
    with server.socket() as client:
        client.sendall(
            f"POST {SCORE} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n"
            "Expect: 100-continue\r\n\r\n".encode()
        )
        assert client.recv(1024).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/docs", "/openapi.json", "/problems/unauthorized", "/favicon.ico"]
)
def test_probes_and_pages_are_open(path: str, server: Process) -> None:
    assert asked(server, path, "GET")[0] == 200
    assert asked(server, path, "GET", X_API_Key="surprisal_other")[0] == 200


def test_a_key_over_its_rate_waits(server: Process) -> None:
    assert [asked(server, **bearer("slow"))[0] for _ in range(2)] == [200, 200]
    seconds = int(refused(server, "too_many_requests", **bearer("slow"))["Retry-After"])
    assert 1 <= seconds <= 86_400
    refused(server, "too_many_requests", "/v1/limits", "GET", **bearer("slow"))
    assert asked(server, **bearer("scorer"))[0] == 200


def test_the_log_says_whose_key_it_was_and_no_token(server: Process) -> None:
    asked(server, X_Request_ID="whose", **bearer("scorer"))
    while (line := server.wait_for("request")).get("request_id") != "whose":
        pass
    assert line["caller"] == "key scorer"
    assert not any(token in json.dumps(server.log) for token in TOKENS.values())


def test_a_changed_file_is_heeded_while_it_runs(server: Process, keys_file: Path) -> None:
    before = keys_file.read_text()
    try:
        written(keys_file, "later")
        server.wait_for("the file of keys has changed: it holds 1")
        assert asked(server, **bearer("later"))[0] == 200
        refused(server, "unauthorized", **bearer("scorer"))
    finally:
        keys_file.write_text(before)
        server.wait_for("the file of keys has changed: it holds 4")


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "a.example.org", "A.Example.ORG:443"])
def test_a_host_of_the_service_is_answered(host: str, server: Process) -> None:
    assert asked(server, Host=host, **bearer("scorer"))[0] == 200


@pytest.mark.parametrize("host", ["example.org", "evil.test", "a.example.org.evil.test", "127.0.0.1.evil.test:80", ""])
def test_another_host_is_refused_but_for_probes(host: str, server: Process) -> None:
    refused(server, "unknown_host", Host=host, **bearer("scorer"))
    refused(server, "unknown_host", "/docs", "GET", Host=host)
    assert asked(server, "/healthz", "GET", Host=host)[0] == 200


def test_a_browser_is_told_before_it_sends(server: Process) -> None:
    asking = {"Origin": ORIGIN, "Access_Control_Request_Method": "POST"}
    status, head, _ = asked(server, method="OPTIONS", **asking)
    assert (status, head["Access-Control-Allow-Origin"], head["Vary"]) == (204, ORIGIN, "Origin")
    assert "POST" in head["Access-Control-Allow-Methods"]
    assert "Authorization" in head["Access-Control-Allow-Headers"]
    assert head["X-Request-ID"]
    status, head, _ = asked(server, method="OPTIONS", **asking | {"Origin": "https://evil.test"})
    assert (status, head["Access-Control-Allow-Origin"]) == (204, None)


def test_a_page_of_a_named_origin_may_read_answers_and_refusals(server: Process) -> None:
    for headers in ({**bearer("scorer")}, {}):
        _, head, _ = asked(server, Origin=ORIGIN, **headers)
        assert (head["Access-Control-Allow-Origin"], head["Vary"]) == (ORIGIN, "Origin")
        assert "Retry-After" in head["Access-Control-Expose-Headers"]
        assert head["Access-Control-Allow-Credentials"] is None
        _, head, _ = asked(server, Origin="https://evil.test", **headers)
        assert (head["Access-Control-Allow-Origin"], head["Vary"]) == (None, "Origin")


@pytest.mark.parametrize(
    ("proxies", "caller"),
    [("127.0.0.1", "203.0.113.7"), ("127.0.0.0/8,203.0.113.0/24", "192.0.2.66"), ("10.0.0.1", "127.0.0.1"), ("", None)],
)
def test_the_address_of_a_caller_is_believed_of_named_proxies_alone(proxies: str, caller: str | None) -> None:
    with running(SURPRISAL_TRUSTED_PROXIES=proxies) as behind:
        asked(behind, X_Forwarded_For="192.0.2.66, 203.0.113.7")
        assert behind.wait_for("request").get("caller") == caller


def test_no_page_of_another_site_is_served_by_default() -> None:
    with running() as closed:
        _, head, _ = asked(closed, Origin=ORIGIN, Host="any.test")
        assert not [name for name in head if name.lower().startswith("access-control")]
        refused(closed, "method_not_allowed", method="OPTIONS", Origin=ORIGIN, Access_Control_Request_Method="POST")


def test_every_page_may_be_named_at_once() -> None:
    with running(SURPRISAL_CORS_ORIGINS="*") as public:
        _, head, _ = asked(public, Origin=ORIGIN)
        assert (head["Access-Control-Allow-Origin"], head["Vary"]) == ("*", None)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_network_is_served_only_if_the_operator_says_so(workers: str) -> None:
    """A port that is taken ends the start after the check, so that this test never listens to the network."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [sys.executable, "-m", "app", "--host", "0.0.0.0", "--port", str(taken.getsockname()[1])]  # noqa: S104
        command += ["--workers", workers]

        def output(**settings: str) -> str:
            done = subprocess.run(
                command, cwd=ROOT, env=ENVIRONMENT | settings, capture_output=True, text=True, check=False
            )
            assert done.returncode
            return done.stdout + done.stderr

        assert "without keys --host must be an address of this machine alone" in output()
        told = output(SURPRISAL_OPEN="1")
        assert "open to everybody who can reach 0.0.0.0" in told
        assert "address already in use" in told.lower()
